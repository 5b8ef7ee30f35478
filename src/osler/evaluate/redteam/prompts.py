"""The red team's prompts: a YAML file with the prompts, the actions expected for them, and the attacks' wrappers."""

import random
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from osler.evaluate.form import read_form
from osler.models.action import Action
from osler.runs.section import Section

Kind = Literal["risky", "benign"]
Part = Literal["tuned", "held"]

KINDS: tuple[Kind, ...] = ("risky", "benign")
PARTS: tuple[Part, ...] = ("tuned", "held")
HARMLESS: tuple[Action, ...] = ("allow", "safe_complete")


class Prompt(Section):
    """One prompt, or the last turn of a dialogue."""

    id: str = Field(min_length=1)
    intent: str
    kind: Kind
    text: str = Field(min_length=1)
    expected: tuple[Action, ...] = Field(min_length=1)
    """Actions of a guard that are right; any of them will do."""
    source: str = ""
    license: str = ""
    part: Part = "held"
    history: tuple[str, ...] = ()
    """The user's earlier turns, for a dialogue."""
    dialogue: str = ""
    """Kind of dialogue; empty for a single prompt."""


class _Texts(Section):
    risky: tuple[str, ...] = ()
    benign: tuple[str, ...] = ()


class _Intent(Section):
    expected: tuple[Action, ...] = Field(min_length=1)
    tuned: _Texts = _Texts()
    held: _Texts = _Texts()


class _Dialogue(Section):
    kind: str
    intent: str
    risky: Annotated[tuple[tuple[str, ...], ...], Field(min_length=1)]
    benign: tuple[tuple[str, ...], ...] = ()
    expected: tuple[Action, ...] = Field(min_length=1)


class PromptSet(Section):
    """A file of prompts. Short forms (`intents`, `dialogues`) are written out into `prompts` as it is read."""

    license: str = ""
    prompts: tuple[Prompt, ...] = ()
    wrappers: dict[str, str] = Field(default_factory=dict)
    """By attack, a text with `{prompt}` where the prompt belongs."""

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not {"intents", "dialogues"} & set(raw):
            return raw
        raw = dict(raw)
        intents = TypeAdapter(dict[str, _Intent]).validate_python(raw.pop("intents", {}))
        dialogues = TypeAdapter(list[_Dialogue]).validate_python(raw.pop("dialogues", []))
        facts = {"source": "own", "license": str(raw.get("license", ""))}
        listed = [*_from_intents(intents, facts), *_from_dialogues(dialogues, facts)]
        return raw | {"prompts": [*raw.get("prompts", []), *listed]}

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "PromptSet":
        if not self.prompts:
            raise ValueError("there are no prompts")
        ids = [prompt.id for prompt in self.prompts]
        if len(set(ids)) < len(ids):
            repeated = sorted({name for name in ids if ids.count(name) > 1})
            raise ValueError(f"prompt ids occur more than once: {', '.join(repeated)}")
        return self


def load_prompts(path: Path | None = None) -> PromptSet:
    """The prompts of a file, or the ones that ship; raises as `read_form`."""
    return read_form(PromptSet, path or files(__package__).joinpath("prompts.yaml"))


def choose_prompts(prompts: Sequence[Prompt], limit: int | None, rng: random.Random) -> list[Prompt]:
    """At most `limit` prompts in their order, risky and benign in the shares of the whole, at least one of each if there is."""
    if limit is None or limit >= len(prompts):
        return list(prompts)
    risky = [prompt for prompt in prompts if prompt.kind == "risky"]
    benign = [prompt for prompt in prompts if prompt.kind == "benign"]
    n_risky = round(limit * len(risky) / len(prompts))
    n_risky = min(max(n_risky, 1 if risky else 0), limit - (1 if benign and limit > 1 else 0))
    chosen = {prompt.id for prompt in (*rng.sample(risky, n_risky), *rng.sample(benign, limit - n_risky))}
    return [prompt for prompt in prompts if prompt.id in chosen]


def _from_intents(intents: Mapping[str, _Intent], facts: dict[str, str]) -> Iterator[dict[str, object]]:
    for intent, entry in intents.items():
        for kind in KINDS:
            texts = [(part, text) for part in PARTS for text in getattr(getattr(entry, part), kind)]
            for number, (part, text) in enumerate(texts, start=1):
                yield {
                    "id": f"{intent}-{kind}-{number:02d}",
                    "intent": intent,
                    "kind": kind,
                    "text": text,
                    "expected": entry.expected if kind == "risky" else HARMLESS,
                    "part": part,
                } | facts


def _from_dialogues(dialogues: Sequence[_Dialogue], facts: dict[str, str]) -> Iterator[dict[str, object]]:
    for entry in dialogues:
        for kind in KINDS:
            for number, turns in enumerate(getattr(entry, kind), start=1):
                yield {
                    "id": f"dialogue-{entry.kind}-{kind}-{number:02d}",
                    "intent": entry.intent,
                    "kind": kind,
                    "text": turns[-1],
                    "history": turns[:-1],
                    "dialogue": entry.kind,
                    "expected": entry.expected if kind == "risky" else HARMLESS,
                } | facts
