"""The forms in which a training set leaves: what one record looks like in each.

Passages and options are rendered by `osler.records.render`, as in training and testing. Every row but the guides' carries the
record's id, source and license, so that it can be traced and credited wherever it goes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from osler.models.chat import as_dicts
from osler.records.record import Message, Record
from osler.records.render import as_messages, render_question

Row = dict[str, Any]
Layout = Literal["json", "jsonl", "parquet", "arrow"]

_SPLIT_FILES = {"train": "train", "validation": "validation", "test": "test"}
_MLX_FILES = {**_SPLIT_FILES, "validation": "valid"}
_SHAREGPT_NAMES = {"user": "human", "assistant": "gpt"}


@dataclass(frozen=True, slots=True)
class Form:
    """One form."""

    name: str
    """Also the folder it is written to."""
    layout: Layout
    view: Callable[[Record], Row | None]
    """The record in this form, or None when the form cannot hold it: its turns do not alternate."""
    answer: Callable[[Row], str]
    """The target of a row that was read back."""
    files: Mapping[str, str]
    """Name of each split's file, without its ending."""
    llama_factory: Mapping[str, Any] | None = None
    """What stands in LLaMA-Factory's `dataset_info.json` beside the file's name, for its version 0.9.5. There a column or tag
    that is not named is off, so all are named."""


def _guides(record: Record) -> Row:
    return {
        "input": render_question(replace(record, context=())),
        "context": "\n\n".join([*_earlier(record), *record.context]),
        "output": record.target,
        "source": record.origin.source,
    }


def _prompt_completion(record: Record) -> Row:
    prompt = "\n\n".join([*_earlier(record), render_question(record)])
    return {"prompt": prompt, "completion": record.target, **_tags(record)}


def _alpaca(record: Record) -> Row | None:
    if not _is_alternating(record):
        return None
    turns = _turns(record)
    return {
        "instruction": render_question(replace(record, context=())),
        "input": "\n".join(record.context),
        "output": record.target,
        "system": _system(record),
        "history": [[turns[i].content, turns[i + 1].content] for i in range(0, len(turns) - 2, 2)],
        **_tags(record),
    }


def _sharegpt(record: Record) -> Row | None:
    if not _is_alternating(record):
        return None
    turns = [turn for turn in as_messages(record) if turn.role != "system"]
    return {
        "conversations": [{"from": _SHAREGPT_NAMES[turn.role], "value": turn.content} for turn in turns],
        "system": _system(record),
        **_tags(record),
    }


def _messages(record: Record) -> Row:
    return {"messages": as_dicts(as_messages(record)), **_tags(record)}


def _columns(record: Record) -> Row:
    """For tables: the conversation as it is trained on, and everything about its origin."""
    origin = record.origin
    more = {name: getattr(origin, name) for name in ("access", "url", "revision", "row", "generator")}
    return {**_messages(record), "task": record.task, "group": record.group, **more}


def _output(row: Row) -> str:
    return str(row["output"])


def _last_said(row: Row) -> str:
    return str(row["messages"][-1]["content"])


FORMS: tuple[Form, ...] = (
    Form("guides", "json", _guides, _output, _SPLIT_FILES),
    Form(
        "alpaca",
        "json",
        _alpaca,
        _output,
        _SPLIT_FILES,
        {
            "formatting": "alpaca",
            "columns": {
                "prompt": "instruction",
                "query": "input",
                "response": "output",
                "system": "system",
                "history": "history",
            },
        },
    ),
    Form(
        "sharegpt",
        "json",
        _sharegpt,
        lambda row: str(row["conversations"][-1]["value"]),
        _SPLIT_FILES,
        {
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system"},
            "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"},
        },
    ),
    Form("messages", "jsonl", _messages, _last_said, _SPLIT_FILES),
    Form("prompt-completion", "jsonl", _prompt_completion, lambda row: str(row["completion"]), _SPLIT_FILES),
    Form("mlx", "jsonl", _messages, _last_said, _MLX_FILES),
    Form("parquet", "parquet", _columns, _last_said, _SPLIT_FILES),
    Form("datasetdict", "arrow", _columns, _last_said, _SPLIT_FILES),
)

FORM_NAMES: tuple[str, ...] = tuple(form.name for form in FORMS)


def _tags(record: Record) -> Row:
    return {"id": record.id, "source": record.origin.source, "license": record.origin.license}


def _turns(record: Record) -> list[Message]:
    return [message for message in record.messages if message.role != "system"]


def _system(record: Record) -> str:
    return "\n\n".join(message.content for message in record.messages if message.role == "system")


def _is_alternating(record: Record) -> bool:
    """User and assistant by turns, from the user to the assistant, as LLaMA-Factory asks."""
    roles = [turn.role for turn in _turns(record)]
    return len(roles) % 2 == 0 and all(role == ("user", "assistant")[i % 2] for i, role in enumerate(roles))


def _earlier(record: Record) -> list[str]:
    """System text and earlier turns, for forms that hold one question: each turn behind the name of its speaker."""
    system = _system(record)
    last = max((i for i, turn in enumerate(_turns(record)) if turn.role == "user"), default=0)
    turns = [f"{turn.role.capitalize()}: {turn.content}" for turn in _turns(record)[:last]]
    return [system, *turns] if system else turns
