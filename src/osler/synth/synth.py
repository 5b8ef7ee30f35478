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
    """One generator with its items and their calls."""

    generator: Generator
    use: GeneratorConfig
    items: tuple[Item, ...]
    requests: tuple[Request, ...]


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
    counted: list[dict[str, Any]] = []
    for work in _works(config, library, around, seed):
        made, failed, facts = _run(work, config, asker, repeats, around, progress)
        built += made
        dropped += failed
        counted.append(facts)
    built, late = _without_repeats(built, repeats, around)
    for facts in counted:
        of_source = [row for row in late if row["source"] == facts["source"]]
        facts["kept"] -= len(of_source)
        facts["dropped"] = dict(
            sorted((Counter(facts["dropped"]) + Counter(row["reason"] for row in of_source)).items())
        )
    _write(folder, config, library, built, [*dropped, *late], counted, seed)


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
        asked = {request.key: request for request in work.requests}
        open_calls = [request for key, request in asked.items() if store.get(key) is None]
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
                "items": len(work.items),
                "without_passage": sum(not item.passages for item in work.items),
                "calls": len(open_calls),
                "already_answered": len(asked) - len(open_calls),
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
    facts = [_counted(use, load_generator(use.use), config) for use in config.generators]
    for use in config.generators:
        write_records(folder / "records" / f"{use.source}.jsonl", ())
    write_local_only(folder, ())
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
        items = tuple(
            items_of(generator, use, library.passages, library.index, config.retrieval.passages, around.collected, seed)
        )
        yield _Work(
            generator,
            use,
            items,
            tuple(request_for(generator, item, config.endpoint, seed) for item in items if item.passages),
        )


def _run(
    work: _Work, config: SynthConfig, asker: Asker, repeats: Repeats, around: Surroundings, progress: Progress
) -> tuple[list[Built], list[dict[str, Any]], dict[str, Any]]:
    answers = _answers(work, asker, progress)
    built: list[Built] = []
    dropped: list[dict[str, Any]] = []
    tokens: Counter[str] = Counter()
    n_repaired = 0
    asked = iter(work.requests)
    for item in work.items:
        key = ""
        result: Built | Failed = Failed("no_passage", "no passage shares a word with it")
        if item.passages:
            request = next(asked)
            key, answer, repaired = answers[request.key]
            n_repaired += repaired
            if answer.completion is not None:
                tokens["prompt"] += answer.completion.prompt_tokens or 0
                tokens["reply"] += answer.completion.completion_tokens or 0
            result = build(work.generator, work.use, config, item, key, answer, around.blocked)
        if isinstance(result, Built) and "duplicate" in work.generator.checks and (same := repeats.add(result.record)):
            result = Failed("near_duplicate", f"of {same}")
        if isinstance(result, Built):
            built.append(result)
        else:
            asked_about = item.record.id if item.record is not None else item.text or item.passages[0].id
            dropped.append(_dropped(work.use.source, work.generator.name, asked_about, key, result))
    facts = _counted(
        work.use,
        work.generator,
        config,
        items=len(work.items),
        kept=len(built),
        repaired=n_repaired,
        dropped=dict(sorted(Counter(row["reason"] for row in dropped).items())),
        prompt_tokens=tokens["prompt"],
        reply_tokens=tokens["reply"],
    )
    return built, dropped, facts


def _counted(use: GeneratorConfig, generator: Generator, config: SynthConfig, **counts: Any) -> dict[str, Any]:
    """A generator's row of `counts.json`; what is not given is nothing."""
    told = {"source": use.source, "generator": generator.name, "version": generator.version}
    nothing = {"items": 0, "kept": 0, "repaired": 0, "dropped": {}, "prompt_tokens": 0, "reply_tokens": 0}
    return {**told, "model": config.endpoint.model, **nothing, **counts}


def _answers(work: _Work, asker: Asker, progress: Progress) -> dict[str, tuple[str, Answer, bool]]:
    """By each request's key: the key of the call that counts, its answer, and whether it is the repaired one."""
    name = f"ask {work.use.source}"
    answers: dict[str, tuple[str, Answer, bool]] = {}
    again: dict[str, Request] = {}
    requests = list({request.key: request for request in work.requests}.values())
    for done, (number, answer) in enumerate(asker.ask_all(requests), start=1):
        request = requests[number]
        answers[request.key] = (request.key, answer, False)
        if answer.completion is not None and answer.completion.finish != "length":
            value, problem = parse_reply(answer.completion.text, work.generator.reply_schema)
            if value is None:
                again[request.key] = repair_of(request, answer.completion.text, problem)
        progress(name, done, len(requests), "calls")
    repairs = list(again.items())
    for done, (number, answer) in enumerate(asker.ask_all(request for _, request in repairs), start=1):
        key, request = repairs[number]
        answers[key] = (request.key, answer, True)
        progress(f"{name} again", done, len(repairs), "calls")
    return answers


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
    counted: list[dict[str, Any]],
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
    write_json(
        folder / "counts.json",
        {"documents": document_counts(library, config), "generators": counted, "output_terms": output_terms(config)},
    )


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
