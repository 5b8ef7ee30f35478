"""`osler evaluate`: any model on the benchmarks, with intervals, baselines and what was left out."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from osler.cli.collect import named_copy, stated_agreements
from osler.cli.options import AsJson, Quiet, cache_folder, checked
from osler.cli.screen import Screen, notice, say, say_json
from osler.errors import EnvironmentLacks, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from osler.evaluate.benchmarks import Questions
    from osler.evaluate.config import EvaluateConfig
    from osler.evaluate.score import Asking
    from osler.evaluate.summary import Examination
    from osler.models.open import Opened
    from osler.records.record import Record
    from osler.runs.progress import Progress

_PART = "OSLER_EVALUATE_PART"
"""Set for the processes that this command starts: number of the process and of all, `0/2`."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What the user asked for."""

    config: "EvaluateConfig"
    path: str | None
    agreements: dict[str, str]
    trained_on: tuple[Path, ...]
    out: Path


def evaluate(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="A folder, a hub id, a .gguf file, or an endpoint (http://.../v1).")
    ],
    benchmark: Annotated[
        list[str],
        typer.Option(metavar="NAME[:SPLIT][@MODE]", help="Benchmarks: medqa pubmedqa@generate medqa@cot-sc5 ..."),
    ],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="More benchmarks.", show_default=False)
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="An adapter; base and tuned are asked from one load.")] = None,
    name: Annotated[str, typer.Option(help="The model that an endpoint is asked for.")] = "",
    path: Annotated[
        str | None,
        typer.Option("--from", metavar="PATH", help="Local copy of the data: a folder of source folders; or sample."),
    ] = None,
    own: Annotated[
        list[Path] | None, typer.Option(metavar="YAML", help="A benchmark of your own; may be repeated.")
    ] = None,
    trained_on: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="JSONL", help="Records that the model was trained on (curate/train.jsonl); may be repeated."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where answers and scores go.")] = Path("evaluated"),
    judge: Annotated[str | None, typer.Option(metavar="URL", help="Endpoint of the judge of open answers.")] = None,
    judge_name: Annotated[str, typer.Option(help="The model that the judge's endpoint is asked for.")] = "",
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[@LAYER]", help="Compare open answers by BERTScore with this encoder (folder or hub id)."
        ),
    ] = None,
    swap: Annotated[list[str] | None, typer.Option(help="Ask again with sex, age or ethnicity swapped.")] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(help="Also write task files, logs, or open answers to rate: lm-eval, inspect, review."),
    ] = None,
    max_items: Annotated[int | None, typer.Option(min=1, help="At most this many questions of each benchmark.")] = None,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Tokens that the model sees at once.")] = 1024,
    dtype: Annotated[Literal["auto", "float32", "bfloat16"], typer.Option(help="Number type of the weights.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the draw of questions, chains of thought and intervals.")] = 0,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes, each with its own GPU where there are several.")
    ] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again what is kept from other runs.")] = False,
    agree: Annotated[
        list[str] | None, typer.Option(metavar="NAME=TEXT", help="The agreement for a restricted source.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score a model on benchmarks; a killed evaluation goes on where it stopped.

    Example: osler evaluate --model ./llama --adapter runs/x/train/adapter --benchmark medqa medmcqa pubmedqa --from data
    """
    from osler.evaluate.config import EvaluateConfig
    from osler.evaluate.exchange import WRITERS
    from osler.evaluate.score import examinations_for
    from osler.models.open import open_models

    unknown = sorted(set(export or ()) - WRITERS.keys())
    if unknown:
        raise InputError(f"--export {unknown[0]!r}: expected one of {', '.join(WRITERS)}")
    config = checked(
        EvaluateConfig,
        benchmarks=(*benchmark, *(more or ())),
        max_items=max_items,
        batch_tokens=batch_tokens,
        swaps=tuple(swap or ()),
        own=tuple(own or ()),
        encoder=encoder,
    )
    work = _Work(config, path, stated_agreements(agree or ()), tuple(trained_on or ()), out)
    with Screen(quiet=quiet or as_json) as screen:
        questions = _questions(work, screen)
        _check_endpoints(out, model, judge)
        if processes > 1 and _PART not in os.environ:
            _start_parts(processes)
        opened = open_models(
            model, adapter, name=name, key=os.environ.get("OSLER_MODEL_KEY", ""), dtype=dtype, token_budget=batch_tokens
        )
        own_answers = out / "answers"
        asking = _asking(config, seed, opened, own_answers if fresh else cache_folder() / "evaluate")
        scores = _score(work, opened, questions, asking, screen)
        if scores is None:
            return
        shutil.rmtree(own_answers, ignore_errors=True)
        examinations = examinations_for(questions, asking)
        if judge is not None:
            scores["judged"] = _judge(work, (judge, judge_name), examinations, list(opened), screen)
    for kind in export or ():
        for written in WRITERS[kind](examinations, out / "evaluate", out / kind):
            notice(f"written  {written}")
    if as_json:
        say_json(scores)
        return
    for line in score_lines(scores):
        say(line)
    say(f"scores   {out / 'evaluate' / 'scores.json'}")
    say(
        f"next     osler compare {out}:base {out}:tuned" if "tuned" in opened else f"next     osler compare OTHER {out}"
    )


def score_lines(scores: "Mapping[str, Any]") -> "Iterator[str]":
    """One line a score: n, interval, what was not read and left out, and what rules without reading score."""
    for row in scores["scores"]:
        low, high = row["ci95"]
        base = row["baselines"]
        human = f", people {row['human']['accuracy']:.1%}" if row["human"] else ""
        macro = (
            f", macro-F1 {row['macro_f1']:.3f} [{row['macro_f1_ci95'][0]:.3f}, {row['macro_f1_ci95'][1]:.3f}]"
            if "macro_f1" in row
            else ""
        )
        contaminated = (
            f"{row['contaminated']} contaminated left out"
            if scores["training_records"]
            else "contamination not checked"
        )
        yield (
            f"{row['benchmark']}, {row['model']}: {row['accuracy']:.1%} [{low:.1%}, {high:.1%}] of {row['n']:,}{macro}; "
            f"{row['unparsed']} not parsed, {row['failed']} failed, {contaminated}; always the first {base['always_first']:.1%}, the "
            f"longest {base['longest_option']:.1%}, one answer {base['most_common']:.1%}{human}"
        )
    for row in scores.get("bias", ()):
        yield f"{row['benchmark']}, {row['model']}, {row['swap']} swapped: {row['changed']} of {row['n']} answers change"
    judged = {(row["benchmark"], row["model"]) for row in scores.get("judged", ())}
    for row in scores.get("open_answers", ()):
        graded = "" if (row["benchmark"], row["model"]) in judged else "; not graded, as no --judge is named"
        low, high = row["rouge_l_ci95"]
        bert = _bertscore_words(row["bertscore"]) if "bertscore" in row else ""
        yield (
            f"{row['benchmark']}, {row['model']}: {row['n']:,} open answers, {row['empty']} empty, ROUGE-L {row['rouge_l'] or 0:.3f} "
            f"[{low:.3f}, {high:.3f}]{bert}{graded}"
        )
    for row in scores.get("judged", ()):
        graded = ", ".join(
            f"{key} {value['mean']:.2f} [{value['ci95'][0]:.2f}, {value['ci95'][1]:.2f}]"
            for key, value in row.items()
            if isinstance(value, dict) and "mean" in value
        )
        yield f"{row['benchmark']}, {row['model']}, judged: {graded or 'nothing'} of {row['n']}, {row['unknown']} unknown"


def _bertscore_words(found: "Mapping[str, Any]") -> str:
    low, high = found["f1_ci95"]
    cut = f", {found['truncated']} texts cut to its length" if found["truncated"] else ""
    return (
        f", BERTScore F1 {found['f1'] or 0:.3f} [{low:.3f}, {high:.3f}] (precision {found['precision'] or 0:.3f}, recall "
        f"{found['recall'] or 0:.3f}; {found['encoder']}, layer {found['layer']} of {found['layers']}{cut})"
    )


def _questions(work: _Work, progress: "Progress") -> "dict[str, Questions]":
    """Questions by benchmark, from records collected into `collect/`."""
    from osler.evaluate.benchmarks import parse_benchmark, questions_for
    from osler.evaluate.own import own_records
    from osler.records.io import read_records
    from osler.sources.collect import collect_copies

    own = own_records(work.config.own)
    asked = {spec: parse_benchmark(spec, work.config.own_benchmarks) for spec in work.config.benchmarks}
    names = dict.fromkeys(name for one in asked.values() for name in one.sources if name not in own)
    folder = work.out / "collect"
    if _PART not in os.environ:  # else the process that started this one has collected them
        copies = [named_copy(name, work.path, work.agreements, progress) for name in names]
        collect_copies(copies, folder, progress)

    def read(source: str) -> "Sequence[Record] | Iterator[Record]":
        return own[source] if source in own else read_records(folder / "records" / f"{source}.jsonl")

    return {spec: questions_for(one, read) for spec, one in asked.items()}


def _check_endpoints(out: Path, model: str, judge: str | None) -> None:
    """Refuse to send questions away that may not leave this machine, before any is sent."""
    from osler.runs.local_only import check_remote, local_only_sources

    if model.startswith(("http://", "https://")):
        check_remote(local_only_sources(out), model, "a model")
    if judge is not None:
        check_remote(local_only_sources(out), judge, "a judge")


def _asking(config: "EvaluateConfig", seed: int, opened: "Mapping[str, Opened]", kept: Path) -> "Asking":
    """How questions are put, with the answers kept in this folder."""
    from osler.evaluate.cache import AnswerCache
    from osler.evaluate.score import Asking

    number, _, count = os.environ.get(_PART, "0/1").partition("/")
    caches = {arm: AnswerCache(kept / one.identity[:32], int(number)) for arm, one in opened.items()}
    return Asking(config, seed, caches, (int(number), int(count)))


def _score(
    work: _Work,
    opened: "Mapping[str, Opened]",
    questions: "Mapping[str, Questions]",
    asking: "Asking",
    progress: "Progress",
) -> dict[str, Any] | None:
    from osler.evaluate.bertscore import encoder_digest
    from osler.evaluate.score import ask, evaluate, examinations_for
    from osler.records.io import read_records, to_dict
    from osler.runs.files import sha256_file, sha256_json
    from osler.runs.folder import Stage, finish_stage, open_stage
    from osler.runs.lock import only_writer

    arms = {arm: one.model for arm, one in opened.items()}
    if asking.part[1] > 1:
        ask(arms, examinations_for(questions, asking), asking, work.out / "none.jsonl", progress)
        return None
    inputs = {f"model/{arm}": one.identity for arm, one in opened.items()}
    inputs |= {
        f"questions/{spec}": sha256_json([to_dict(one) for one in found.records]) for spec, found in questions.items()
    }
    inputs |= encoder_digest(asking.config.encoder)
    inputs |= {f"trained_on/{path}": sha256_file(path) for path in work.trained_on if path.is_file()}
    stage = Stage(work.out / "evaluate", asking.config.model_dump(mode="json", exclude={"own"}), inputs, asking.seed)
    with only_writer(work.out):
        open_stage(stage)
        training = (record for path in work.trained_on for record in read_records(path))
        scores = evaluate(arms, questions, training, asking, stage.folder, progress)
        finish_stage(stage)
    return scores


def _judge(
    work: _Work,
    place: tuple[str, str],
    examinations: "Sequence[Examination]",
    arms: "Sequence[str]",
    progress: "Progress",
) -> list[dict[str, Any]]:
    """Grades of these very answers by this very judge; those of others in the folder are not taken over."""
    from osler.evaluate.judge import judge_answers, open_answers, summarise_judged
    from osler.models.http import HttpModel
    from osler.runs.files import read_json, sha256_file, write_json
    from osler.runs.folder import Stage, finish_stage, is_done, open_stage

    url, name = place
    evaluated = work.out / "evaluate"
    answers = open_answers(evaluated, examinations, arms)
    if not answers:
        notice("judge    no open answers to grade; open benchmarks are k-qa, medication-qa, liveqa-med")
    model = HttpModel(url, os.environ.get("OSLER_JUDGE_KEY", ""), model=name or "judge")
    inputs = {file: sha256_file(evaluated / file) for file in ("samples.jsonl", "contaminated.jsonl")}
    stage = Stage(work.out / "judge", {"url": url, "name": name}, inputs, 0)
    if not is_done(stage):
        open_stage(stage)
        judge_answers(model, answers, stage.folder, progress)
        judged = summarise_judged(answers, stage.folder)
        write_json(stage.folder / "summary.json", {"judge": model.name, "judged": judged})
        finish_stage(stage)
    return list(read_json(stage.folder / "summary.json")["judged"])


def gpu_of(number: int, visible: str) -> str:
    """The GPU that a process sees: its own of those that the user named, or of all. Where there is none the name means nothing."""
    named = [one for one in visible.split(",") if one.strip()]
    return named[number % len(named)] if named else str(number)


def _start_parts(count: int) -> None:
    """The same command once for each process; they fill the kept answers, from which this one then writes its files."""
    running = []
    for number in range(count):
        environment = {**os.environ, _PART: f"{number}/{count}"}
        environment["CUDA_VISIBLE_DEVICES"] = gpu_of(number, os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        command = [sys.executable, "-m", "osler", *sys.argv[1:], "--quiet"]
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))  # noqa: S603  (our own program)
    failed = [process.wait() for process in running]
    if any(failed):
        raise EnvironmentLacks(
            f"{sum(map(bool, failed))} of {count} processes stopped early; see the lines above. What was answered is kept: run the command again."
        )
