"""A record as it is asked: the text before the continuations, or the conversation, and what is right."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from osler.errors import RowError
from osler.evaluate.benchmarks import Asked, Benchmark, Questions, Style
from osler.models.protocol import ChoicePrompt, Conversation
from osler.records.record import Message, Record
from osler.records.render import LETTERS, as_messages

_STYLES: Mapping[Style, str] = {
    "medqa": "Question: {question}\n{options}\nAnswer:",
    "medmcqa": "Question: {question}\nChoices:\n{options}\nAnswer:",
    "pubmedqa": "Abstract: {context}\nQuestion: {question}\nAnswer:",
    "mmlu": "{question}\n{options}\nAnswer:",
    "mednli": "Text: {context}\nQuestion: {question}\nAnswer:",
}
"""As lm-eval's `medqa_4options`, `medmcqa`, `pubmedqa` and `mmlu_*`; MedNLI, which it lacks, like PubMedQA."""
_MMLU_START = "The following are multiple choice questions (with answers) about {subject}.\n\n"


@dataclass(frozen=True, slots=True)
class Item:
    """A record as it is asked."""

    record: Record
    gold: int
    """Index of the right option; -1 for an open answer."""
    options: tuple[str, ...]
    """Texts of the options or labels, in the order of the continuations."""
    labelled: bool
    """Whether the options are words that are answered as they are, not by a letter."""
    prompt: ChoicePrompt | None
    """For log-likelihoods."""
    conversation: Conversation
    """For replies; the system turn is the model's own."""


def as_item(asked: Asked, record: Record, questions: Questions | None = None) -> Item:
    """The record as this benchmark and mode ask it.

    Args:
        questions: holds the examples that the mode puts before the question.

    Raises:
        RowError: no answer, fewer than two options, more options than letters, or labels that are not the benchmark's.
    """
    benchmark = asked.benchmark
    if benchmark.is_open:
        return Item(record, -1, (), labelled=False, prompt=None, conversation=asked_turns(record))
    gold, options = _key(benchmark, record)
    labelled = bool(benchmark.labels)
    if not asked.mode.needs_likelihoods:
        turns = _conversation(record, options, labelled, asked.mode.way == "cot")
        return Item(record, gold, options, labelled, None, turns)
    if asked.mode.way == "text":
        prompt = ChoicePrompt(f"Question: {record.question}\nAnswer:", tuple(f" {option}" for option in options))
        return Item(record, gold, options, labelled=False, prompt=prompt, conversation=())
    start = _MMLU_START.format(subject=record.subject.replace("_", " ")) if benchmark.style == "mmlu" else ""
    prefix = start + _examples(benchmark, record, questions) + _laid_out(benchmark, record)
    return Item(record, gold, options, labelled, ChoicePrompt(prefix, _continuations(benchmark, options)), ())


def fit_item(asked: Asked, record: Record, questions: Questions | None = None) -> Item | None:
    """The record as it is asked; None where it cannot be, which is stored as a failed sample that counts as wrong."""
    try:
        return as_item(asked, record, questions)
    except RowError:
        return None


def fit_items(asked: Asked, questions: Questions, without: Container[str] = ()) -> list[Item]:
    """The questions that can be asked, less those with these ids."""
    items = (fit_item(asked, record, questions) for record in questions.records if record.id not in without)
    return [item for item in items if item is not None]


def asked_turns(record: Record) -> Conversation:
    """The record as a conversation that ends with its question."""
    turns = as_messages(record)
    return turns[:-1] if turns[-1].role == "assistant" else turns


def lettered(choices: Sequence[str]) -> str:
    """The options, each behind its letter."""
    return "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def _key(benchmark: Benchmark, record: Record) -> tuple[int, tuple[str, ...]]:
    if record.answer is None or not 0 <= record.answer < len(record.choices):
        raise RowError("no_answer", "has no known answer", "answer")
    if benchmark.labels:
        label = record.choices[record.answer].strip().casefold()
        if label not in benchmark.labels:
            raise RowError("unknown_label", f"is not one of {', '.join(benchmark.labels)}", "choices")
        return benchmark.labels.index(label), benchmark.labels
    if not 2 <= len(record.choices) <= len(LETTERS):
        raise RowError("number_of_options", f"has {len(record.choices)} options", "choices")
    return record.answer, record.choices


def _continuations(benchmark: Benchmark, options: Sequence[str]) -> tuple[str, ...]:
    return tuple(f" {name}" for name in (benchmark.labels or LETTERS[: len(options)]))


def _examples(benchmark: Benchmark, record: Record, questions: Questions | None) -> str:
    """The examples with their answers, one blank line after each, as lm-eval puts them."""
    shots = {} if questions is None else questions.shots
    asked = []
    for example in shots.get(record.subject) or shots.get("", ()):
        gold, options = _key(benchmark, example)
        asked.append(_laid_out(benchmark, example) + _continuations(benchmark, options)[gold] + "\n\n")
    return "".join(asked)


def _laid_out(benchmark: Benchmark, record: Record) -> str:
    question = record.question.strip() if benchmark.style == "mmlu" else record.question
    return _STYLES[benchmark.style].format(
        question=question, options=lettered(record.choices), context="\n".join(record.context)
    )


def _conversation(record: Record, options: Sequence[str], labelled: bool, step_by_step: bool) -> Conversation:
    named = f"one of: {', '.join(options)}" if labelled else "the letter of the right option"
    if step_by_step:
        task = f"Think step by step. End with a line that holds nothing but 'Answer:' and {named}."
    else:
        task = f"Reply with {named}, and nothing else."
    *before, question = asked_turns(record)
    return (*before, Message("user", f"{question.content}\n\n{task}"))
