"""`osler init`: a commented recipe to start from, and the JSON Schema for editors."""

from pathlib import Path
from typing import Annotated

import typer

from osler.cli.screen import say
from osler.errors import InputError


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the recipe.")] = Path("recipe.yaml"),
    schema: Annotated[
        bool, typer.Option("--schema", help="Write the JSON Schema of recipes instead, for editors.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a recipe with every key explained.

    Example: osler init my-run.yaml
    """
    from osler.recipe.template import recipe_schema, recipe_template
    from osler.runs.files import write_bytes

    if schema and file == Path("recipe.yaml"):
        file = Path("recipe.schema.json")
    if file.exists() and not force:
        raise InputError(f"{file} is there already; name another file, or give --force to overwrite it")
    write_bytes(file, (recipe_schema() if schema else recipe_template(file)).encode())
    say(f"wrote {file}" + ("" if schema else f"; next: osler run {file}"))
