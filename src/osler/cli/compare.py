"""`osler compare`: two models on the same questions."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.cli.options import AsJson
from osler.cli.screen import say, say_json
from osler.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_Which = Annotated[
    str, typer.Argument(metavar="DIR[:ARM]", help="An evaluation's or a run's folder, and which of its models.")
]


def compare(
    first: _Which,
    second: _Which,
    claim: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BENCHMARK@MODE", help="Where the second was declared to be better; Holm corrects over these."
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of non-inferiority; left out: what each sample can show.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the comparison as JSON.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two models question by question: exact McNemar, paired intervals, what was won and lost.

    Example: osler compare runs/demo:base runs/demo:tuned
    """
    from osler.evaluate.compare import compare as compare_two
    from osler.evaluate.compare import read_evaluated
    from osler.runs.files import write_json

    before, after = (replace(read_evaluated(*_place(one)), name=one) for one in (first, second))
    found = compare_two(before, after, seed, claim or (), margin)
    if out is not None:
        write_json(out, found)
    if as_json:
        say_json(found)
        return
    for line in comparison_lines(found):
        say(line)
    say(f"written  {out}" if out is not None else "next     --out FILE keeps the questions won and lost, by id")


def comparison_lines(found: "Mapping[str, Any]") -> "Iterator[str]":
    """A line a benchmark, and one for each subject in which the two differ."""
    yield f"{found['second']} against {found['first']}, in points; Holm over {len(found['claims'])} claims"
    for row in found["benchmarks"]:
        low, high = row["ci95"]
        holm = f", Holm {row['p_holm']:.3g}" if row["p_holm"] is not None else ""
        shown = "not inferior" if row["not_inferior"] else "non-inferiority not shown"
        yield (
            f"{row['benchmark']}: {100 * row['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] of n = {row['n']:,}; "
            f"won {row['only_second']}, lost {row['only_first']}; p {row['p_mcnemar']:.3g}{holm}; {shown} by "
            f"{100 * row['margin']:.1f} (lower bound {100 * row['lower95']:+.1f})"
        )
        before, after = row["calibration"]
        if before and after:
            yield f"  calibration error {before['ece']:.3f} -> {after['ece']:.3f}"
        for subject in row["subjects"]:
            if subject["p_fdr"] < 0.05:
                yield f"  {subject['subject']}: {100 * subject['difference']:+.1f} of n = {subject['n']}, false-discovery p {subject['p_fdr']:.3g}"


def _place(text: str) -> tuple[Path, str | None]:
    name, colon, arm = text.rpartition(":")
    folder = Path(name if colon else text)
    for inside in (folder / "evaluate", folder):
        if (inside / "samples.jsonl").is_file():
            return inside, arm if colon else None
    raise InputError(
        f"{folder} holds no evaluation (evaluate/samples.jsonl). Make one with `osler evaluate` or `osler run`."
    )
