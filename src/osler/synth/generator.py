"""A generator: a YAML file with a prompt, the form of the reply, how a record is made of it, and what is checked.

A user adds one without code: write a file of this shape and name its path in the recipe.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import jinja2
import jinja2.meta
import jsonschema
import yaml
from jinja2.sandbox import SandboxedEnvironment
from pydantic import ConfigDict, Field, StrictInt, ValidationError

from osler.errors import InputError
from osler.records.record import Task
from osler.runs.files import sha256_json
from osler.runs.section import Section
from osler.text import did_you_mean

ItemKind = Literal["passages", "topics", "records"]
Check = Literal["quote", "numbers", "copied", "standalone", "directive", "duplicate", "overlap"]

_FOLDER = Path(str(files("osler.synth"))) / "generators"
_ENVIRONMENT = SandboxedEnvironment(
    undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)
_KNOWN = {"item", "passages", "reply", "record"}


class RecordForm(Section):
    """How the parts of a record are written from the reply: templates over `item`, `record` and `reply`."""

    task: Task
    question: str = Field("", description="Empty: the item record's own question, options and key stay.")
    answer: str
    quote: str = Field("{{ reply.quote }}", description="The words that the answer rests on.")


class Generator(Section):
    """One kind of record to write."""

    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_]{0,47}$")
    version: StrictInt = Field(ge=1, description="Raised with every change of prompt, form or checks.")
    about: str
    items: tuple[ItemKind, ...] = Field(min_length=1, description="What it can be asked about.")
    query: str = Field("{{ item }}", description="What passages are looked for.")
    system: str
    prompt: str
    reply_schema: dict[str, Any] = Field(alias="schema", description="JSON Schema of the reply.")
    record: RecordForm
    checks: tuple[Check, ...] = Field(
        description="What a record must pass; `quote` and `overlap` are held in any case."
    )
    allowed_numbers: tuple[str, ...] = Field((), description="Numbers that need not stand in the passage (911).")
    max_tokens: StrictInt = Field(700, gt=0)

    @property
    def sha256(self) -> str:
        """Digest of everything that decides what it asks and keeps."""
        return sha256_json(self.model_dump(mode="json"))


def load_generator(use: str) -> Generator:
    """A generator by the name of one that ships, or by the path of a file.

    Raises:
        InputError: there is none, or the file is wrong; names every mistake.
    """
    path = _FOLDER / f"{use}.yaml"
    if not path.is_file():
        path = Path(use)
    if not path.is_file():
        shipped = sorted(file.stem for file in _FOLDER.glob("*.yaml"))
        raise InputError(
            f"there is no generator {use!r}.{did_you_mean(use, shipped)} Those that ship: {', '.join(shipped)}; or give a file's path."
        )
    try:
        generator = Generator.model_validate(yaml.safe_load(path.read_text("utf-8")))
        jsonschema.Draft202012Validator.check_schema(generator.reply_schema)
        form = generator.record
        asked = (generator.query, generator.system, generator.prompt)
        for template in (*asked, form.question, form.answer, form.quote):
            _check_template(template)
    except ValidationError as error:
        listed = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
        )
        raise InputError(f"the generator {path}: {listed}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"the generator {path} is not YAML that can be read") from error
    except jsonschema.SchemaError as error:
        raise InputError(f"the generator {path}: schema: {error.message}") from error
    except jinja2.TemplateError as error:
        raise InputError(f"the generator {path}: a template is wrong: {error}") from error
    return generator


def render(template: str, values: Mapping[str, Any]) -> str:
    """A template with its values.

    Raises:
        jinja2.UndefinedError: the reply has not what the template asks for.
    """
    return _ENVIRONMENT.from_string(template).render(**values).strip()


def _check_template(template: str) -> None:
    unknown = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(template)) - _KNOWN
    if unknown:
        raise jinja2.TemplateError(f"unknown name {sorted(unknown)[0]!r}; known are {', '.join(sorted(_KNOWN))}")
