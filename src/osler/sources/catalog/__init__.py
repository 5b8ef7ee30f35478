"""Every data set that Osler knows: a YAML file of facts each and, where columns alone do not tell, a module that maps its rows."""

from functools import cache
from pathlib import Path

from osler.errors import InputError
from osler.sources.access import why_denied
from osler.sources.load import load_source
from osler.sources.plugins import plugins
from osler.sources.source import Source
from osler.text import did_you_mean

_FOLDER = Path(__file__).parent
SOURCE_NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def catalog_sources() -> tuple[Source, ...]:
    """The sources that ship, by name."""
    return tuple(_catalog_source(name) for name in SOURCE_NAMES)


def all_sources() -> tuple[Source, ...]:
    """The catalog and the sources of installed plug-ins."""
    return (*catalog_sources(), *plugins(SOURCE_NAMES)[0].values())


def source_named(name: str) -> Source:
    """The source of that name, of the catalog or of a plug-in.

    Raises:
        InputError: with the nearest right name and the whole list; or why the data set is not read, or its plug-in broken.
    """
    if name in SOURCE_NAMES:
        return _catalog_source(name)
    added, broken = plugins(SOURCE_NAMES)
    if name in added:
        return added[name]
    if name in broken:
        raise InputError(f"{broken[name]}. Mend or uninstall it; the other sources work without it.")
    names = (*SOURCE_NAMES, *added)
    raise InputError(
        why_denied(name)
        or f"there is no source {name!r}.{did_you_mean(name, names)} The sources are: {', '.join(names)}"
    )


@cache
def _catalog_source(name: str) -> Source:
    return load_source(_FOLDER / f"{name}.yaml", __name__)
