"""K-QA: questions that patients typed to an online service, with answers and the statements that an answer must make.

The gold answers (201, by doctors) are a benchmark; the silver ones come from GPT-4 by way of OLAPH's MedLFQA. A record is
question and answer. The statements stand in the rationale: they are what a reviewer, or a judge, holds an answer to.
Answers that only say that the question is vague are set aside, as an answer to a patient is not "Vague Question to
answer"; questions alone have no answer to learn.
"""

from dataclasses import replace
from typing import Any

from osler.errors import RowError
from osler.records.record import Record
from osler.sources.fields import as_object, filled_text, texts_of
from osler.sources.read import read_rows
from osler.sources.shape import question_group, turns
from osler.sources.source import Place, Source, github_files


def to_records(row: Any, place: Place) -> list[Record]:
    """One record a question that has an answer."""
    row = as_object(row)
    question = filled_text(row, "Question", "empty_question")
    if "Free_form_answer" not in row:
        raise RowError("empty_answer", "the question is published without an answer", "Free_form_answer")
    answer = filled_text(row, "Free_form_answer", "empty_answer").strip()
    if answer.casefold().startswith("vague question"):
        raise RowError("vague_question", "says that the question is vague", "Free_form_answer")
    is_gold = "w_answers" in place.file or "golden" in place.file
    return [
        Record(
            id=place.id,
            task="qa",
            messages=turns(question, answer),
            origin=(replace(place, generator="") if is_gold else place).origin(),
            rationale="\n".join(f"- {text}" for text in texts_of(row, "Must_have") if text.strip()),
            split="test" if is_gold else "train",
            group=question_group(question),
        )
    ]


K_QA = Source(
    name="k_qa",
    home="https://github.com/Itaymanes/K-QA",
    revision="Itaymanes/K-QA@ef403d012e199fcfa0d8c02b38a96ff95164f4d0, dmis-lab/OLAPH@17d90148dffe71ac92ddbf0a8be2ba833ce29dcf",
    license="LicenseRef-unclear",
    access="unclear",
    language="en",
    citation="Manes I, Ronn N, Cohen D, Ilan Ber R, Horowitz-Kugler Z, Stanovsky G. K-QA: a real-world medical Q&A benchmark. "
    "BioNLP 2024. doi:10.18653/v1/2024.bionlp-1.22",
    known_problems=(
        "K-QA is MIT; OLAPH, which added the answers by GPT-4, states no licence.",
        "The silver answers and their statements are a model's and were not checked by doctors.",
        "Many questions are out of context ('Is it contagious?'); 48 of the original 1,212 are repeats.",
        "The gold part is a benchmark: never train on it.",
    ),
    files=(("*MedLFQA*.jsonl*", "questions*.jsonl*"), ("*.jsonl*",)),
    read=read_rows,
    to_records=to_records,
    folders=("k_qa_silver",),
    synthetic=True,
    generator="gpt-4",
    task="qa",
    rows={"about": 1_895},
    downloads=github_files(
        "dmis-lab/OLAPH",
        "17d90148dffe71ac92ddbf0a8be2ba833ce29dcf",
        "MedLFQA/kqa_golden_test_MedLFQA.jsonl",
        "MedLFQA/kqa_silver_wogold_test_MedLFQA.jsonl",
    ),
)
