"""Options that several commands share, and finding a run, or the store of its servers, by name."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from osler.errors import InputError

if TYPE_CHECKING:
    from osler.runs.section import Section
    from osler.serve.store import Store

Checked = TypeVar("Checked", bound="Section")

RunsFolder = Annotated[Path, typer.Option("--runs", help="The folder of run folders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="OSLER_STORE",
        metavar="URL",
        help="PostgreSQL of the replicas (postgresql://...), instead of the run's own store.",
    ),
]
RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (YAML).")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one value of the recipe; may be repeated."),
]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="Name of a run, or the path of its folder.")]


def checked(section: type[Checked], **values: Any) -> Checked:
    """A section as a command's options give it.

    Raises:
        InputError: one of them is not allowed; names it and what is.
    """
    from pydantic import ValidationError

    try:
        return section.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from error


def cache_folder() -> Path:
    """Where downloads are kept: `OSLER_CACHE`, or `~/.cache/osler`."""
    return Path(os.environ.get("OSLER_CACHE") or "~/.cache/osler").expanduser()


def find_run(run: str, runs: Path) -> Path:
    """The folder of a run that exists.

    Raises:
        InputError: there is none (names those there are), or another version of osler wrote it.
    """
    from osler.runs.format import check_run_format

    for folder in (runs / run, Path(run)):
        if (folder / "recipe.json").is_file():
            check_run_format(folder)
            return folder
    there = sorted(path.parent.name for path in runs.glob("*/recipe.json")) if runs.is_dir() else []
    known = ", ".join(there) if there else "none"
    raise InputError(f"there is no run {run!r} in {runs}; runs there: {known}. Make one with `osler run RECIPE`.")


def store_of(run: str, runs: Path, url: str | None) -> "Store":
    """The store of a run's servers: its own, or that of `--store`."""
    from osler.serve.store import open_store

    return open_store(url, find_run(run, runs) / "serve")
