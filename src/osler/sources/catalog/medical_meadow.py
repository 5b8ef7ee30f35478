"""Medical Meadow: eleven sets turned into `instruction`, `input`, `output`, each a source of its own.

What a record is depends on the part:
- questions and answers (flashcards, WikiDoc, MEDIQA, Stack Exchange): the input is the question. "Answer this question
  truthfully" is left out: it says nothing, and a model trained under it would miss it in use.
- examinations (MedQA, MMLU, the USMLE self-assessment): the options stand in the text as a Python object or as lettered lines.
  They are taken out of it, so that the record is a choice like any other and shares a group with the same question elsewhere.
- labels (health advice, causal language): the instruction names the labels and stays before the text.
- CORD-19: the abstract is the passage, the title the target. The other way round would ask for invented results.

MMLU's part is the test set of MMLU, by its authors' own words, and the self-assessment is for tests only: neither trains.
"""

import re
from collections.abc import Iterator
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.catalog.instructions import instruction_row
from osler.sources.fields import as_object, filled_text, kind_of, literal_of, shown, text_of
from osler.sources.read import load_json, read_rows
from osler.sources.shape import checked_choices, choice_record, one_record, question_group
from osler.sources.source import NativeRow, Place, SourceFile

_OBJECT = re.compile(r"^(?:Q:)?\s*(.*?)\s*(\{\s*['\"]A['\"].*\})\W*$", re.DOTALL)
_LINE = re.compile(r"^\s*\(?([A-J])[.:)]\s*(.*\S)", re.MULTILINE)
_LETTER = re.compile(r"\s*\(?([A-J])(?:[.:)]\s*(.*\S))?\s*$", re.DOTALL)
_KEY = "answer"
_WITH_IMAGE = "with_image"
"""Fields that `assessed` adds to each row."""
_TITLE = "Write a title for this abstract."


def titled(row: Any, place: Place) -> list[Record]:
    """One record an abstract, answered with its title."""
    abstract, title = instruction_row(as_object(row), use_instruction=False)
    return one_record(place, _TITLE, title, group=question_group(abstract), context=(abstract,))


def chosen(row: Any, place: Place) -> list[Record]:
    """One choice record a question, its options taken out of the text."""
    row = as_object(row)
    if "options" in row:
        stem, options, key = _assessment(row)
    else:
        stem, options = _stem_and_options(filled_text(row, "input", "empty_question"))
        key = filled_text(row, "output", "hidden_label")
    letters = sorted(options)
    choices = checked_choices([text_of(options, letter) for letter in letters], "input")
    if not stem.strip():
        raise RowError("empty_question", "there is no question before the options", "input")
    answer = _answer(key, letters, choices)
    return choice_record(place, stem.strip(), choices, answer)


def _assessment(row: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    """A row of the self-assessment's own files: options by letter, and the letter where somebody has merged it in."""
    options = row["options"]
    if not isinstance(options, dict):
        raise RowError("bad_options", f"is {kind_of(options)}; expected options by letter", "options")
    if row.get(_WITH_IMAGE):
        raise RowError("needs_picture", "the question is about a picture that is not in the files", "question")
    key = filled_text({_KEY: "", **row}, _KEY, "hidden_label")
    return filled_text(row, "question", "empty_question"), options, key


def assessed(file: SourceFile) -> Iterator[NativeRow]:
    """The questions of one step, with keys and pictures told by the files beside it, both by the question's `no`."""
    step = file.path.name.partition(".")[0]
    keys = _beside(file, f"{step}_solutions.json")
    pictures = _beside(file, "question_with_images.json").get(step)
    for native in read_rows(file):
        value = native.value
        if isinstance(value, dict):
            number = value.get("no")
            with_image = isinstance(pictures, list) and number in pictures
            value = {_KEY: keys.get(str(number), ""), _WITH_IMAGE: with_image, **value}
        yield NativeRow(native.file, native.row, value)


def _beside(file: SourceFile, name: str) -> dict[str, Any]:
    path = file.path.with_name(name)
    found = load_json(SourceFile(path, name)) if path.is_file() else {}
    return found if isinstance(found, dict) else {}


def _stem_and_options(text: str) -> tuple[str, dict[str, Any]]:
    if found := _OBJECT.match(text.strip()):
        options = literal_of(found[2], "input")
        if isinstance(options, dict) and all(isinstance(key, str) for key in options):
            return found[1], options
    lines = list(_LINE.finditer(text))
    if [line[1] for line in lines] != list("ABCDEFGHIJ"[: len(lines)]) or len(lines) < 2:
        raise RowError("bad_options", "no options are found after the question", "input")
    return text[: lines[0].start()].removeprefix("Q:"), {line[1]: line[2] for line in lines}


def _answer(key: str, letters: list[str], choices: tuple[str, ...]) -> int:
    found = _LETTER.match(key.upper() if len(key.strip()) == 1 else key)
    if found is None or found[1] not in letters:
        raise RowError("answer_not_an_option", f"is {shown(key)}; expected one of {', '.join(letters)}", "output")
    answer = letters.index(found[1])
    if found[2] and found[2].strip() != choices[answer].strip():
        raise RowError("answer_differs", f"is not the text of option {found[1]}, which it names", "output")
    return answer
