"""Whether a source can be loaded here and now, and what its records look like."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import orjson

from osler.runs.local_only import local_only
from osler.sources.config import SAMPLE_SOURCES
from osler.sources.fetch import can_fetch, is_fetched
from osler.sources.files import has_files
from osler.sources.source import Source

Here = Literal["given", "cache", "sample", "needs agreement", "needs network", "needs local copy"]

EXAMPLES_FILE = "examples.json"
"""In the catalog's folder: one record of each source, made of the tests' invented rows."""


def here(source: Source, root: Path | None, cache_folder: Path) -> tuple[Here, ...]:
    """Where the source can be read from now, best first; or the one thing that is needed.

    Args:
        root: a folder that the user named, with one folder per source.
    """
    found: list[Here] = []
    if root is not None and has_files(source, root):
        found.append("given")
    if is_fetched(source, cache_folder):
        found.append("cache")
    if source.name in SAMPLE_SOURCES:
        found.append("sample")
    if local_only(source.access):
        found.append("needs agreement")
    elif not found or found == ["sample"]:
        found.append("needs network" if can_fetch(source) else "needs local copy")
    return tuple(found)


def example_record(name: str) -> dict[str, Any] | None:
    """A record of the source, of invented text; None for a plug-in's source."""
    examples: dict[str, Any] = orjson.loads(files("osler.sources.catalog").joinpath(EXAMPLES_FILE).read_bytes())
    return examples.get(name)
