"""A Modelfile for Ollama: the trained chat template in Go's template language, stop tokens, system prompt.

Ollama does not read the jinja template of a GGUF file. What stands between turns is found by rendering marked conversations with the
template that was trained, and put into Go's language; a template whose text between turns depends on more than the roles cannot be
translated and is refused. Ollama puts the first token itself where the file says so.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.errors import CheckFailed, InputError
from osler.export.gguf_vocab import starts_with_bos
from osler.models.chat import render
from osler.models.protocol import Conversation
from osler.records.record import Message
from osler.runs.files import write_bytes

_MARKS = ("Osler0mark", "Osler1mark", "Osler2mark", "Osler3mark")


@dataclass(frozen=True, slots=True)
class ChatParts:
    """What a template puts before, between and after the texts of a conversation."""

    before_system: str
    before_first_user: str
    """Where there is no system turn."""
    system_to_user: str
    user_to_assistant: str
    assistant_to_user: str
    opens_reply: str
    """After the last user turn."""

    def render(self, conversation: Conversation) -> str:
        """The conversation, without the first token where Ollama puts it."""
        text, last = "", ""
        for turn in conversation:
            text += self._before(last, turn.role) + turn.content
            last = turn.role
        return text + self.opens_reply

    def _before(self, last: str, role: str) -> str:
        if role == "system":
            return self.before_system
        if role == "assistant":
            return self.user_to_assistant
        return {"": self.before_first_user, "system": self.system_to_user}.get(last, self.assistant_to_user)

    def go_template(self) -> str:
        """The same in Go's template language, with Ollama's `.Messages`."""
        quoted: dict[str, str] = {name: getattr(self, name).replace("{{", '{{ "{{" }}') for name in self.__slots__}
        return (
            '{{ $last := "" }}{{ range .Messages }}'
            '{{ if eq .Role "system" }}' + quoted["before_system"] + "{{ .Content }}"
            '{{ else if eq .Role "user" }}{{ if eq $last "" }}' + quoted["before_first_user"] + ""
            '{{ else if eq $last "system" }}'
            + quoted["system_to_user"]
            + "{{ else }}"
            + quoted["assistant_to_user"]
            + "{{ end }}"
            "{{ .Content }}{{ else }}" + quoted["user_to_assistant"] + "{{ .Content }}{{ end }}"
            "{{ $last = .Role }}{{ end }}" + quoted["opens_reply"]
        )


def chat_parts(tokenizer: Any) -> ChatParts:
    """The parts of a tokenizer's chat template.

    Raises:
        InputError: they depend on more than the roles of the turns.
    """
    system, first, answer, second = _MARKS
    turns = (Message("system", system), Message("user", first), Message("assistant", answer), Message("user", second))
    pieces = _between(tokenizer, turns)
    alone = _between(tokenizer, turns[1:2])
    parts = ChatParts(pieces[0], alone[0], pieces[1], pieces[2], pieces[3], pieces[4])
    longer = (*turns, Message("assistant", "fine"), Message("user", "And then?"))
    for conversation in (turns, turns[1:], longer, longer[1:], turns[:2], turns[1:2]):
        if parts.render(conversation) != without_bos(tokenizer, render(tokenizer, conversation, for_reply=True)):
            raise InputError(
                "The model's chat template writes a turn otherwise depending on what follows or on its place, which Ollama's "
                "templates cannot say. Use the export gguf with llama.cpp's own server, which reads the template itself."
            )
    return parts


def without_bos(tokenizer: Any, text: str) -> str:
    """A rendered text as the program that puts the first token gets it."""
    return text.removeprefix(tokenizer.bos_token) if starts_with_bos(tokenizer) else text


def write_modelfile(
    folder: Path, gguf: str, parts: ChatParts, system_prompt: str, stops: Sequence[str], n_context: int
) -> Path:
    """Write `Modelfile`.

    Args:
        gguf: file of the model, relative to the folder.
        stops: texts of the tokens that end an answer.
        n_context: tokens that Ollama keeps; its default is smaller than what a model can read.

    Raises:
        InputError: a text holds what ends a text in a Modelfile.
    """
    template = parts.go_template()
    if '"""' in template + system_prompt:
        raise InputError(
            'The chat template or the system prompt holds """, which ends a text in a Modelfile; change it.'
        )
    lines = [
        "# Made by osler. The guard of `osler serve` is not part of this model: put it in front (docs/models.md).",
        f"FROM ./{gguf}",
        f'TEMPLATE """{template}"""',
        *([f'SYSTEM """{system_prompt}"""'] if system_prompt else []),
        *(f'PARAMETER stop "{stop}"' for stop in stops),
        f"PARAMETER num_ctx {n_context}",
        "PARAMETER temperature 0",
    ]
    path = folder / "Modelfile"
    write_bytes(path, ("\n".join(lines) + "\n").encode())
    return path


def _between(tokenizer: Any, turns: Conversation) -> list[str]:
    text = without_bos(tokenizer, render(tokenizer, turns, for_reply=True))
    marks = [turn.content for turn in turns]
    pieces = re.split("|".join(marks), text)
    if [mark for mark in _MARKS if mark in text] != marks or len(pieces) != len(marks) + 1:
        raise CheckFailed("The model's chat template leaves out or repeats a turn; it cannot be put into a Modelfile.")
    return pieces
