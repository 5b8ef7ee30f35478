"""A YAML file, the user's or one that ships, read into its shape."""

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from osler.errors import InputError

Form = TypeVar("Form", bound=BaseModel)


def read_form(kind: type[Form], file: Path | Traversable) -> Form:
    """The content of a file.

    Raises:
        InputError: it is absent, is not YAML or does not have the shape; the message names places, never text.
    """
    try:
        return kind.model_validate(yaml.safe_load(file.read_text("utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{file} does not exist; expected a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        place = f" at line {mark.line + 1}" if mark is not None else ""
        raise InputError(f"{file} is not YAML{place}; texts with ?, :, # or commas need quotes") from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        places = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg'].removeprefix('Value error, ')}"
            for one in found
        )
        raise InputError(f"{file}: {places}") from error
