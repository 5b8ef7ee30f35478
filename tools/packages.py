"""Wheel and sdist, built, and the wheel tried as a user would: in an empty environment, in a folder outside the checkout.

    python tools/packages.py                    # build, then the core alone, in the versions that were tested together
    python tools/packages.py --extras all       # the same, then everything on top; dist/environment stays, to run the tests in
    python tools/packages.py --versions lowest  # the core in the lowest versions that pyproject.toml allows, with the core's tests
    python tools/packages.py --versions newest  # the same in the newest there are

Needs a package registry and Python alone. Writes dist/: the sdist, the wheel that was built from it, and the environment.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
ENVIRONMENT = DIST / "environment"
CORE_STEPS = (
    ("--version",),
    ("doctor",),
    ("init", "recipe.yaml"),
    ("run", "recipe.yaml", "--until", "curate", "--quiet"),
    ("report", "recipe"),
    ("card", "data", "recipe"),
    ("guard", "check", "What helps against hay fever?"),
)
"""What the core does without an extra, from an empty folder to a training set, its report and card, and a guarded question."""

CORE_TESTS = ("records", "runs", "sources", "curate", "phi", "guard")
CORE_TEST_PACKAGES = ("pytest", "hypothesis", "jsonschema", "openpyxl")


def main() -> None:
    """Build, look into the wheel, install it, run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extras", default="", help="install these on top when the core has run, as in pip's brackets")
    parser.add_argument("--versions", choices=("tested", "lowest", "newest"), default="tested")
    chosen = parser.parse_args()
    wheel = build()
    missing = not_in_wheel(wheel)
    if missing:
        sys.exit(f"{wheel.name} lacks {', '.join(missing)}; see [tool.hatch.build] in pyproject.toml")
    pip = _environment(ENVIRONMENT)
    with tempfile.TemporaryDirectory() as folder:
        constraints = ROOT / "constraints.txt"
        if chosen.versions != "tested":
            constraints = Path(folder, "versions.txt")
            constraints.write_text("\n".join(lowest_versions()) if chosen.versions == "lowest" else "")
        _call(*pip, "-c", str(constraints), str(wheel))
        for step in CORE_STEPS:
            _call(str(ENVIRONMENT / "bin" / "osler"), *step, folder=folder)
        if chosen.versions != "tested":
            _call(*pip, *CORE_TEST_PACKAGES)
            # A package at its lowest may warn of what a newer one beside it has replaced.
            warned = ("-W", "default::DeprecationWarning")
            _call(str(ENVIRONMENT / "bin" / "pytest"), *warned, *(f"tests/{room}" for room in CORE_TESTS))
        if chosen.extras:
            _call(*pip, "-c", str(constraints), f"{wheel}[{chosen.extras}]")
    print(f"{wheel.name}: every file of the package is in it; the core ran from it in {chosen.versions} versions")


def build() -> Path:
    """The sdist, and the wheel built from it: so the sdist is whole too."""
    shutil.rmtree(DIST, ignore_errors=True)
    _call(*_environment(DIST / "builder"), "build")
    _call(str(DIST / "builder" / "bin" / "python"), "-m", "build", "--outdir", str(DIST), str(ROOT))
    shutil.rmtree(DIST / "builder")
    return next(DIST.glob("*.whl"))


def not_in_wheel(wheel: Path) -> list[str]:
    """Files of the package and recipes that the wheel has not."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = {f"osler/{path.relative_to(ROOT / 'src' / 'osler')}" for path in _files(ROOT / "src" / "osler")}
    recipes = {f"osler/recipes/{path.name}" for path in _files(ROOT / "recipes")}
    return sorted((package | recipes) - held)


def lowest_versions() -> Iterator[str]:
    """The core's packages, each at the lowest version that pyproject.toml allows."""
    for requirement in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        name, version = re.fullmatch(r"([\w-]+)>=([\w.]+)", requirement).groups()
        yield f"{name}=={version}"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__")


def _environment(place: Path) -> tuple[str, ...]:
    """An empty environment, as the start of a command that installs into it."""
    venv.create(place, with_pip=True)
    return str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"


def _call(*command: str, folder: str | Path = ROOT) -> None:
    print("+", Path(command[0]).name, *command[1:], file=sys.stderr, flush=True)
    finished = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        print(finished.stdout[-8000:], file=sys.stderr)
        sys.exit(f"exit code {finished.returncode} from the command above")


if __name__ == "__main__":
    main()
