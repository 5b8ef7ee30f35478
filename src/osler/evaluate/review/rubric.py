"""The rubric and the planted answers: two small YAML files, the ones that ship or the user's own."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from osler.evaluate.form import read_form
from osler.runs.section import Section

SCALE = (1, 2, 3, 4, 5)
CANNOT_JUDGE = 0
"""Stands for a criterion that a rater saw and could not judge; it is never counted as a score."""


class Criterion(Section):
    """One thing that is rated from 1 to 5."""

    name: str = Field(pattern=r"^[a-z][a-z_]{0,30}$")
    question: str = Field(min_length=1)
    anchors: dict[int, Annotated[str, Field(min_length=1)]]

    @field_validator("anchors")
    @classmethod
    def _all_three(cls, anchors: dict[int, str]) -> dict[int, str]:
        if set(anchors) != {1, 3, 5}:
            raise ValueError("needs words at 1, 3 and 5")
        return anchors


class Rubric(Section):
    """What raters are asked about each answer."""

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


class Planted(Section):
    """An answer whose worth is known."""

    expected: Literal["good", "bad"]
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class _PlantedFile(Section):
    planted: tuple[Planted, ...]


def load_rubric(path: Path | None = None) -> Rubric:
    """The rubric of a file, or the guides' that ships; raises as `read_form`."""
    return read_form(Rubric, path or files(__package__).joinpath("rubric.yaml"))


def load_planted(path: Path | None = None) -> tuple[Planted, ...]:
    """The planted answers of a file, or the ones that ship; raises as `read_form`."""
    return read_form(_PlantedFile, path or files(__package__).joinpath("planted.yaml")).planted
