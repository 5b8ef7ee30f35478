"""What a server says about itself: the model, the policy and the gate behind every answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from osler.models.chat import default_system_prompt
from osler.serve.permit import Permit


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is served, by which leave, and where the server keeps its files."""

    permit: Permit
    """The gate's leave, or the override; names the artefact."""
    policy: str
    """Name and version of the guard's policy."""
    policy_sha256: str
    folder: Path
    """The run's `serve` folder: the kill switch lies here, beside the audit log."""
    model: str = "osler"
    """Name that clients ask for."""
    system_prompt: str = field(default_factory=default_system_prompt)
    """Placed above every conversation; the one that the adapter was trained with."""
    keeps_texts: bool = False
    """Whether the operator keeps texts of answers, encrypted and for a time."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    """Emergency number by country, from the policy; the pages name the reader's."""
