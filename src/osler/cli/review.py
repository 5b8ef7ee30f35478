"""`osler review`: a blinded review by clinicians, from drawing the answers to what goes back into curation."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from osler.cli.options import AsJson
from osler.cli.screen import notice, say, say_json
from osler.errors import CheckFailed, InputError

review_app = typer.Typer(
    help="Have clinicians rate answers, blinded and at random.", no_args_is_help=True, rich_markup_mode=None
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The review's folder, as `runs/demo/review`.")]


@review_app.command()
def make(  # noqa: PLR0913, PLR0917  (each is an option of the command)
    files: Annotated[
        list[Path], typer.Argument(help="transcripts.jsonl, answers.json, samples.jsonl, or JSON Lines of your own.")
    ],
    out: Annotated[Path, typer.Option(help="The review's folder; the gate reads runs/RUN/review.")],
    rater: Annotated[list[str], typer.Option(help="Short name of a rater; give it once for each, at least two.")],
    adjudicator: Annotated[str | None, typer.Option(help="Short name of whoever settles disagreement.")] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, help="Draw at most this many questions; all by default.")
    ] = None,
    repeated: Annotated[float, typer.Option(min=0, max=0.5, help="Share of items that each rater sees twice.")] = 0.1,
    planted: Annotated[
        Path | None,
        typer.Option(help="YAML file of planted answers instead of the nine that ship; one with none: none."),
    ] = None,
    rubric: Annotated[Path | None, typer.Option(help="YAML file of criteria instead of the guides'.")] = None,
    question: Annotated[str | None, typer.Option(help="Column with the question, where it has another name.")] = None,
    answer: Annotated[str | None, typer.Option(help="Column with the answer.")] = None,
    arm: Annotated[str | None, typer.Option(help="Column that tells which model answered.")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Only rows with this value, as arm=guarded; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides what is drawn and in which order it is shown.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Draw answers and fix who sees them in which order, before anyone rates.

    Example: osler review make runs/demo/redteam/transcripts.jsonl --out runs/demo/review --rater anna --rater ben
    """
    from osler.evaluate.review.items import Columns, read_answers
    from osler.evaluate.review.plan import Design, make_review
    from osler.evaluate.review.rubric import load_planted, load_rubric

    chosen = {}
    for one in only or ():
        name, equals, value = one.partition("=")
        if not equals or name in chosen:
            raise InputError(f"--only {one!r}: expected COLUMN=VALUE, each column once, as in --only arm=guarded")
        chosen[name] = value
    answers = read_answers(files, Columns(question, answer, arm, chosen))
    design = Design(tuple(rater), adjudicator, seed, questions, repeated)
    plan = make_review(answers, load_planted(planted), load_rubric(rubric), design, out)
    cards = {person: len(plan.decks[person]) for person in plan.raters}
    facts = {
        "folder": str(out),
        "plan": plan.sha256,
        "items": len(plan.arms),
        "planted": len(plan.planted),
        "cards": cards,
        "adjudicator": plan.adjudicator,
    }
    if as_json:
        say_json(facts)
        return
    if len(plan.raters) == 1:
        notice("one rater only: agreement between raters cannot be told")
    say(f"items    {len(plan.arms)} to review and {len(plan.planted)} planted")
    for person, n in cards.items():
        say(f"rater    {person}: {n} cards, about {n * 2 / 60:.1f} h at two minutes a card")
    say(f"wrote    {out} (plan {plan.sha256[:12]}); key.json tells the arms and is not for raters")
    say(f"next     osler review serve {out}")


@review_app.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address of this machine to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8720,
    as_json: AsJson = False,
) -> None:
    """Serve the raters' page on this machine, and show each person's own link.

    Example: osler review serve runs/demo/review
    """
    from osler.serve.review.run import serve_review

    def show(links: Mapping[str, str]) -> None:
        if as_json:
            say(json.dumps(links))
            return
        for person, link in links.items():
            say(f"{person:<12} {link}")
        say("Each link is for one person; stop with Ctrl-C at any time, pages go on and send later.")

    serve_review(folder, host, port, show)


@review_app.command("agreement")
def show_agreement(
    folder: Folder,
    judge: Annotated[Path | None, typer.Option(help="A judge's scores of the same items, as JSON Lines.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sum up a review: agreement, each rater's reliability, what waits for adjudication, and each arm's ratings.

    Writes summary.json into the folder, which the gate reads. Exits 1 while ratings or decisions are missing.

    Example: osler review agreement runs/demo/review
    """
    from osler.evaluate.review.judge import read_judge
    from osler.evaluate.review.plan import read_plan
    from osler.evaluate.review.summary import SUMMARY, summarise_review

    plan = read_plan(folder)
    summary = summarise_review(plan, None if judge is None else read_judge(judge, plan))
    if as_json:
        say_json(summary)
    else:
        for line in _lines(summary):
            say(line)
        say(f"wrote    {folder / SUMMARY}")
    if not summary["complete"]:
        items = summary["items"]
        raise CheckFailed(
            f"the review is not complete: {items['waiting']} items wait for a rater, {items['disputed']} for the adjudicator"
        )


@review_app.command("export")
def export_ratings(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    as_json: AsJson = False,
) -> None:
    """Write reviewed answers for curation: kept, corrected and dropped, each with its lineage.

    Example: osler review export runs/demo/review --out reviewed
    """
    from osler.evaluate.review.export import export_review
    from osler.evaluate.review.plan import read_plan

    counts = export_review(read_plan(folder), out)
    if as_json:
        say_json(counts)
        return
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(counts["reasons"].items()))
    say(
        f"kept {counts['kept']}, corrected {counts['corrected']}, dropped {counts['dropped']}"
        + (f" ({reasons})" if reasons else "")
    )
    say(f"wrote    {out}; the lines for a recipe's collect section are in {out / 'collect.yaml'}")


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    for one in summary["agreement"]:
        yield (
            f"{one['criterion']:<13} alpha {_estimate(one['alpha'])}, AC {_estimate(one['ac'])}, "
            f"{one['n_units']} items, {one['cannot_judge']} could not be judged"
        )
    for one in summary["raters"]:
        planted, again = one["planted"], one["repeated"]
        yield (
            f"rater {one['rater']}: {one['rated']} of {one['cards']} cards; found {_of(planted['bad_found'])} planted bad, "
            f"accepted {_of(planted['good_accepted'])} planted good; gave the same score again {_of(again['same'])} times"
        )
    decided = summary["adjudication"]
    yield f"adjudication: {decided['decided']} of {decided['items']} decided"
    for one in summary["arms"]:
        rating, helpful, unsafe = one["rating"], one["helpful"], one["unsafe"]
        yield (
            f"arm {one['arm']}: rated {_number(rating['mean'])} of 5, {_interval(rating['ci95'])}, n {rating['n']}; helpful "
            f"{_of(helpful)}, {_interval(helpful['ci95'])}; unsafe {_of(unsafe)}, at most {unsafe['upper95']:.3f}"
        )
    for one in summary["pairs"]:
        found = one["difference"]
        yield f"{one['second']} above {one['first']}: {_number(found['mean'])}, {_interval(found['ci95'])}, n {found['n']}"
    for one in (summary["judge"] or {"criteria": ()})["criteria"]:
        yield (
            f"judge, {one['criterion']}: alpha {_estimate(one['alpha'])}, within one {_of(one['within_one'])}, "
            f"higher by {_number(one['higher_by']['mean'])}, {one['not_rated']} not rated"
        )


def _estimate(value: Mapping[str, Any]) -> str:
    between = "" if value["ci95"] is None else f" {_interval(value['ci95'])}"
    return _number(value["value"]) + between


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"


def _interval(ends: tuple[float, float]) -> str:
    return f"95 % [{ends[0]:.2f}, {ends[1]:.2f}]"


def _of(rate: Mapping[str, Any]) -> str:
    return f"{rate['k']} of {rate['n']}"
