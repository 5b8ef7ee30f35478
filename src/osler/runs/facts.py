"""Facts about the machine and the installed versions, for `run.json` and `osler doctor`."""

import platform
import sys

from osler import __version__

PACKAGES = tuple(
    "torch transformers trl peft accelerate datasets tokenizers numpy pyarrow pydantic starlette uvicorn".split()
)
"""Packages whose version can change a result."""


def installed_version(package: str) -> str | None:
    """Version of an installed package, or None. Does not import it."""
    from importlib import metadata  # a quarter of what workers of curation take to start

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def environment_facts() -> dict[str, str]:
    """Versions and platform, as they go into `run.json`."""
    versions = {package: version for package in PACKAGES if (version := installed_version(package)) is not None}
    return {"osler": __version__, "python": sys.version.split()[0], "platform": platform.platform(), **versions}
