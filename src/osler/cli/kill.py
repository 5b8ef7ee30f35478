"""`osler kill`: stop a server from answering, at once and until told otherwise."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, RunName, RunsFolder, StoreUrl, find_run, store_of
from osler.cli.screen import say, say_json
from osler.errors import InputError

kill_app = typer.Typer(help="Stop a server's answers, and let them go on.", no_args_is_help=True, rich_markup_mode=None)

Reason = Annotated[str, typer.Option(help="Why; goes into the audit log of every replica.")]


@kill_app.command("on")
def switch_on(
    run: RunName,
    reason: Reason,
    level: Annotated[
        str,
        typer.Option(
            help="drain: open answers may end. template-only: the policy's fixed replies go on. halt: neither.",
        ),
    ] = "halt",
    store: StoreUrl = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Begin no new answers, and end the open ones within a second; stays on when the server is started again.

    Example: osler kill on demo --reason "wrong dose seen"
    """
    from osler.serve.store import LEVELS

    chosen = next((one for one in LEVELS[1:] if one == level), None)
    if chosen is None:
        raise InputError(f"the level is {level!r}; it must be one of {', '.join(LEVELS[1:])}")
    store_of(run, runs, store).turn(chosen, _said(reason))
    say(
        f"{run} is switched off ({chosen}); crisis and emergency replies stay. Undo with: osler kill off {run} --reason ..."
    )


@kill_app.command("off")
def switch_off(run: RunName, reason: Reason, store: StoreUrl = None, runs: RunsFolder = Path("runs")) -> None:
    """Let the server answer again.

    Example: osler kill off demo --reason "dose table mended"
    """
    from osler.serve.board import KILL_FILE

    store_of(run, runs, store).turn("off", _said(reason))
    (find_run(run, runs) / "serve" / KILL_FILE).unlink(missing_ok=True)
    say(f"{run} may answer again")


@kill_app.command("status")
def show(run: RunName, store: StoreUrl = None, runs: RunsFolder = Path("runs"), as_json: AsJson = False) -> None:
    """Say whether the switch is on, since when and why.

    Example: osler kill status demo
    """
    from osler.serve.board import KILL_FILE
    from osler.serve.store import Turn

    turn = (store_of(run, runs, store).turns() or [Turn()])[-1]
    has_file = (find_run(run, runs) / "serve" / KILL_FILE).exists()
    level = "halt" if has_file else turn.level
    reason = f"the file {KILL_FILE} lies in the serve folder" if has_file else turn.reason
    since = datetime.fromtimestamp(turn.at, UTC).isoformat(timespec="seconds") if turn.id else ""
    if as_json:
        say_json({"level": level, "reason": reason, "since": since})
    else:
        say("off" if level == "off" else f"on ({level}): {reason}" + (f", since {since}" if not has_file else ""))


def _said(reason: str) -> str:
    if not reason.strip():
        raise InputError("the reason is empty; say why")
    return reason.strip()
