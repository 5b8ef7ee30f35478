"""A model's tokenizer and chat template without transformers and torch: a tenth of a second to load, for planning.

Reads `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`. Templates are rendered as transformers does it
(`transformers/utils/chat_template_utils.py`, 5.23): the same sandbox, the same options.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from osler.errors import InputError, missing_package
from osler.models.chat import set_template
from osler.runs.files import read_json

_GENERATION = re.compile(r"\{%(-?)\s*(end)?generation\s*(-?)%\}")


@dataclass
class LightTokenizer:
    """What planning and tokenising use of a tokenizer: a `ChatTokenizer` that can also be called with texts."""

    backend: Any
    """`tokenizers.Tokenizer`"""
    chat_template: str
    names: dict[str, str]
    """Special tokens by name (`eos_token`), as templates use them."""
    has_own_template: bool = True
    """Whether `chat_template` stands like this in the model's files."""

    @property
    def eos_token_id(self) -> int | None:
        """Id of the end token."""
        return self._id("eos_token")

    @property
    def bos_token_id(self) -> int | None:
        """Id of the token that begins a text."""
        return self._id("bos_token")

    @cached_property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """Tokens outside the learned vocabulary, by id."""
        found: dict[int, Any] = self.backend.get_added_tokens_decoder()
        return found

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool = False, add_generation_prompt: bool
    ) -> str:
        """The conversation as text."""
        if tokenize:
            raise ValueError("only text is rendered; encode it afterwards")
        return _compiled(self.chat_template).render(
            messages=conversation, add_generation_prompt=add_generation_prompt, tools=None, documents=None, **self.names
        )

    def encode(self, text: str, *, add_special_tokens: bool = True, verbose: bool = True) -> list[int]:
        """The ids of a text."""
        del verbose
        ids: list[int] = self.backend.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool = False) -> str:
        """The text of ids."""
        text: str = self.backend.decode(token_ids, skip_special_tokens=skip_special_tokens)
        return text

    def __call__(self, texts: Sequence[str], *, add_special_tokens: bool, **_: Any) -> dict[str, list[list[int]]]:
        """The ids of texts."""
        found = self.backend.encode_batch_fast(list(texts), add_special_tokens=add_special_tokens)
        return {"input_ids": [encoding.ids for encoding in found]}

    def _id(self, name: str) -> int | None:
        found: int | None = self.backend.token_to_id(self.names[name]) if name in self.names else None
        return found


def read_light_tokenizer(folder: Path) -> LightTokenizer:
    """The tokenizer of a model's folder, with the chat template in which it is trained.

    Raises:
        InputError: the folder has no tokenizer.json.
        EnvironmentLacks: the package tokenizers is missing.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise missing_package("tokenizers", "Counting tokens", "train") from error
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise InputError(
            f"{folder} has no tokenizer.json, so its tokens cannot be counted without loading transformers."
        )
    config_file, template_file = folder / "tokenizer_config.json", folder / "chat_template.jinja"
    config = read_json(config_file) if config_file.is_file() else {}
    template = template_file.read_text(encoding="utf-8") if template_file.is_file() else config.get("chat_template")
    if isinstance(template, list):  # several templates by name
        template = next((one["template"] for one in template if one["name"] == "default"), None)
    names = {
        name: _content(config[name])
        for name in ("bos_token", "eos_token", "unk_token", "pad_token")
        if config.get(name)
    }
    found = LightTokenizer(Tokenizer.from_file(str(file)), template or "", names)
    set_template(found)
    found.has_own_template = found.chat_template == template
    return found


@cache
def _compiled(template: str) -> jinja2.Template:
    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.globals["raise_exception"] = raise_exception
    # A date in a prompt would differ from day to day; transformers writes today's.
    environment.globals["strftime_now"] = lambda form: "01 Jan 2026" if form else ""
    marked = _GENERATION.sub(lambda m: f"{{%{m[1]} {'endif' if m[2] else 'if true'} {m[3]}%}}", template)
    return environment.from_string(marked)


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)
