"""`osler gate`: the verdict on a run."""

from pathlib import Path

import typer

from osler.cli.options import AsJson, RunName, RunsFolder, find_run
from osler.cli.screen import say, say_json
from osler.errors import CheckFailed, InputError


def gate(run: RunName, runs: RunsFolder = Path("runs"), as_json: AsJson = False) -> None:
    """Decide whether a run's model may be served, by its scores, red team and review; exits 1 when it may not.

    Example: osler gate demo --json
    """
    from osler.pipeline.run import decide
    from osler.runs.files import read_json

    folder = find_run(run, runs)
    if not decide(folder):
        raise CheckFailed(
            f"the gate of {folder.name} was not run, which counts as failed. Add `gate:` to its recipe and run it again."
        )
    file = folder / "gate" / "verdict.json"
    verdict = read_json(file)
    if not isinstance(verdict, dict) or not {"passed", "artefact", "checks"} <= verdict.keys():
        raise InputError(f"{file} is not a verdict; it was changed since the gate wrote it. Run the recipe again.")
    if as_json:
        say_json({name: verdict[name] for name in ("passed", "artefact", "checks")})
    else:
        for check in verdict["checks"]:
            say(f"{'passed' if check['passed'] else 'FAILED'}  {check['name']}: {check['note']}")
        say("the gate is passed" if verdict["passed"] else "the gate is NOT passed")
    raise typer.Exit(0 if verdict["passed"] else 1)
