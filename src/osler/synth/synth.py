"""The stage `synth`: documents in, verified records out, with a reason for each item that gave none.

What it writes: `documents.jsonl` (each page's text), `passages.jsonl`, `records/<source>.jsonl`, `dropped.jsonl`, `lineage.jsonl`,
`review.jsonl` (a sample for clinicians) and `counts.json`. Replies are kept beside the stage, in `calls/`, so that a change of a
check or a kill costs no call twice.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.documents.read import document_paths
from osler.errors import InputError
from osler.models.endpoint import Endpoint
from osler.records.io import to_dict, write_records, write_rows
from osler.records.record import Record
from osler.runs.files import sha256_file, write_json
from osler.runs.local_only import LocalOnly, check_remote, local_only, write_local_only
from osler.runs.progress import Progress
from osler.synth.ask import Answer, Asker, CallStore, Request
from osler.synth.build import Built, Failed, build, output_terms
from osler.synth.config import GeneratorConfig, SynthConfig
from osler.synth.generator import Generator, load_generator
from osler.synth.items import Collected, Item, items_of
from osler.synth.library import Library, document_counts, read_library, write_library
from osler.synth.repeats import Repeats, overlaps
from osler.synth.reply import parse_reply, repair_of, request_for
from osler.synth.verify import Blocked
from osler.text import hash64


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the stage needs of the rest of the run."""

    collected: Collected
    """Name of a collected source to its records."""
    source_names: tuple[str, ...]
    """Collected sources to train on: what a generated record may not repeat."""
    benchmarks: Mapping[str, Sequence[Record]]
    """Items of the recipe's benchmarks: what it may not hold."""
    local_only: tuple[LocalOnly, ...]
    """Collected sources that may not leave this machine."""
    blocked: Blocked
    """The guard's rule that blocks an answer, or empty."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One generator with its items and the call for each."""

    generator: Generator
    use: GeneratorConfig
    asked: tuple[tuple[Item, Request | None], ...]
    """None for an item without a passage."""

    @property
    def requests(self) -> list[Request]:
        """The calls, each once."""
        return list({request.key: request for _, request in self.asked if request is not None}.values())


def synth(config: SynthConfig, around: Surroundings, seed: int, folder: Path, calls: Path, progress: Progress) -> None:
    """Make the records.

    Args:
        folder: `runs/<run>/synth`.
        calls: `runs/<run>/calls`.

    Raises:
        InputError: a document, a generator or a list of topics is wrong.
        CheckFailed: restricted material would be sent to another machine.
        EnvironmentLacks: the endpoint or a package is missing.
    """
    library = read_library(config, progress)
    _check_local(config, library, around)
    write_library(folder, library)
    asker = Asker(config.endpoint, CallStore(calls))
    repeats = Repeats(config.near_threshold)
    built: list[Built] = []
    dropped: list[dict[str, Any]] = []
    tallies: list[Counter[str]] = []
    for work in _works(config, library, around, seed):
        tallies.append(Counter(items=len(work.asked)))
        answers = _answers(work, asker, tallies[-1], progress)
        for result in _results(work, config, answers, repeats, around):
            if isinstance(result, Built):
                built.append(result)
            else:
                dropped.append(result)
    built, late = _without_repeats(built, repeats, around)
    _write(folder, config, library, built, [*dropped, *late], tallies, seed)


def estimate(config: SynthConfig, around: Surroundings, seed: int, calls: Path, progress: Progress) -> dict[str, Any]:
    """What the run will ask and cost, without a call: a token is taken as four characters, a reply as its limit.

    Raises:
        As `synth`.
    """
    library = read_library(config, progress)
    _check_local(config, library, around)
    store = CallStore(calls)
    rows = []
    for work in _works(config, library, around, seed):
        requests = work.requests
        open_calls = [request for request in requests if store.get(request.key) is None]
        n_chars = sum(len(turn["content"]) for request in open_calls for turn in request.body["messages"])
        prompt, reply = n_chars // 4, len(open_calls) * work.generator.max_tokens
        endpoint = config.endpoint
        seconds = reply / endpoint.tokens_per_second / endpoint.concurrency
        if endpoint.requests_per_minute is not None:
            seconds = max(seconds, 60.0 * len(open_calls) / endpoint.requests_per_minute)
        rows.append(
            {
                "source": work.use.source,
                "generator": work.generator.name,
                "items": len(work.asked),
                "without_passage": sum(request is None for _, request in work.asked),
                "calls": len(open_calls),
                "already_answered": len(requests) - len(open_calls),
                "prompt_tokens": prompt,
                "reply_tokens_at_most": reply,
                "cost_at_most": round((prompt * endpoint.input_price + reply * endpoint.output_price) / 1e6, 4),
                "seconds_at_most": round(seconds, 1),
            }
        )
    return {"passages": len(library.passages), "generators": rows}


def missing(config: SynthConfig) -> str:
    """What of a section that may be absent is not there: the documents or the endpoint. Empty when the section is to run."""
    if not config.may_be_absent:
        return ""
    if config.documents is not None and not config.documents.folder.is_dir():
        return f"no folder of documents at {config.documents.folder.name}"
    return "" if Endpoint(config.endpoint.url).is_there() else f"nothing listens at {config.endpoint.url}"


def leave_out(config: SynthConfig, why: str, folder: Path) -> None:
    """Write the stage's files without a record, with the reason."""
    for use in config.generators:
        write_records(folder / "records" / f"{use.source}.jsonl", ())
    write_local_only(folder, ())
    facts = _counted(config, [], [], [Counter() for _ in config.generators])
    write_json(folder / "counts.json", {"documents": [], "generators": facts, "left_out": why})


def input_digests(config: SynthConfig) -> dict[str, str]:
    """Digest of everything the stage reads that is not a stage's file: documents, generators, lists of topics."""
    digests: dict[str, str] = {}
    if config.documents is not None:
        root = config.documents.folder
        digests |= {f"document {path.relative_to(root).as_posix()}": sha256_file(path) for path in document_paths(root)}
    for use in config.generators:
        digests[f"generator {use.source}"] = load_generator(use.use).sha256
        if use.topics_file is not None:
            if not use.topics_file.is_file():
                raise InputError(f"there is no list of topics at {use.topics_file}")
            digests[f"topics {use.source}"] = sha256_file(use.topics_file)
    return digests


def _check_local(config: SynthConfig, library: Library, around: Surroundings) -> None:
    """Restricted documents, and restricted sources that are asked about, stay on this machine."""
    restricted = {passage.document: passage.access for passage in library.passages if local_only(passage.access)}
    documents = [LocalOnly(name, access, "", trained_on=True) for name, access in sorted(restricted.items())]
    asked = {use.records for use in config.generators if use.records}
    sources = [one for one in around.local_only if one.source in asked]
    check_remote([*documents, *sources], config.endpoint.url, "a generator")
    if config.retrieval.method != "bm25" and config.retrieval.embedder != "local":
        check_remote([*documents, *sources], config.retrieval.embedder_at, "an embedder")


def _works(config: SynthConfig, library: Library, around: Surroundings, seed: int) -> Iterator[_Work]:
    for use in config.generators:
        generator = load_generator(use.use)
        items = items_of(
            generator, use, library.passages, library.index, config.retrieval.passages, around.collected, seed
        )
        asked = (
            (item, request_for(generator, item, config.endpoint, seed) if item.passages else None) for item in items
        )
        yield _Work(generator, use, tuple(asked))


def _answers(work: _Work, asker: Asker, tally: Counter[str], progress: Progress) -> dict[str, tuple[str, Answer]]:
    """By each request's key: the key of the call that counts, and its answer. A reply of a wrong form is asked for once more."""
    name = f"ask {work.use.source}"
    answers: dict[str, tuple[str, Answer]] = {}
    again: dict[str, str] = {}
    repairs: list[Request] = []
    for request, answer in _asked(asker, work.requests, name, tally, progress):
        answers[request.key] = (request.key, answer)
        if answer.completion is not None and answer.completion.finish != "length":
            value, problem = parse_reply(answer.completion.text, work.generator.reply_schema)
            if value is None:
                repairs.append(repair_of(request, answer.completion.text, problem))
                again[repairs[-1].key] = request.key
    for request, answer in _asked(asker, repairs, f"{name} again", tally, progress):
        answers[again[request.key]] = (request.key, answer)
    tally["repaired"] = len(repairs)
    return answers


def _asked(
    asker: Asker, requests: Sequence[Request], name: str, tally: Counter[str], progress: Progress
) -> Iterator[tuple[Request, Answer]]:
    """The requests with their answers, as they come in; the tokens of every reply are counted, also of one that is no use."""
    for done, (number, answer) in enumerate(asker.ask_all(requests), start=1):
        if answer.completion is not None:
            tally["prompt_tokens"] += answer.completion.prompt_tokens or 0
            tally["reply_tokens"] += answer.completion.completion_tokens or 0
        yield requests[number], answer
        progress(name, done, len(requests), "calls")


def _results(
    work: _Work, config: SynthConfig, answers: Mapping[str, tuple[str, Answer]], repeats: Repeats, around: Surroundings
) -> Iterator[Built | dict[str, Any]]:
    """What becomes of each item: a record, or a row of `dropped.jsonl`."""
    for item, request in work.asked:
        key = ""
        result: Built | Failed = Failed("no_passage", "no passage shares a word with it")
        if request is not None:
            key, answer = answers[request.key]
            result = build(work.generator, work.use, config, item, key, answer, around.blocked)
        if isinstance(result, Built) and "duplicate" in work.generator.checks and (same := repeats.add(result.record)):
            result = Failed("near_duplicate", f"of {same}")
        if isinstance(result, Built):
            yield result
        else:
            asked_about = item.record.id if item.record is not None else item.text or item.passages[0].id
            yield _dropped(work.use.source, work.generator.name, asked_about, key, result)


def _without_repeats(
    built: list[Built], repeats: Repeats, around: Surroundings
) -> tuple[list[Built], list[dict[str, Any]]]:
    """Leave out what repeats a collected record or holds a benchmark's item."""
    repeated = repeats.repeated_by(record for name in around.source_names for record in around.collected(name))
    overlapping = overlaps([one.record for one in built], around.benchmarks)
    kept, dropped = [], []
    for one in built:
        name, source = one.record.id, one.record.origin.source
        if name in repeated:
            failed = Failed("near_duplicate", f"of {repeated[name]}")
        elif name in overlapping:
            failed = Failed("benchmark_overlap", f"with {overlapping[name]}")
        else:
            kept.append(one)
            continue
        dropped.append(
            _dropped(source, one.lineage["generator"], one.lineage["asked_about"], one.lineage["request"], failed)
        )
    return kept, dropped


def _dropped(source: str, generator: str, asked_about: str, key: str, failed: Failed) -> dict[str, Any]:
    return {
        "source": source,
        "generator": generator,
        "asked_about": asked_about,
        "reason": failed.reason,
        "detail": failed.detail,
        "request": key,
    }


def _write(
    folder: Path,
    config: SynthConfig,
    library: Library,
    built: list[Built],
    dropped: list[dict[str, Any]],
    tallies: list[Counter[str]],
    seed: int,
) -> None:
    for use in config.generators:
        records = (one.record for one in built if one.record.origin.source == use.source)
        write_records(folder / "records" / f"{use.source}.jsonl", records)
    accesses = {
        one.record.origin.source: one.record.origin.access for one in built if local_only(one.record.origin.access)
    }
    write_local_only(folder, [LocalOnly(name, accesses[name], "", trained_on=True) for name in sorted(accesses)])
    write_rows(folder / "lineage.jsonl", (one.lineage for one in built))
    write_rows(folder / "dropped.jsonl", dropped)
    write_rows(folder / "review.jsonl", _review_rows(built, config, seed))
    counts = {
        "documents": document_counts(library, config),
        "generators": _counted(config, built, dropped, tallies),
        "output_terms": output_terms(config),
    }
    write_json(folder / "counts.json", counts)


def _counted(
    config: SynthConfig, built: Sequence[Built], dropped: Sequence[Mapping[str, Any]], tallies: Sequence[Counter[str]]
) -> list[dict[str, Any]]:
    """For each generator its row of `counts.json`."""
    rows = []
    for use, tally in zip(config.generators, tallies, strict=True):
        generator = load_generator(use.use)
        reasons = Counter(row["reason"] for row in dropped if row["source"] == use.source)
        rows.append(
            {
                "source": use.source,
                "generator": generator.name,
                "version": generator.version,
                "model": config.endpoint.model,
                "kept": sum(one.record.origin.source == use.source for one in built),
                "dropped": dict(sorted(reasons.items())),
                **{name: tally[name] for name in ("items", "repaired", "prompt_tokens", "reply_tokens")},
            }
        )
    return rows


def _review_rows(built: list[Built], config: SynthConfig, seed: int) -> Iterator[dict[str, Any]]:
    """A sample, as many of each generator as there are, in an order that the seed decides."""
    share = -(-config.review_sample // len(config.generators))
    for use in config.generators:
        of_source = [one for one in built if one.record.origin.source == use.source]
        of_source.sort(key=lambda one: hash64(f"{seed}\nreview\n{one.record.id}"))
        for one in of_source[:share]:
            made = to_dict(one.record)
            yield {
                "id": one.record.id,
                "question": one.record.question,
                "answer": one.record.rationale or one.record.target,
                "choices": made["choices"],
                "arm": use.source,
                "document": one.lineage["document"],
                "page": one.lineage["page"],
                "quoted": one.lineage["quoted"],
            }
