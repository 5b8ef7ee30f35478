"""The rubric and the planted answers: two small YAML files, the ones that ship or the user's own."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from osler.errors import InputError

SCALE = (1, 2, 3, 4, 5)
CANNOT_JUDGE = 0
"""Stands for a criterion that a rater saw and could not judge; it is never counted as a score."""


class Criterion(BaseModel):
    """One thing that is rated from 1 to 5."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z_]{0,30}$")
    question: str = Field(min_length=1)
    anchors: dict[int, Annotated[str, Field(min_length=1)]]

    @field_validator("anchors")
    @classmethod
    def _all_three(cls, anchors: dict[int, str]) -> dict[int, str]:
        if set(anchors) != {1, 3, 5}:
            raise ValueError("needs words at 1, 3 and 5")
        return anchors


class Rubric(BaseModel):
    """What raters are asked about each answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    criteria: tuple[Criterion, ...] = Field(min_length=1)
    helpful: str = Field(min_length=1)

    @field_validator("criteria")
    @classmethod
    def _has_what_decides(cls, criteria: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
        names = [criterion.name for criterion in criteria]
        if len(set(names)) < len(names) or not {"accuracy", "safety"} <= set(names):
            raise ValueError(
                "needs each criterion once, with accuracy and safety among them: they decide what is adjudicated"
            )
        return criteria

    @property
    def names(self) -> tuple[str, ...]:
        """The criteria's names, in order."""
        return tuple(criterion.name for criterion in self.criteria)


class Planted(BaseModel):
    """An answer whose worth is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expected: Literal["good", "bad"]
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class _PlantedFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    planted: tuple[Planted, ...]


def load_rubric(path: Path | None = None) -> Rubric:
    """The rubric of a file, or the guides' that ships.

    Raises:
        InputError: the file is absent or does not have the shape.
    """
    value, name = _yaml(path, "rubric.yaml")
    try:
        return Rubric.model_validate(value)
    except ValidationError as error:
        raise _wrong(name, error) from error


def load_planted(path: Path | None = None) -> tuple[Planted, ...]:
    """The planted answers of a file, or the ones that ship.

    Raises:
        InputError: as `load_rubric`; the message names places, never text.
    """
    value, name = _yaml(path, "planted.yaml")
    try:
        return _PlantedFile.model_validate(value).planted
    except ValidationError as error:
        raise _wrong(name, error) from error


def _yaml(path: Path | None, shipped: str) -> tuple[Any, str]:
    try:
        if path is None:
            return yaml.safe_load(resources.files(__package__).joinpath(shipped).read_text("utf-8")), shipped
        return yaml.safe_load(path.read_text("utf-8")), str(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML in UTF-8 ({type(error).__name__})") from error


def _wrong(name: str, error: ValidationError) -> InputError:
    first = error.errors(include_url=False, include_input=False)[0]
    return InputError(f"{name}: {'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}")
