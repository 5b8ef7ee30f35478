"""Sources of other packages, through the entry point group `osler.sources`: each entry point names a `Source`.

Looked for only when a name is not in the catalog or when all sources are listed. A plug-in that cannot be loaded is told by
name and takes nothing else with it.
"""

from collections.abc import Collection
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from osler.sources.source import Source

GROUP = "osler.sources"


@cache
def plugins(taken: Collection[str]) -> tuple[dict[str, Source], dict[str, str]]:
    """The sources of all installed plug-ins, and why others give none, both by name.

    Args:
        taken: names of the catalog, which a plug-in cannot replace.
    """
    sources: dict[str, Source] = {}
    broken = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        loaded = _load(point)
        if isinstance(loaded, Source) and loaded.name in {*taken, *sources}:
            loaded = f"its source is named {loaded.name!r}, and there is another of that name"
        if isinstance(loaded, Source):
            sources[loaded.name] = loaded
        else:
            package = f" of {point.dist.name} {point.dist.version}" if point.dist is not None else ""
            broken[point.name] = f"the plug-in {point.name!r}{package} ({point.value}): {loaded}"
    return dict(sorted(sources.items())), broken


def _load(point: EntryPoint) -> Source | str:
    """The source of an entry point, or why there is none."""
    try:
        found = point.load()
    except Exception as error:  # noqa: BLE001 - someone else's module may raise anything, and must not stop the others
        return f"cannot be loaded, {type(error).__name__}: {error}"
    return (
        found
        if isinstance(found, Source)
        else f"is of the type {type(found).__name__}; expected an osler.sources.source.Source"
    )
