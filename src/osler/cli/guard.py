"""`osler guard`: the policy alone, without a model."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from osler.cli.options import AsJson
from osler.cli.screen import notice, say, say_json

guard_app = typer.Typer(help="Try a guard policy on texts.", no_args_is_help=True, rich_markup_mode=None)


PolicyName = Annotated[str, typer.Option("--policy", help="A policy that ships, or the path of a policy file.")]
Field = Annotated[str, typer.Option(help="The field that holds the text.")]


@guard_app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE|TEXT", help="JSON Lines file, - for standard input, or a text.")],
    field: Field = "text",
    policy: PolicyName = "education",
    as_json: AsJson = False,
) -> None:
    """Give the action for each text of a file, in order, or for one text.

    Example: osler guard check questions.jsonl --field text --json
    """
    import orjson

    from osler.guard.check import check_rows
    from osler.guard.load import load_policy

    loaded = load_policy(policy, datetime.now(UTC).date())
    rows = _rows(file) if _is_file(file) else iter([{field: file}])
    counts: dict[str, int] = {}
    for row in check_rows(loaded, rows, field):
        counts[row["action"]] = counts.get(row["action"], 0) + 1
        say(
            orjson.dumps(row).decode()
            if as_json
            else f"{row['id']}  {row['action']:<14} {row['intent']}  {row['rule']}"
        )
    notice(", ".join(f"{count} {action}" for action, count in sorted(counts.items())) or "no rows")


@guard_app.command("test")
def try_policy(
    policy: Annotated[
        str, typer.Argument(metavar="POLICY", help="A policy that ships, or a policy file.")
    ] = "education",
) -> None:
    """Load a policy, which runs its own tests; exits 2 and names the first failure.

    Example: osler guard test education
    """
    from osler.guard.load import load_policy

    loaded = load_policy(policy, datetime.now(UTC).date())
    rules = (*loaded.rules, *loaded.output_rules)
    n_tests = sum(len(rule.tests.match) + len(rule.tests.no_match) for rule in rules)
    n_tests += sum(len(texts) for language in loaded.languages for texts in language.tests.values())
    n_tests += sum(len(texts) for texts in loaded.tests.values())
    say(
        f"{loaded.name}: {len(rules)} rules, {n_tests} tests passed; numbers for {len(loaded.numbers)} countries hold until "
        f"{loaded.expires}; sha256 {loaded.sha256[:16]}"
    )


@guard_app.command()
def explain(
    text: Annotated[str, typer.Argument(help="A question.")],
    earlier: Annotated[list[str] | None, typer.Option(help="An earlier turn; may be repeated, oldest first.")] = None,
    country: Annotated[str | None, typer.Option(help="Whose numbers the reply names, as in us.")] = None,
    policy: PolicyName = "education",
    as_json: AsJson = False,
) -> None:
    """Show why a text gets its action, and the reply.

    Example: osler guard explain "can i quit my warfarin"
    """
    from dataclasses import asdict

    from osler.guard.explain import explain as explained
    from osler.guard.load import load_policy

    why = explained(load_policy(policy, datetime.now(UTC).date()), text, tuple(earlier or ()), country)
    if as_json:
        say_json(asdict(why))
        return
    say(f"action      {why.verdict.action}  {why.verdict.intent}")
    say(f"because of  {why.verdict.rule or 'nothing found'}" + (f", at {why.words!r}" if why.words else ""))
    say("also found  " + (", ".join(f"{other.rule} ({other.action})" for other in why.others) or "nothing"))
    say("read as     " + ", ".join(why.readings))
    say("classifier  " + ", ".join(f"{label} {score:.2f}" for label, score in why.classifier))
    if why.reply:
        say(f"\n{why.reply}")


@guard_app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A policy that ships, or a policy file.")],
    new: Annotated[str, typer.Argument(help="Another one.")],
    on: Annotated[str, typer.Option(metavar="FILE", help="JSON Lines file with real questions.")],
    field: Field = "text",
    as_json: AsJson = False,
) -> None:
    """List the questions whose action changes from one policy to another.

    Example: osler guard diff education my-policy.yaml --on questions.jsonl
    """
    from osler.guard.explain import diff as changed
    from osler.guard.load import load_policy

    today = datetime.now(UTC).date()
    rows = [(str(row.get("id", number)), str(row.get(field, ""))) for number, row in enumerate(_rows(on), start=1)]
    changes = list(changed(load_policy(old, today), load_policy(new, today), rows))
    if as_json:
        say_json({"questions": len(rows), "changed": changes})
        return
    for row in changes:
        say(
            f"{row['id']}  {row['before']} -> {row['after']}  ({row['before_rule'] or '-'} -> {row['after_rule'] or '-'})"
        )
    notice(f"{len(changes)} of {len(rows)} questions change their action")


@guard_app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 8711,
    country: Annotated[str | None, typer.Option(help="Whose numbers the replies name, as in us.")] = None,
    policy: PolicyName = "education",
) -> None:
    """Offer the guard over HTTP to another gateway (LiteLLM's generic guardrail API); no model is asked.

    Callers send the key in OSLER_API_KEY; without it, every program of this machine may ask.

    Example: osler guard serve --port 8711
    """
    from osler.serve.adapters.run import serve_guard

    key = os.environ.get("OSLER_API_KEY")
    if not key:
        notice("OSLER_API_KEY is not set: every program of this machine may ask")
    serve_guard(policy, country, port, [key] if key else [], lambda url: say(f"guard  {url}"))


def _is_file(name: str) -> bool:
    """Whether the argument names a file; a text with a space in it that is no file is a question."""
    return name == "-" or Path(name[:200]).is_file() or " " not in name.strip()


def _rows(file: str) -> Iterator[dict[str, Any]]:
    from osler.records.io import parse_jsonl, read_jsonl

    numbered = parse_jsonl(sys.stdin.buffer, "standard input") if file == "-" else read_jsonl(Path(file))
    return (row for _, row in numbered)
