"""MultiMedQA's examples for prompts: questions with options, the key, and in the `cots` files the reasoning before it.

An example is one text; here it is taken apart into question, options, key, reasoning and, for PubMedQA, the abstract, so that
it is rendered like any other record. Examples are no test and too few to train on, and those of MMLU are its test questions:
they serve as prompts and show whether a check for leaked items finds anything.
"""

import re
from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.records.render import LETTERS
from osler.sources.fields import kind_of
from osler.sources.read import read_json
from osler.sources.shape import checked_choices, choice_record
from osler.sources.source import NativeRow, Place, SourceFile

_KEY = re.compile(r"\n\s*Answer:\s*\(([A-J])\)\s*$")
_REASONING = re.compile(r"\n\s*Explanation:")
_FIRST_OPTION = re.compile(r"\s\(A\)\s(?!.*\s\(A\)\s)", re.S)
_OPTION = re.compile(r"\s\(([A-J])\)\s")
_ASKED = re.compile(r"(?:Answer the following question[^:]*:\s*)?(?:Context:(?P<context>.*)\s)?Question:", re.S)


def to_records(row: Any, place: Place) -> list[Record]:
    """One record an example."""
    if not isinstance(row, str):
        raise RowError("wrong_type", f"is {kind_of(row)}; expected the text of an example", "shots")
    key = _KEY.search(row)
    if key is None:
        raise RowError("empty_answer", "does not end in `Answer: (A)`", "shots")
    body, *reasoning = _REASONING.split(row[: key.start()], maxsplit=1)
    options = _FIRST_OPTION.search(body)
    if options is None:
        raise RowError("bad_options", "there are no options; expected (A) before the first", "shots")
    _, *found = _OPTION.split(body[options.start() :])
    if "".join(found[::2]) != LETTERS[: len(found) // 2]:
        raise RowError("bad_options", "the options are not lettered in order", "shots")
    choices = checked_choices([choice.strip() for choice in found[1::2]], "shots")
    answer = LETTERS.index(key[1])
    if answer >= len(choices):
        raise RowError("answer_not_an_option", f"is {key[1]}; there are {len(choices)} options", "shots")
    asked = _ASKED.match(body[: options.start()])
    question = body[asked.end() if asked else 0 : options.start()].strip()
    context = (asked["context"] or "").strip() if asked else ""
    return choice_record(
        place, question, choices, answer, context=(context,) if context else (), rationale="".join(reasoning).strip()
    )


def read(file: SourceFile) -> Iterator[NativeRow]:
    """The examples of a file; its `instruction` belongs to no single one."""
    return read_json(file, inside="shots")
