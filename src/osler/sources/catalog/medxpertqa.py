"""MedXpertQA, the questions in text: ten options each, by specialists' examinations.

On the hub options are an object by letter, in the authors' own repository a list of letter and content with the key in a list.
Both repeat the options at the end of the question, which is taken off. The part with images is not read.
"""

from typing import Any

from osler.records.export import LETTERS
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, label_of, list_of, optional_text, text_of
from osler.sources.read import read_rows
from osler.sources.shape import checked_choices, choice_target, question_group, split_of, turns
from osler.sources.source import Place, Source

_OPTIONS_FOLLOW = "\nAnswer Choices:"


def to_records(row: Any, place: Place) -> list[Record]:
    """One choice record a question."""
    row = as_object(row)
    question = filled_text(row, "question", "empty_question").partition(_OPTIONS_FOLLOW)[0]
    if isinstance(row.get("options"), list):
        pairs = [as_object(pair) for pair in list_of(row, "options")]
        row = {**row, "options": {text_of(pair, "letter"): text_of(pair, "content") for pair in pairs}}
    by_letter = as_object(row.get("options"))
    letters = sorted(by_letter)
    choices = checked_choices([text_of(by_letter, letter) for letter in letters], "options")
    if isinstance(row.get("label"), list):
        row = {**row, "label": "".join(map(str, row["label"]))}
    answer = label_of(row, "label", LETTERS[: len(letters)].lower())
    return [
        Record(
            id=place.id,
            task="choice",
            messages=turns(question, choice_target(choices, answer)),
            origin=place.origin(),
            choices=choices,
            answer=answer,
            split=split_of(place.file) or "test",
            group=question_group(question),
            subject=optional_text(row, "medical_task").strip(),
        )
    ]


MEDXPERTQA = Source(
    name="medxpertqa",
    home="https://huggingface.co/datasets/TsinghuaC3I/MedXpertQA",
    revision="TsinghuaC3I/MedXpertQA@f21247d3ccf3b14826ff2aa7fa06e1a46d64058c",
    license="MIT",
    access="open",
    language="en",
    citation="Zuo Y, Qu S, Li Y, et al. MedXpertQA: benchmarking expert-level medical reasoning and understanding. ICML 2025. "
    "arXiv:2501.18362",
    known_problems=(
        "A benchmark: whoever trains on it cannot report it any more.",
        "Ten options: chance is 10 %, and scores are not comparable with those of four options.",
    ),
    files=(("**/Text/*.jsonl*", "**/Text/*.parquet"), ("**/*text*.jsonl*",)),
    read=read_rows,
    to_records=to_records,
    task="choice",
    rows={"validation": 5, "test": 2_450},
    hub="TsinghuaC3I/MedXpertQA",
    hub_files=("Text/*",),
)
