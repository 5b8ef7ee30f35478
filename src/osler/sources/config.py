"""The recipe's `collect` section: which sources, from where, how much."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from osler.errors import InputError
from osler.records.record import Access
from osler.runs.section import PositiveInt, Section, seen_from_recipe
from osler.sources.catalog import source_named

SAMPLE_SOURCES = ("first_aid", "medmcqa", "medqa", "medquad", "pubmedqa", "symptom_to_diagnosis")
"""Sources that the sample has."""


def _mistake(code: str, message: str) -> PydanticCustomError:
    return PydanticCustomError("osler_" + code, "{message}", {"message": message})


def _known_source(name: str) -> str:
    """Per name, so that several wrong names are several mistakes."""
    try:
        source = source_named(name)
    except InputError as error:
        raise _mistake("unknown_source", str(error)) from error
    if "train" not in source.use:
        raise _mistake(
            "not_for_training", f"{name} is not for training (osler sources show {name}); use it in evaluate"
        )
    return name


class OwnConfig(Section):
    """A data set of your own: one file, and which of its columns mean what."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,40}$",
        description="Its name in records and reports: lower-case letters, digits, dash and underscore.",
    )
    file: Path = Field(
        description="CSV, TSV, JSON Lines, JSON, Parquet or XLSX. A relative path starts at the recipe's folder."
    )
    question: str = Field(min_length=1, description="Column with what the user asks.")
    answer: str = Field(
        min_length=1,
        description="Column with what the assistant says; with `choices`, the text or letter of the right option.",
    )
    context: str | None = Field(None, description="Column with a passage that belongs to the question.")
    choices: str | Annotated[tuple[str, ...], Field(min_length=2)] | None = Field(
        None, description="Column with a list of options, or a list of columns with one option each."
    )
    count_from: Literal[0, 1] | None = Field(
        None, description="From what `answer` counts when it is the number of an option; null: it is no number."
    )
    group: str | None = Field(
        None,
        description="Column with what must not stand on both sides of a split, as a patient's number. Records hold a digest of it.",
    )
    split: str | None = Field(
        None, description="Column with train, validation or test; null: the file's name tells, or there is none."
    )
    language: str = Field("en", min_length=2, description="BCP 47 tag.")
    license: str = Field("LicenseRef-own", min_length=1, description="SPDX id, or LicenseRef-... for your own terms.")
    access: Access = Field(
        "unclear",
        description="open, unclear, application or credentialed. The last two never leave this machine and need an agreement.",
    )
    generator: str = Field("", description="The model that wrote the text; empty for human text.")

    @field_validator("file", mode="before")
    @classmethod
    def _existing_file(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str | Path):
            return value
        file = seen_from_recipe(value, info)
        if not file.is_file():
            there = "a folder, not a file," if file.is_dir() else "no file"
            raise _mistake("no_file", f"there is {there} {str(file)!r} (from {str(value)!r}); correct the path")
        return str(file.absolute())  # a link keeps its name: in the hub's cache only that tells the format

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        try:
            source_named(name)
        except InputError:
            return name
        raise _mistake("name_taken", f"{name!r} is the name of a source in the catalog; choose another")


class CollectConfig(Section):
    """Which sources to read, from where, and how much of them."""

    root: Literal["sample"] | Path = Field(
        default="sample",
        union_mode="left_to_right",
        description="Folder with one folder per source that holds the publisher's own files, or 'sample' for the small "
        "invented data set that ships with Osler. A relative path starts at the recipe's folder.",
    )
    own: tuple[OwnConfig, ...] = Field(
        default=(),
        description="Data sets of your own, which are trained on beside `sources`: a list of mappings with name, file, "
        "question and answer, and context, choices, group, split, license, access where they apply.",
    )
    sources: tuple[Annotated[str, AfterValidator(_known_source)], ...] = Field(
        default=SAMPLE_SOURCES,
        description="Names of the sources to train on, in the order in which they are read; [] with `own` alone.",
    )
    may_be_absent: tuple[str, ...] = Field(
        default=(),
        description="Those of `sources` that are left out, and named as absent, where `root` has no files of them. Files of any "
        "other source that are missing stop the run.",
    )
    agreements: dict[str, str] = Field(
        default={},
        description="For sources under an agreement: which one, by the source's name, as in "
        '{mimic_iii: "PhysioNet Credentialed Health Data Use Agreement 1.5.0, signed 2026-01-02"}. It is recorded with the run.',
    )
    max_rows: PositiveInt | None = Field(
        default=None,
        description="At most this many native rows of each published split of each source, from its start; all when left out.",
    )
    max_malformed_share: Annotated[float, Field(strict=True, ge=0, le=1)] = Field(
        default=0.05,
        description="Share of a source's rows that may be unreadable (0 to 1) before the run stops. Rows without an answer or "
        "with a hidden label do not count; sources with fewer than 100 rows are not held to it.",
    )

    @field_validator("root", mode="before")
    @classmethod
    def _existing_folder(cls, value: Any, info: ValidationInfo) -> Any:
        if value == "sample" or not isinstance(value, str | Path):
            return value
        folder = seen_from_recipe(value, info)
        if not folder.is_dir():
            raise _mistake(
                "no_folder",
                f"there is no folder {str(folder)!r} (from {str(value)!r}); expected a folder with one folder per source, or "
                "'sample'. `osler collect NAME` downloads what is open to ~/.cache/osler/sources ($OSLER_CACHE/sources), which is "
                "such a folder; correct the path, or give --set collect.root=FOLDER.",
            )
        return str(folder.resolve())

    @field_validator("sources", mode="after")
    @classmethod
    def _no_source_twice(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not names and not info.data.get("own", "not valid, which is told already"):
            raise _mistake("no_source", "must not be empty; name a source, or add a data set of your own (collect.own)")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise _mistake("repeated", f"{', '.join(repeated)} is listed more than once; name each source once")
        return names

    @model_validator(mode="after")
    def _own_is_clear(self) -> Self:
        if self.own and "sources" not in self.model_fields_set:
            raise _mistake("unsaid", "own is given; say in sources what to train on beside it ([] for nothing else)")
        own = [one.name for one in self.own]
        repeated = sorted({name for name in own if own.count(name) > 1})
        if repeated:
            raise _mistake("repeated", f"own has {', '.join(repeated)} more than once; give each its own name")
        return self

    @model_validator(mode="after")
    def _absent_ones_are_named(self) -> Self:
        if unknown := sorted({*self.may_be_absent} - {*self.sources}):
            raise _mistake(
                "not_a_source", f"may_be_absent names {', '.join(unknown)}, which sources does not; add it there first"
            )
        return self

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Names of all that is trained on: sources of the catalog, then the user's own."""
        return (*self.sources, *(one.name for one in self.own))
