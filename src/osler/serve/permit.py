"""May this model be served? Reads the gate's verdict; anything but a pass for this very artefact needs a recorded reason.

The permit does not examine a model. It holds the server to what the gate found, and to the reason given by whoever overrides it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from osler.errors import CheckFailed, InputError
from osler.runs.files import read_json
from osler.runs.signatures import with_signatures_now

Gate = Literal["passed", "overridden"]

HOW_TO_SERVE = 'Mend what failed and run the gate again, or serve it all the same with --override "reason"; the reason is recorded.'


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to serve one artefact."""

    artefact: str
    """Identity of what may be served (`models.artefact`)."""
    overridden: bool = False
    """Whether somebody took the decision against the gate, or without it."""
    reason: str = ""
    """Why, in their words; empty when the gate passed."""
    failed_checks: tuple[str, ...] = ()
    """What stood against it, one sentence each."""

    @property
    def gate(self) -> Gate:
        """The gate's part in one word, as every response names it."""
        return "overridden" if self.overridden else "passed"


def permit(run_folder: Path, artefact: str, override: str | None = None, how: str = HOW_TO_SERVE) -> Permit:
    """Leave to serve or export `artefact`, by the verdict in `run_folder/gate/verdict.json` or by an override.

    Args:
        how: what the reader of a refusal can do.
        override: the reason of whoever overrides the gate; None when nobody does. Not needed, and not recorded, when the gate
            passed.

    Raises:
        CheckFailed: the gate failed, was not run or examined something else, and nobody overrides it.
        InputError: the reason is empty.
    """
    if override is not None and not override.strip():
        raise InputError(
            'the reason of --override is empty; say why this model is served, for instance --override "demo"'
        )
    failed = tuple(_objections(run_folder, artefact))
    if not failed:
        return Permit(artefact)
    if override is None:
        listed = "\n".join(f"  {line}" for line in failed)
        raise CheckFailed(f"{run_folder.name} has not passed its gate:\n{listed}\n{how}")
    return Permit(artefact, overridden=True, reason=override.strip(), failed_checks=failed)


def _objections(run_folder: Path, artefact: str) -> list[str]:
    path = run_folder / "gate" / "verdict.json"
    if not path.is_file():
        return ["the gate was not run: there is no gate/verdict.json"]
    verdict = read_json(path)
    checks = verdict.get("checks") if isinstance(verdict, dict) else None
    if not isinstance(checks, list) or not all(isinstance(check, dict) and "name" in check for check in checks):
        return ["gate/verdict.json is not a verdict; run the gate again"]
    checks = with_signatures_now(run_folder, verdict)["checks"]
    found = []
    if verdict.get("artefact") != artefact:
        found.append(
            f"the gate examined another artefact: {_short(verdict.get('artefact'))}, and this is {_short(artefact)}"
        )
    if not checks:
        found.append("the gate made no checks")
    found += [_sentence(check) for check in checks if check.get("passed") is not True]
    if not found and verdict.get("passed") is not True:
        found.append("the gate's verdict is not a pass")
    return found


def _sentence(check: Mapping[str, Any]) -> str:
    note = f" ({check['note']})" if check.get("note") else ""
    interval = check.get("ci95") or ()
    within = f", 95% interval {' to '.join(_number(end) for end in interval)}" if len(interval) == 2 else ""
    return f"{check['name']}: {_number(check.get('value'))}{within}; bound {_number(check.get('bound'))}{note}"


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "not measured"


def _short(artefact: object) -> str:
    return artefact[:12] if isinstance(artefact, str) and artefact else "none"
