"""The `guard` section of a recipe: which policy stands around the model."""

from pydantic import Field, ValidationInfo, field_validator

from osler.runs.section import Section, seen_from_recipe

SHIPPED_POLICIES = ("education", "clinician")
"""Names of the policies that come with the package."""


class GuardConfig(Section):
    """Which policy stands around the model, in the red team and when it is served."""

    policy: str = Field(
        "education",
        min_length=1,
        description="A policy that ships (education, clinician) or a policy file. A relative path starts at the recipe's folder.",
    )
    stronger_url: str | None = Field(
        None,
        description="An OpenAI-compatible endpoint of a guard model (http://host/v1), asked only where the classifier is unsure; "
        "null asks none.",
    )
    stronger_model: str = Field(
        "guard", min_length=1, description="The name under which the endpoint knows that model."
    )

    @field_validator("policy")
    @classmethod
    def _policy_is_there(cls, value: str, info: ValidationInfo) -> str:
        file = seen_from_recipe(value, info)
        if value in SHIPPED_POLICIES:
            return value
        if not file.is_file():
            raise ValueError(
                f"there is no policy {value!r} (looked at {file}); give {' or '.join(SHIPPED_POLICIES)}, or a policy file"
            )
        return str(file.resolve())
