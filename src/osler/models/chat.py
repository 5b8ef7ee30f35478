"""Conversations as a model's text: the one place where the chat template is applied, in training and when asked.

The tokenizer's own template is used; a tokenizer without one gets the plain template beside this file. What a person types
can never become a control token: special tokens inside the text of a turn are broken up first.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

import jinja2

from osler.errors import InputError
from osler.models.config import ModelConfig
from osler.records.record import Message

ROLE_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>")
"""Role marks of the plain template; special tokens where osler builds the tokenizer, plain text elsewhere."""


_SETTLED = {
    "enable_thinking": "{%- set enable_thinking = false -%}\n",
    "date_string": '{%- set date_string = "26 Jul 2024" -%}\n',
}
"""By the word that shows that a template asks."""
_FOLD_SYSTEM = """{%- if messages[0]['role'] == 'system' and messages | length > 1 -%}
{%- set folded = messages[0]['content'] + '\\n\\n' + messages[1]['content'] -%}
{%- set messages = [{'role': 'user', 'content': folded}] + messages[2:] -%}
{%- endif -%}
"""


class AddedToken(Protocol):
    """A token outside the learned vocabulary."""

    content: str
    special: bool


class TextTokenizer(Protocol):
    """Texts into tokens and back."""

    @property
    def eos_token_id(self) -> int | None:
        """Id of the end token."""

    @property
    def bos_token_id(self) -> int | None:
        """Id of the token that begins a text."""

    def encode(self, text: str, *, add_special_tokens: bool = True, verbose: bool = True) -> list[int]:
        """The ids of a text; `verbose` notes a text longer than the model reads, which osler checks itself."""

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool = False) -> str:
        """The text of ids."""


class ChatTokenizer(TextTokenizer, Protocol):
    """What is used of a transformers tokenizer."""

    @property
    def chat_template(self) -> str | None:
        """Source of the template."""

    @property
    def added_tokens_decoder(self) -> dict[int, AddedToken]:
        """Tokens outside the learned vocabulary, by id."""

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        """The conversation as text."""


@cache
def default_system_prompt() -> str:
    """The text of `system_prompt.txt`: what a model is told when the recipe does not say otherwise."""
    return files("osler.models").joinpath("system_prompt.txt").read_text(encoding="utf-8").strip()


def system_prompt_of(config: ModelConfig) -> str:
    """The system prompt that a recipe's `model` section asks for; empty for none."""
    return default_system_prompt() if config.system_prompt is None else config.system_prompt


@cache
def plain_template() -> str:
    """The text of `chat_template.jinja`, for tokenizers without a template."""
    return files("osler.models").joinpath("chat_template.jinja").read_text(encoding="utf-8").strip()


def set_template(tokenizer: Any) -> None:
    """Give a tokenizer the template in which it is trained and asked: its own, else the plain one.

    Where its own leaves something open, lines in front of it settle that, because every program settles it in its own way: thinking
    aloud is off (left to itself, Qwen3's template puts an empty thought before the last answer of a training row and none
    before a reply); the date is Llama's own default (llama.cpp would write today's); and where a system turn is refused, its
    text goes in front of the first user turn. Applied to its own result it changes nothing.
    """
    own = tokenizer.chat_template or plain_template()
    for word, line in _SETTLED.items():
        if word in own and line not in own:
            own = line + own
    tokenizer.chat_template = own
    turns = [{"role": "system", "content": "system"}, {"role": "user", "content": "user"}]
    try:
        tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except jinja2.TemplateError:
        tokenizer.chat_template = _FOLD_SYSTEM + own


def template_fingerprint(template: str) -> str:
    """SHA-256 of a chat template's text; stored with an adapter and compared when it is loaded."""
    return hashlib.sha256(template.encode("utf-8")).hexdigest()


def with_system(conversation: Sequence[Message], system_prompt: str) -> tuple[Message, ...]:
    """The conversation with the system prompt in front, unless it has a system turn or the prompt is empty."""
    turns = tuple(conversation)
    if not system_prompt or any(turn.role == "system" for turn in turns):
        return turns
    return (Message("system", system_prompt), *turns)


def as_dicts(conversation: Sequence[Message]) -> list[dict[str, str]]:
    """The turns as JSON has them, for files and endpoints."""
    return [{"role": turn.role, "content": turn.content} for turn in conversation]


def render(
    tokenizer: ChatTokenizer,
    conversation: Sequence[Message],
    *,
    for_reply: bool,
    special: Sequence[str] | None = None,
) -> str:
    """The conversation as the model reads it.

    Args:
        for_reply: end with the start of the assistant's turn.
        special: what `special_tokens` gives, for callers that render many conversations.

    Raises:
        InputError: the template refuses the conversation (two turns of the same role one after the other, for many).
    """
    special = special_tokens(tokenizer) if special is None else special
    turns = [{"role": turn.role, "content": break_tokens(turn.content, special)} for turn in conversation]
    try:
        return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=for_reply)
    except jinja2.TemplateError as error:
        roles = ", ".join(turn.role for turn in conversation)
        raise InputError(f"The model's chat template refuses turns in this order: {roles} ({error}).") from error


def special_tokens(tokenizer: ChatTokenizer) -> tuple[str, ...]:
    """Texts of the control tokens, longest first."""
    found = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    found.update(ROLE_TOKENS)
    return tuple(sorted((text for text in found if len(text) > 2), key=lambda text: (-len(text), text)))


def break_tokens(text: str, special: Iterable[str]) -> str:
    """`text` with a space put into every control token that it spells out, so that it stays text."""
    for token in special:
        if token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def end_token_id(tokenizer: ChatTokenizer) -> int:
    """The token that ends an assistant's turn under the tokenizer's template.

    It is looked for in a rendered answer, not taken from `eos_token`: for Phi-4 and others the two differ.

    Raises:
        InputError: nothing but plain text follows the answer, so that a trained model could not stop.
    """
    answer = "osler-answer"
    text = render(tokenizer, (Message("user", "question"), Message("assistant", answer)), for_reply=False)
    tail = text[text.rindex(answer) + len(answer) :]
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    if tokenizer.eos_token_id is not None:
        special.add(tokenizer.eos_token_id)
    for token in tokenizer.encode(tail, add_special_tokens=False, verbose=False):
        if token in special:
            return token
    raise InputError(
        "The model's chat template puts no end token after an answer, so a trained model would never stop. "
        "Use a base whose tokenizer has a complete chat template, or none at all (osler then uses its own)."
    )
