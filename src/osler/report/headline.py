"""The lines at the top of the page: the verdict, overrides, and what a reader who reads no further should know."""

from dataclasses import dataclass

from osler.report.format import count, many, moment, part, rate
from osler.report.read import Override, Run
from osler.report.read_exam import Comparison
from osler.report.table import Tone
from osler.report.tables_exam import RATE_NAMES


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it is about, and what there is to say."""

    name: str
    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's verdict in words, and every time it was overridden."""

    line: Line
    overrides: tuple[str, ...]


def verdict(run: Run) -> Verdict:
    """What the gate said, and whether somebody went on in spite of it."""
    overrides = tuple(_override(one) for one in run.overrides)
    if run.gate is None:
        text = "Without a verdict this model may not be exported or served unless somebody overrides with a reason."
        return Verdict(Line("Gate not run", text, "quiet"), overrides)
    n_checks, failed = len(run.gate.checks), run.gate.failed
    if run.gate.passed:
        text = f"All {many(n_checks, 'check', 'checks')} passed. This says what was tested here and nothing beyond it."
        return Verdict(Line("Gate passed", text, "good"), overrides)
    names = ", ".join(check.name for check in failed)
    text = f"{count(len(failed))} of {many(n_checks, 'check', 'checks')} failed: {names}."
    return Verdict(Line("Gate not passed", text, "bad"), overrides)


def state(run: Run, stage: str) -> Line | None:
    """A line that says so when a stage has not run, not to its end, or on other files; None for a finished one."""
    facts = run.stages.get(stage)
    if facts is None:
        return Line("Not run", f"The stage {stage} was not run; there is nothing of it to show.", "quiet")
    if not facts.finished:
        return Line("Not finished", f"The stage {stage} was started and has not finished; run the recipe again.", "bad")
    if stage in run.out_of_date:
        what = f"The stage {stage} belongs to an earlier state of this run: the recipe no longer has it, or what it read has changed."
        return Line("Out of date", f"{what} Run the recipe again.", "bad")
    return None


def summary(run: Run) -> list[Line]:
    """One line for each stage; a stage that did not run says so."""
    return [_data(run), _training(run), _benchmarks(run), _red_team(run), review(run)]


def review(run: Run) -> Line:
    """How far the review by clinicians has come."""
    if run.reviewed is None:
        return Line(
            "Review", "not run: there is no review/summary.json, and no clinician's judgement is recorded", "quiet"
        )
    done = "complete" if run.reviewed.complete else "NOT complete"
    items, raters = many(run.reviewed.reviewed, "item", "items"), many(run.reviewed.raters, "rater", "raters")
    return Line("Review", f"{done}: {items} reviewed by {raters}, {count(run.reviewed.waiting)} waiting")


def _override(one: Override) -> str:
    verb = "Exported" if one.where == "export" else "Served"
    when = f" on {moment(one.time)}" if one.time else ""
    names = ", ".join(check.partition(":")[0] for check in one.failed_checks)
    checks = f" Checks that had failed: {names}." if names else ""
    return f"{verb} in spite of the gate{when}. Reason given: “{one.reason}”.{checks}"


def _data(run: Run) -> Line:
    if run.curated is None:
        return _collected(run)
    curated = run.curated
    kept = part(curated.kept, curated.read)
    text = f"{kept} of {many(curated.read, 'record', 'records')} kept, from {many(len(curated.sources), 'source', 'sources')}"
    if run.collected is not None:
        text += f"; {count(sum(one.read for one in run.collected))} rows read"
    return Line("Data", text)


def _collected(run: Run) -> Line:
    if run.collected is None:
        return Line("Data", "not run", "quiet")
    n_rows, n_records = sum(one.read for one in run.collected), sum(one.records for one in run.collected)
    text = (
        f"{count(n_rows)} rows read, {count(n_records)} records, from {many(len(run.collected), 'source', 'sources')}"
    )
    return Line("Data", f"{text}; not curated")


def _training(run: Run) -> Line:
    if run.trained is None:
        return Line("Training", "not run", "quiet")
    ledger = run.trained.ledger
    text = f"{count(ledger.count('kept'))} records"
    if ledger.has("steps"):
        text += f", {many(ledger.count('steps'), 'step', 'steps')}"
    if ledger.has("first_loss") and ledger.has("last_loss"):
        text += f"; training loss {ledger.number('first_loss'):.3f} at first, {ledger.number('last_loss'):.3f} over the last ten steps"
    return Line("Training", text)


def _benchmarks(run: Run) -> Line:
    if run.evaluated is None:
        return Line("Benchmarks", "not run", "quiet")
    comparisons = run.evaluated.comparisons
    if not comparisons:
        return Line("Benchmarks", f"{many(len(run.evaluated.scores), 'score', 'scores')}, nothing compared")
    better = [one for one in comparisons if one.ci95.low > 0]
    worse = [one for one in comparisons if one.ci95.high < 0]
    unclear = len(comparisons) - len(better) - len(worse)
    text = (
        f"tuned against base on {many(len(comparisons), 'benchmark', 'benchmarks')}: {_named('better', better)}, "
        f"{_named('worse', worse)}, no difference shown on {count(unclear)} (95 % interval includes 0)"
    )
    return Line("Benchmarks", text)


def _named(word: str, comparisons: list[Comparison]) -> str:
    names = ", ".join(one.benchmark for one in comparisons)
    return f"{word} on {count(len(comparisons))}" + (f" ({names})" if names else "")


def _red_team(run: Run) -> Line:
    if run.redteamed is None:
        return Line("Red team", "not run", "quiet")
    arms = run.redteamed.arms
    arm = next((one for one in arms if one.arm == "guarded"), arms[0] if arms else None)
    if arm is None:
        return Line("Red team", "no arm was asked", "quiet")
    told = [f"{RATE_NAMES[name].lower()} {rate(one.k, one.n, *one.ci95)}" for name, one in arm.rates.items()]
    return Line("Red team", f"{arm.arm}: {'; '.join(told)}")
