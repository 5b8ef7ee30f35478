"""`osler sources`: the data sets that can be read, what is known of each, and whether a local copy is right."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osler.cli.options import AsJson, Quiet, cache_folder
from osler.cli.screen import Screen, notice, say, say_json

if TYPE_CHECKING:
    from osler.sources.check import Checked
    from osler.sources.source import Source

sources_app = typer.Typer(help="The data sets that Osler can read.", no_args_is_help=True, rich_markup_mode=None)

From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="PATH",
        exists=True,
        file_okay=False,
        help="Folder that holds one folder per source; to show one, also its own folder.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a source, as in `osler sources list`.")]


@sources_app.command("list")
def list_sources(path: From = None, as_json: AsJson = False) -> None:
    """List every data set with its task, rows, license, access, and whether it can be loaded here and now.

    Example: osler sources list --from ~/data
    """
    from osler.sources.catalog import SOURCE_NAMES, all_sources
    from osler.sources.here import here
    from osler.sources.plugins import plugins

    cache = cache_folder()
    rows = [(source, here(source, path, cache)) for source in all_sources()]
    for reason in plugins(SOURCE_NAMES)[1].values():
        notice(f"left out: {reason}")
    if as_json:
        say_json([{**_facts(source), "here": list(where)} for source, where in rows])
        return
    width = max(len(source.name) for source, _ in rows)
    say(f"{'name':<{width}}  {'task':<9} {'rows':>11}  {'access':<12} {'lang':<5} {'license':<22} here")
    for source, where in rows:
        marks = "".join(f"; {mark}" for mark in _marks(source))
        say(
            f"{source.name:<{width}}  {source.task:<9} {rows_of(source):>11}  {source.access:<12} {source.language:<5} "
            f"{source.license:<22} {', '.join(where)}{marks}"
        )


@sources_app.command("show")
def show(name: Name, path: From = None, as_json: AsJson = False) -> None:
    """Show all that is known of one data set: facts, citation, known problems, and a record of invented text.

    Example: osler sources show medmcqa
    """
    from osler.sources.catalog import source_named
    from osler.sources.files import in_given_folder
    from osler.sources.here import example_record, here

    source = source_named(name)
    example = example_record(source.name)
    where = here(in_given_folder(source), path, cache_folder())
    if as_json:
        say_json({**_facts(source), "here": list(where), "example": example})
        return
    for label, text in _lines(source, ", ".join(where)):
        say(f"{label:<14} {text}")
    say("known problems")
    for problem in source.known_problems:
        say(f"  - {problem}")
    if example is not None:
        say("a record, of invented text")
        _say_example(example)


@sources_app.command("check")
def check(
    name: Name,
    path: Annotated[Path, typer.Option("--from", metavar="PATH", help="Folder of the local copy.")],
    max_rows: Annotated[int, typer.Option("--rows", min=0, help="How many wrong rows to show.")] = 20,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check a local copy: the shape and counts that are expected, and each wrong row; exits 1 when something is wrong.

    Example: osler sources check medqa --from ~/data
    """
    from osler.sources.catalog import source_named
    from osler.sources.check import check_copy
    from osler.sources.files import in_given_folder

    with Screen(quiet=quiet or as_json) as screen:
        checked = check_copy(in_given_folder(source_named(name)), path, screen, max_rows)
    if as_json:
        from dataclasses import asdict

        say_json({**asdict(checked), "passed": not checked.problems})
    else:
        _say_checked(checked)
    raise typer.Exit(1 if checked.problems else 0)


def rows_of(source: "Source") -> str:
    """The published number of rows, in figures."""
    if not source.rows:
        return "-"
    return ("~" if "about" in source.rows else "") + f"{sum(source.rows.values()):,}"


def _facts(source: "Source") -> dict[str, Any]:
    names = ("name", "home", "revision", "license", "access", "language", "citation", "synthetic", "generator", "task")
    facts: dict[str, Any] = {name: getattr(source, name) for name in names}
    lists = ("known_problems", "overlaps", "use", "files", "folders")
    return (
        facts | {name: list(getattr(source, name)) for name in lists} | {"rows": dict(source.rows), "hub": source.hub}
    )


def _marks(source: "Source") -> list[str]:
    marks = ["synthetic"] if source.synthetic else []
    marks += [] if "train" in source.use else ["never for training"]
    return marks + ([f"overlaps {', '.join(source.overlaps)}"] if source.overlaps else [])


def _lines(source: "Source", where: str) -> list[tuple[str, str]]:
    splits = ", ".join(f"{split} {n:,}" for split, n in source.rows.items()) or "not stated"
    return [
        ("name", source.name),
        ("home", source.home),
        ("hub copy", source.hub or "none that Osler takes"),
        ("checked with", source.revision),
        ("task", source.task),
        ("rows", splits),
        ("use", " and ".join(source.use)),
        ("language", source.language),
        ("license", source.license),
        ("access", source.access),
        ("written by", source.generator or ("a model" if source.synthetic else "people")),
        ("overlaps with", ", ".join(source.overlaps) or "nothing known"),
        ("files", "; or ".join(" and ".join(group) for group in source.files)),
        ("here and now", where),
        ("cite", source.citation),
    ]


def _say_example(record: dict[str, Any]) -> None:
    for passage in record["context"]:
        say(f"  context    {passage}")
    for message in record["messages"]:
        say(f"  {message['role']:<10} {message['content']}")
    for number, choice in enumerate(record["choices"]):
        say(f"  {'choice *' if number == record['answer'] else 'choice':<10} {choice}")
    if record["rationale"]:
        say(f"  rationale  {record['rationale']}")


def _say_checked(checked: "Checked") -> None:
    say(f"{checked.source}: {checked.read:,} rows in {len(checked.files):,} files give {checked.records:,} records")
    for label, counts in (("published", checked.expected), ("found", checked.found)):
        say(f"  {label:<10}" + (", ".join(f"{split} {n:,}" for split, n in counts.items()) or "not stated"))
    for reason, n in checked.reasons.items():
        say(f"  set aside {reason} {n:,}")
    for row in checked.rows:
        say(f"  {row.words} ({row.reason})")
    for problem in checked.problems:
        say(f"WRONG  {problem}")
    say("the copy is NOT as published" if checked.problems else "the copy is as published")
