"""Ask models the benchmarks' questions and write `samples.jsonl`, `contaminated.jsonl` and `scores.json`.

By log-likelihood the answer is the continuation of the highest, the first of equals, as in lm-eval. From replies it is read by
`extract`; of several chains of thought the answer that most reach counts, the first reached among equals. A question that
cannot be asked, or whose log-likelihoods are not finite, is stored as failed; it and an unparsed one count as wrong.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.evaluate.benchmarks import Asked, Questions, parse_benchmark
from osler.evaluate.bertscore import bertscore, encoder_named
from osler.evaluate.bias import swap_record
from osler.evaluate.cache import Answer, AnswerCache
from osler.evaluate.chance import random_stream
from osler.evaluate.config import EvaluateConfig, Swap
from osler.evaluate.contamination import find_overlaps
from osler.evaluate.extract import extract
from osler.evaluate.items import Item, fit_item
from osler.evaluate.rows import append_rows, cut_chunks, keep_whole_chunks, read_rows
from osler.evaluate.summary import Examination, summarise
from osler.models.protocol import Model, Sampler, Scorer
from osler.records.io import JsonlWriter
from osler.records.record import Record
from osler.runs.files import sha256_json, write_json
from osler.runs.progress import Progress

Arm = str
"""`base`, `tuned`, or the name that the user gave a model."""

CHUNK_ITEMS = 32
TEMPERATURE = 0.7
"""Of chains of thought when there are several (X. Wang et al., Self-Consistency, ICLR 2023)."""
_ROW_KEY = ("benchmark", "model", "id")


@dataclass(frozen=True, slots=True)
class Asking:
    """How questions are put."""

    config: EvaluateConfig
    seed: int
    caches: Mapping[Arm, AnswerCache] = field(default_factory=dict)
    """Where answers are kept beyond this run, by arm."""
    part: tuple[int, int] = (0, 1)
    """Number of this process and of all; each asks its own chunks. The one that finishes finds them all in the caches."""


def evaluate(
    arms: Mapping[Arm, Scorer | Model],
    questions: Mapping[str, Questions],
    training: Iterable[Record],
    asking: Asking,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Score every arm on every benchmark, going on where an earlier, killed call stopped.

    Args:
        arms: the models; `base` and `tuned` together also give paired comparisons.
        questions: by the recipe's name of the benchmark (`medqa`, `pubmedqa:train@generate`), from `questions_for`.
        training: the records that the tuned model was trained on; read once.
        out: the stage's folder.

    Returns:
        What `scores.json` holds.

    Raises:
        InputError: a benchmark has no questions, or a model cannot be asked in its mode.
    """
    examinations = examinations_for(questions, asking)
    # Opened before hours of asking, so that a wrong name is found at once; its weights are loaded after them.
    encoder = encoder_named(asking.config.encoder) if asking.config.encoder else None
    n_training = 0

    def counted() -> Iterator[Record]:
        nonlocal n_training
        for record in training:
            n_training += 1
            yield record

    overlaps = find_overlaps([() if one.swap else one.questions.records for one in examinations], counted())
    examinations = [replace(one, overlaps=found) for one, found in zip(examinations, overlaps, strict=True)]
    with JsonlWriter(out / "contaminated.jsonl") as writer:
        for examination in examinations:
            for overlap in examination.overlaps.values():
                writer.write({"benchmark": examination.asked.score_name, **asdict(overlap)})
    samples = out / "samples.jsonl"
    ask(arms, examinations, asking, samples, progress)
    likeness = partial(bertscore, encoder, progress=progress) if encoder else None
    scores = summarise(list(arms), examinations, read_rows(samples), asking.seed, n_training, likeness)
    write_json(out / "scores.json", scores)
    return scores


def examinations_for(questions: Mapping[str, Questions], asking: Asking) -> list[Examination]:
    """What is asked, benchmark by benchmark, cut to the recipe's number of questions.

    Raises:
        InputError: a benchmark has no questions.
    """
    found = [_examination(spec, questions, asking) for spec in asking.config.benchmarks]
    others = (_swapped(one, swap) for one in found if _is_swappable(one.asked) for swap in asking.config.swaps)
    return found + [one for one in others if one.questions.records]


def _is_swappable(asked: Asked) -> bool:
    """Whether an answer can be told to have changed: not from an open one, and drawn chains differ without a swap."""
    return not asked.benchmark.is_open and asked.mode.way != "cot"


def _swapped(examination: Examination, swap: Swap) -> Examination:
    """The questions that can be asked about another person, under the name `medqa+sex`; ids stay the same.

    Those that overlap with the training records too: what counts is whether the answer stays the same.
    """
    asked, questions = examination.asked, examination.questions
    benchmark = replace(asked.benchmark, name=f"{asked.benchmark.name}+{swap}")
    records = [record for original in questions.records if (record := swap_record(original, swap)) is not None]
    return Examination(
        replace(asked, benchmark=benchmark), replace(questions, records=records), {}, swap, asked.score_name
    )


def ask(
    arms: Mapping[Arm, Scorer | Model],
    examinations: Sequence[Examination],
    asking: Asking,
    samples: Path,
    progress: Progress,
) -> None:
    """Ask what `samples` does not hold yet; with more than one process only the caches are filled."""
    plan = [(one, arm, record) for one in examinations for arm in arms for record in one.questions.records]
    keys = [(one.asked.score_name, arm, record.id) for one, arm, record in plan]
    chunks = cut_chunks([len(one.questions.records) for one in examinations for _ in arms], CHUNK_ITEMS)
    number, n_parts = asking.part
    n_done = keep_whole_chunks(samples, keys, _ROW_KEY, chunks) if n_parts == 1 else 0
    progress("evaluate", chunks[n_done - 1].stop if n_done else 0, len(plan), "questions")
    for place, chunk in enumerate(chunks[n_done:], start=n_done):
        if place % n_parts != number:
            continue
        examination, arm, _ = plan[chunk.start]
        records = [record for _, _, record in plan[chunk.start : chunk.stop]]
        rows = _ask_chunk(arms[arm], examination, arm, records, asking)
        if n_parts == 1:
            append_rows(samples, rows)
        progress("evaluate", chunk.stop, len(plan), "questions")


def _examination(spec: str, questions: Mapping[str, Questions], asking: Asking) -> Examination:
    asked = parse_benchmark(spec, asking.config.own_benchmarks)
    found = questions.get(spec, Questions(()))
    if not found.records:
        raise InputError(
            f"evaluate: there are no questions for benchmark {spec!r}; found {', '.join(questions) or 'none'}"
        )
    records, most = found.records, asking.config.max_items
    if most is not None and len(records) > most:
        # Without the mode, so that every mode of a benchmark asks the same questions.
        chosen = random_stream(asking.seed, spec.partition("@")[0]).sample(range(len(records)), most)
        records = [records[position] for position in sorted(chosen)]
    return Examination(asked, Questions(records, found.shots), {})


def _ask_chunk(
    model: Scorer | Model, examination: Examination, arm: str, records: Sequence[Record], asking: Asking
) -> list[dict[str, Any]]:
    asked = examination.asked
    items = [fit_item(asked, record, examination.questions) for record in records]
    fit = [item for item in items if item is not None]
    keys, cache = [_key(asked, item, asking) for item in fit], asking.caches.get(arm)
    answers = cache.all_of(keys) if cache is not None else None
    if answers is None:
        answers = _answers(model, asked, fit, asking)
        if cache is not None:
            cache.add(keys, answers)
    found = iter(answers)
    rows = []
    for record, item in zip(records, items, strict=True):
        subject = {"subject": record.subject} if record.subject else {}
        outcome = failed_row() if item is None else sample_row(asked, item, next(found))
        rows.append({"benchmark": asked.score_name, "model": arm, "id": record.id, **subject, **outcome})
    return rows


def _key(asked: Asked, item: Item, asking: Asking) -> str:
    """Digest of all that decides a model's answer."""
    if item.prompt is not None:
        return sha256_json([item.prompt.prefix, *item.prompt.continuations])
    drawn = {"max_tokens": _max_tokens(asked, asking), "seeds": _seeds(asked, item, asking)}
    return sha256_json([[(turn.role, turn.content) for turn in item.conversation], drawn])


def _answers(model: Scorer | Model, asked: Asked, items: Sequence[Item], asking: Asking) -> list[Answer]:
    if asked.mode.needs_likelihoods:
        if not isinstance(model, Scorer):
            raise InputError(
                f"{asked.score_name}: this model gives no log-likelihoods (an endpoint); ask {asked.benchmark.name}@generate"
            )
        return [list(values) for values in model.log_likelihoods([item.prompt for item in items if item.prompt])]
    if not isinstance(model, Model):
        raise InputError(f"{asked.score_name}: this model gives no replies; ask {asked.benchmark.name}@letters-0shot")
    conversations, limit = [item.conversation for item in items], _max_tokens(asked, asking)
    if asked.mode.n_replies == 1:
        return [[reply.text] for reply in model.reply(conversations, limit)]
    if not isinstance(model, Sampler):
        raise InputError(f"{asked.score_name}: this model gives one reply to a question; ask @cot-sc1")
    seeds = [_seeds(asked, item, asking) for item in items]
    drawn = [
        model.sample(conversations, limit, TEMPERATURE, [own[number] for own in seeds])
        for number in range(asked.mode.n_replies)
    ]
    return [[replies[place].text for replies in drawn] for place in range(len(items))]


def _seeds(asked: Asked, item: Item, asking: Asking) -> list[int]:
    """A seed for each chain, the same whatever else is asked; none for a greedy reply."""
    if asked.mode.n_replies == 1:
        return []
    return [random_stream(asking.seed, item.record.id, str(n)).getrandbits(31) for n in range(asked.mode.n_replies)]


def _max_tokens(asked: Asked, asking: Asking) -> int:
    long = asked.benchmark.is_open or asked.mode.way == "cot"
    return asking.config.max_answer_tokens if long else asking.config.max_reply_tokens


def sample_row(asked: Asked, item: Item, answer: Answer) -> dict[str, Any]:
    """The answer to one question, as it stands in its row after `benchmark`, `model` and `id`."""
    if asked.mode.needs_likelihoods:
        return _likelihood_row(asked, item, [float(value) for value in answer])
    texts = [str(text) for text in answer]
    if asked.benchmark.is_open:
        matched = "open" if texts[0].strip() else "empty"
        return {"replies": texts, "answer": -1, "gold": -1, "right": False, "matched": matched}
    asked_text = item.conversation[-1].content
    found = [extract(text, item.options, asked_text, labelled=item.labelled) for text in texts]
    counts = Counter(one.answer for one in found if one.is_parsed)
    best = max(counts, key=lambda answer: counts[answer], default=-1)
    matched = next(one.matched for one in found if one.answer == best) if best >= 0 else found[0].matched
    votes = {"votes": [one.answer for one in found]} if len(found) > 1 else {}
    return {
        "replies": texts,
        **votes,
        "answer": best,
        "gold": item.gold,
        "right": best == item.gold,
        "matched": matched,
    }


def _likelihood_row(asked: Asked, item: Item, values: list[float]) -> dict[str, Any]:
    if not all(math.isfinite(value) for value in values):
        return failed_row(item.gold)
    by_character = asked.mode.way == "text"
    weighed = [
        value / max(len(option), 1) if by_character else value
        for value, option in zip(values, item.options, strict=True)
    ]
    answer = max(range(len(weighed)), key=lambda i: (weighed[i], -i))
    return {
        "log_likelihoods": values,
        "answer": answer,
        "gold": item.gold,
        "right": answer == item.gold,
        "matched": "log_likelihood",
    }


def failed_row(gold: int = -1) -> dict[str, Any]:
    """A question without an answer: never right. `gold` is -1 where the question has no usable key either."""
    return {"log_likelihoods": [], "answer": -1, "gold": gold, "right": False, "matched": "failed"}
