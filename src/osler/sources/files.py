"""Finding a source's files below a root folder, and their digests."""

from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from osler.errors import InputError
from osler.sources.source import Source, SourceFile


def sample_root() -> Path:
    """The folder of the sample data that ships with the package."""
    return Path(str(files("osler.sources"))) / "sample"


def find_files(source: Source, root: Path) -> list[SourceFile]:
    """The files of rows to read, in reading order: by pattern, then by name.

    Raises:
        InputError: the source has no folder below `root`, or none of the files that are expected in it; or a link leads nowhere.
    """
    folder = _folder(source, root)
    for group in source.files:
        paths = _matching(folder, group)
        # A file beside its own packed form would be read twice.
        found = [path for path in paths if path.suffix.lower() != ".gz" or path.with_suffix("") not in paths]
        if found:
            return _named(found, folder)
    raise InputError(f"{source.name}: {folder} holds none of the files that are expected.\n{_wanted(source)}")


def all_files(source: Source, root: Path) -> list[SourceFile]:
    """The files of rows, and those that are looked at but hold none.

    Raises:
        InputError: as `find_files`.
    """
    folder = _folder(source, root)
    return [*find_files(source, root), *_named(_matching(folder, source.beside), folder)]


def has_files(source: Source, root: Path) -> bool:
    """Whether `root` has what the source needs."""
    try:
        return bool(find_files(source, root))
    except InputError:
        return False


def in_given_folder(source: Source) -> Source:
    """The source for a path that a user gave: a folder that holds its folder, or, failing that, its folder itself."""
    return replace(source, folders=(*source.folders, "."))


def _matching(folder: Path, patterns: tuple[str, ...]) -> dict[Path, None]:
    """The files of a folder by pattern and name, without what is hidden: macOS's `._x.csv`, the `.cache/` of the hub's client."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if hidden and not pattern.startswith("."):
                continue
            if not path.exists():
                raise InputError(
                    f"{path} is a link to {path.readlink()}, which is not there. Fetch that, or remove the link."
                )
            if path.is_file():
                found[path] = None
    return found


def _named(paths: Iterable[Path], folder: Path) -> list[SourceFile]:
    return [SourceFile(path, path.relative_to(folder).as_posix()) for path in paths]


def _folder(source: Source, root: Path) -> Path:
    # A user's own file names its folder in full and is looked for nowhere else.
    own = [name for name in source.folders if Path(name).is_absolute()]
    for name in own or (source.name, *source.folders):
        if (root / name).is_dir():
            return root / name
    if root == sample_root():
        there = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir())) if root.is_dir() else ""
        raise InputError(
            f"{source.name}: not part of the sample data, which has {there or 'no source'}. "
            f"Set collect.root to a folder that holds {source.name}/ with the publisher's files from {source.home}."
        )
    if not root.is_dir() and not own:
        there = "a file" if root.exists() else "not there"
        raise InputError(
            f"{root} is {there}; expected a folder that holds {source.name}/, or is it.\n{_wanted(source)}"
        )
    others = f" (or {', '.join(source.folders)})" if source.folders else ""
    raise InputError(f"{source.name}: no folder {root / source.name}{others}.\n{_wanted(source)}")


def _wanted(source: Source) -> str:
    expected = "\n".join(f"  {' and '.join(group)}" for group in source.files)
    by_command = f" or with `osler collect {source.name}`" if source.hub or source.downloads else ""
    return (
        f"Expected one of these sets of files in it:\n{expected}\n"
        f"Fetch them from {source.home}{by_command}, or take {source.name} out of the recipe (collect.sources, "
        "evaluate.benchmarks)."
    )
