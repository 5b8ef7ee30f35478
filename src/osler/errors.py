"""Every error a user can cause.

    OslerError                 exit code
    ├── InputError             2   a recipe, an option or data is wrong
    │   ├── RecipeError        2   all the mistakes of one recipe, at once
    │   └── RowError           2   one row of one file, when reading cannot go on without it
    ├── EnvironmentLacks       3   a package, a GPU, access or a free port is missing
    └── CheckFailed            1   a gate, a parity check or a verification said no

The command line prints these without a traceback. A message says what is wrong, the value seen, what is allowed and what
to do. It never holds the text of a record, a prompt or a reply: those may come from patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class OslerError(Exception):
    """A mistake the user can mend; printed without a traceback."""

    exit_code = 2


class InputError(OslerError):
    """A recipe, an option or data is wrong."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a recipe."""

    where: str
    """Dotted place in the recipe (`train.max_steps`)."""
    message: str
    """What is wrong, the value seen, what is allowed, what to do."""


class RecipeError(InputError):
    """All mistakes of one recipe, reported together."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.name = name
        self.problems = tuple(problems)
        count = "1 mistake" if len(self.problems) == 1 else f"{len(self.problems)} mistakes"
        lines = [f"{name}: {count}", *(f"  {problem.where}: {problem.message}" for problem in self.problems)]
        super().__init__("\n".join(lines))


class RowError(InputError):
    """One row cannot be read. Carries a reason code for counting and words for a person, never the row's text."""

    def __init__(self, reason: str, detail: str, field: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.field = field
        super().__init__(f"{field}: {detail}" if field else detail)


class EnvironmentLacks(OslerError):
    """Something is missing from the environment: a package, a GPU, access, a free port."""

    exit_code = 3


class CheckFailed(OslerError):
    """A gate, a parity check or a verification failed."""

    exit_code = 1


def missing_package(package: str, feature: str, extra: str) -> EnvironmentLacks:
    """The error for an optional package that is not installed: names the feature and the command that brings it."""
    return EnvironmentLacks(
        f"{feature} needs the package {package!r}, which is not installed. Install it with: {install_command(extra)}"
    )


def install_command(extra: str = "") -> str:
    """The command that installs Osler with an extra: from the checkout that runs, or else from the package index."""
    wanted = f"[{extra}]" if extra else ""
    if (Path(__file__).parents[2] / "constraints.txt").is_file():
        return f'pip install -c constraints.txt -e ".{wanted}"'
    return f'pip install "osler{wanted}"'
