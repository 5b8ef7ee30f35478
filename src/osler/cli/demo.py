"""`osler demo`: the whole way on the sample that ships."""

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from osler.cli.options import AsJson, Quiet, RunsFolder
from osler.cli.screen import Screen, duration, notice, say, say_json
from osler.cli.stages import told


def demo(
    runs: RunsFolder = Path("runs"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the files of an earlier demo first.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Go the whole way offline in two minutes: sample data, a tiny model, benchmarks, red team, gate, guarded server.

    Example: osler demo
    """
    from osler.demo import ask_the_server, try_to_serve
    from osler.pipeline.run import run_stages
    from osler.recipe import load_recipe, shipped_recipes
    from osler.report.page import write_report

    began = time.monotonic()
    recipe = load_recipe(shipped_recipes()["demo.yaml"])
    folder = runs / recipe.name
    if fresh and folder.exists():
        shutil.rmtree(folder)
    with Screen(quiet=quiet or as_json) as screen:
        told(run_stages(recipe, folder, None, screen), quiet=as_json)
    refusal = try_to_serve(folder)
    if not as_json:
        notice(
            "\nThe tiny model knows nothing of medicine and fails its gate, as it should. `osler serve demo` refuses it:"
        )
        notice("\n".join(f"    {line}" for line in refusal.message.splitlines()))
        notice(
            f"\nWith --override and a recorded reason it is served (exit code without: {refusal.exit_code}). Three questions over HTTP:"
        )
    answers = ask_the_server(folder)
    page = write_report(folder)
    if as_json:
        say_json(
            {
                "run": str(folder),
                "report": str(page),
                "serve_refused": refusal.exit_code == 1,
                "answers": [
                    {"kind": a.kind, "question": a.question, "action": a.action, "rule": a.rule, "answer": a.answer}
                    for a in answers
                ],
                "seconds": round(time.monotonic() - began, 1),
            }
        )
        return
    for answer in answers:
        say(f"\n[{answer.kind}] {answer.question}")
        say(f"action {answer.action}" + (f", by rule {answer.rule}" if answer.rule else ""))
        say("\n".join(f"    {line}" for line in answer.answer.splitlines()))
    say(f"\nrun      {folder}  ({duration(time.monotonic() - began)})")
    say(f"report   {page}")
    say("next     osler init my-run.yaml, then osler run my-run.yaml")
