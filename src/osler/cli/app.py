"""The `osler` command: all commands, in the order in which `osler --help` lists them.

Rooms are imported inside the commands: `osler --help` must answer at once.
"""

import typer

from osler import __version__
from osler.cli.audit import audit_app
from osler.cli.card import card, documents
from osler.cli.collect import collect
from osler.cli.compare import compare
from osler.cli.curate import curate
from osler.cli.dedupe import dedupe
from osler.cli.deidentify import deidentify
from osler.cli.demo import demo
from osler.cli.doctor import doctor
from osler.cli.evaluate import evaluate
from osler.cli.export import export
from osler.cli.gate import gate
from osler.cli.guard import guard_app
from osler.cli.init import init
from osler.cli.keys import keys_app
from osler.cli.kill import kill_app
from osler.cli.plan import plan
from osler.cli.redteam import redteam
from osler.cli.report import report
from osler.cli.review import review_app
from osler.cli.run import run
from osler.cli.serve import serve
from osler.cli.sources import sources_app
from osler.cli.synth import synth
from osler.cli.trace import trace
from osler.cli.train import train

_HELP = "From raw medical data sets to a guarded answer. For education and research, never a medical device."

app = typer.Typer(
    name="osler",
    help=_HELP,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"osler {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and leave."
    ),
) -> None:
    """Options that stand before the command."""
    del version


app.command(short_help="The whole way offline, in two minutes.")(demo)
app.command(short_help="Run a recipe, stage by stage.")(run)
app.command(short_help="Download or read data sets to records.")(collect)
app.command(short_help="Write records from guidelines, each with its page.")(synth)
app.command(short_help="Make a recipe's training set.")(curate)
app.command(short_help="What training needs and costs, before it starts.")(plan)
app.command(short_help="Train a recipe's model.")(train)
app.command(short_help="Where a row came from, and what became of it.")(trace)
app.command(short_help="Write a run's model or training set for other programs.")(export)
app.command(short_help="What is installed, and what is missing.")(doctor)
app.command(short_help="Write a commented recipe.")(init)
app.command(short_help="Replace identifiers of patients by tags.")(deidentify)
app.command(short_help="Drop copies from plain rows, at any size.")(dedupe)
app.command(short_help="Score any model on the benchmarks.")(evaluate)
app.command(short_help="Two models on the same questions, paired.")(compare)
app.command(short_help="The gate's verdict; exits 1 when not passed.")(gate)
app.command(short_help="Serve a run's model behind its guard.")(serve)
app.command(short_help="Try to make a model misbehave, bare and guarded.")(redteam)
app.command(short_help="Write a run's report page.")(report)
app.command(short_help="Draw a data, model or system card.")(card)
app.command(short_help="Draw what people must decide and sign.")(documents)
app.add_typer(sources_app, name="sources")
app.add_typer(review_app, name="review")
app.add_typer(guard_app, name="guard")
app.add_typer(keys_app, name="keys")
app.add_typer(kill_app, name="kill")
app.add_typer(audit_app, name="audit")
