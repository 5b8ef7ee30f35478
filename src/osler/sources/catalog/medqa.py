"""MedQA: questions of the US medical licensing examination, four or five options.

Four shapes are in circulation: options as an object by letter (the original, GBaker), as a list of key and value (bigbio),
as `ending0` to `ending3` with a number (`-hf`), and an object by letter with the stem cut into sentences (mediQ).
"""

from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, index_of, kind_of, optional_text, shown, text_of, texts_of
from osler.sources.shape import checked_choices, choice_record
from osler.sources.source import Place


def to_records(row: Any, place: Place) -> list[Record]:
    """One choice record a question."""
    row = as_object(row)
    if "ending0" in row:
        question, choices, answer = _numbered(row)
    else:
        question, choices, answer = _lettered(row)
    return choice_record(place, question, choices, answer)


def _numbered(row: dict[str, Any]) -> tuple[str, tuple[str, ...], int]:
    names = sorted(name for name in row if name.startswith("ending") and row[name] is not None)
    choices = checked_choices([text_of(row, name) for name in names], "ending0")
    stem = filled_text(row, "sent1", "empty_question")
    question = " ".join(part for part in (stem, optional_text(row, "sent2")) if part.strip())
    return question, choices, index_of(row, "label", first=0, n_choices=len(choices))


def _lettered(row: dict[str, Any]) -> tuple[str, tuple[str, ...], int]:
    by_letter = _options(row)
    letters = sorted(by_letter)
    choices = checked_choices([by_letter[letter] for letter in letters], "options")
    question = filled_text(row, "question", "empty_question")
    if "context" in row:  # mediQ: the stem's sentences stand before the question proper
        question = " ".join([*texts_of(row, "context"), question])
    letter = row.get("answer_idx")
    if letter not in letters:
        detail = f"is {shown(letter)}; expected one of {', '.join(letters)}"
        raise RowError("answer_not_an_option", detail, "answer_idx")
    if text_of(row, "answer") != by_letter[letter]:
        raise RowError("answer_differs", f'is not the text of option {letter}, which "answer_idx" names', "answer")
    return question, choices, letters.index(letter)


def _options(row: dict[str, Any]) -> dict[str, str]:
    """Options by letter. Null ones are left out: columns of four- and five-option rows are filled up with them."""
    options = row.get("options")
    if isinstance(options, list):
        pairs = [as_object(pair) for pair in options]
        options = {text_of(pair, "key"): pair.get("value") for pair in pairs}
    if not isinstance(options, dict):
        raise RowError("bad_options", f"is {kind_of(options)}; expected options by letter", "options")
    return {letter: text_of(options, letter) for letter, text in options.items() if text is not None}
