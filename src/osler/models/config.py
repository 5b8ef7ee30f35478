"""The recipe's `model` section: which base model, and what it is always told."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from osler.runs.section import Section

SCRATCH_BASES = ("scratch:tiny",)
"""Bases that are built from the run's own training records instead of loaded."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class ModelConfig(Section):
    """Which base model a run trains and serves."""

    base: str = Field(
        default="scratch:tiny",
        description="scratch:tiny (a model of a few million parameters, built from the run's own training records), a local "
        "folder (starts with /, . or ~), or a hub id (org/name).",
    )
    revision: str = Field(default="main", min_length=1, description="Branch, tag or commit of a hub id.")
    system_prompt: str | None = Field(
        default=None,
        description="First turn of every conversation, in training and when asked. null: the text that ships with osler; "
        'an empty text (""): none.',
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Number type of the base weights. auto: float32 without a GPU, bfloat16 with one.",
    )

    @field_validator("base")
    @classmethod
    def _base_is_known(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith("scratch:"):
            if value not in SCRATCH_BASES:
                raise ValueError(f"{value!r} is not a scratch base; allowed: {', '.join(SCRATCH_BASES)}")
            return value
        if value.startswith(("/", ".", "~")):
            return str(_existing_folder(value, (info.context or {}).get("folder")))
        if not _HUB_ID.fullmatch(value):
            raise ValueError(
                f"{value!r} is neither {SCRATCH_BASES[0]}, nor a hub id (org/name), nor a folder "
                "(write it with ./ in front); choose one of these"
            )
        return value


def _existing_folder(value: str, recipe_folder: str | Path | None) -> Path:
    folder = Path(value).expanduser()
    if not folder.is_absolute():
        folder = Path(recipe_folder or ".") / folder
    if not folder.is_dir():
        raise ValueError(f"the folder {value!r} does not exist (looked at {folder}); give the folder of a model")
    if not (folder / "config.json").is_file():
        raise ValueError(f"the folder {value!r} has no config.json; give the folder that holds a model's files")
    return folder.resolve()
