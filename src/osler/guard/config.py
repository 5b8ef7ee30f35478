"""The `guard` section of a recipe: which policy stands around the model."""

from pydantic import Field

from osler.runs.section import Section


class GuardConfig(Section):
    """Which policy stands around the model, in the red team and when it is served."""

    policy: str = Field(
        "education",
        min_length=1,
        description="A policy that ships (education, clinician) or the path of a policy file.",
    )
    stronger_url: str | None = Field(
        None,
        description="An OpenAI-compatible endpoint of a guard model (http://host/v1), asked only where the classifier is unsure; "
        "null asks none.",
    )
    stronger_model: str = Field(
        "guard", min_length=1, description="The name under which the endpoint knows that model."
    )
