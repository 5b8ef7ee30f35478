"""What people write, as values: sections of a recipe and files beside it."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationInfo

from osler.errors import InputError

PositiveInt = Annotated[StrictInt, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
"""Of a whole, 0 to 1."""


class Section(BaseModel):
    """A mapping that people write: an unknown key is refused, no number is infinite, and nothing changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def seen_from_recipe(path: str | Path, info: ValidationInfo) -> Path:
    """A path as the recipe means it: a relative one starts at the recipe's folder, or here where there is no recipe."""
    return Path((info.context or {}).get("folder", Path.cwd())) / Path(path).expanduser()


def read_filled_in(file: Path) -> Any:
    """A YAML file that a person fills in, as strings, lists and mappings alone: a number or a date stays as it was written.

    Raises:
        InputError: it is not YAML.
    """
    try:
        return yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader) or {}  # noqa: S506 - makes nothing but these
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not YAML that can be read. Mend it, or delete it to begin anew.") from error
