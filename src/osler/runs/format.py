"""The number of the form in which recipes and run folders are written, so that another version's are refused with a way on.

A recipe names it as `format`, a run folder in its `recipe.json`; one without it was written before the number was, in format 1.
Raised when a file that an earlier version wrote would be misread, never for a key or a file that is merely new.
"""

from pathlib import Path

from osler import __version__
from osler.errors import InputError
from osler.runs.files import read_json

FORMAT = 1


def check_format(found: object, where: str, way_on: str, written_by: str = "") -> None:
    """Whether this version reads a format.

    Args:
        where: what has it, for the message.
        way_on: what else can be done than to install the version that wrote it.

    Raises:
        InputError: it does not.
    """
    if found == FORMAT and not isinstance(found, bool):
        return
    origin = f", written by osler {written_by}" if written_by else ""
    seen = found if isinstance(found, int | float) else type(found).__name__
    older = isinstance(found, int) and found < FORMAT
    version = "the version that wrote it" if written_by or older else "a newer version"
    raise InputError(
        f"{where} has format {seen}{origin}; osler {__version__} reads format {FORMAT}. Install {version}, or {way_on}."
    )


def check_run_format(folder: Path) -> None:
    """Whether this version reads a run folder. A folder without `recipe.json` is nobody's yet.

    Raises:
        InputError: it was written in another format, or its `recipe.json` is damaged.
    """
    file = folder / "recipe.json"
    if not file.is_file():
        return
    recipe = read_json(file)
    if not isinstance(recipe, dict):
        raise InputError(f"{file} holds no recipe; it was not written by osler. Run the recipe into another folder.")
    way_on = "run its recipe again into another folder (--runs)"
    check_format(recipe.get("format", FORMAT), f"the run folder {folder}", way_on, written_by(folder))


def written_by(folder: Path) -> str:
    """The version of osler that wrote a run folder, as its first stage recorded it; empty when none did."""
    for file in sorted(folder.glob("*/run.json")):
        facts = read_json(file)
        environment = facts.get("environment") if isinstance(facts, dict) else None
        version = environment.get("osler") if isinstance(environment, dict) else None
        if isinstance(version, str):
            return version
    return ""
