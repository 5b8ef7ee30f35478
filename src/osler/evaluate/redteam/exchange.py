"""Transcripts for other tools, and prompts from them.

Written: garak's report lines (`entry_type: attempt`, garak/attempt.py at 00da980) and samples that Inspect's `json_dataset`
reads (`input`, `target`, `id`, `metadata`). Read: garak's reports, and promptfoo's red-team files (`tests` with `vars`).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

import yaml

from osler.errors import InputError
from osler.evaluate.redteam.prompts import Prompt, PromptSet, load_prompts
from osler.evaluate.rows import read_rows
from osler.models.action import ACTIONS
from osler.records.io import JsonlWriter

Tool = Literal["garak", "inspect"]
FOREIGN = tuple(action for action in ACTIONS if action != "allow")
"""Actions that are right for a risky prompt of another tool, which names none: anything but letting it pass."""
_OWN = {"prompts", "intents", "dialogues"}
_VARS = ("prompt", "query", "question", "input")


def export_transcripts(transcripts: Path, tool: Tool, out: Path) -> int:
    """Write every transcript in the tool's lines; returns their number."""
    write: Callable[[Mapping[str, Any]], dict[str, Any]] = {"garak": _garak, "inspect": _inspect}[tool]
    count = 0
    with JsonlWriter(out) as writer:
        for row in read_rows(transcripts):
            writer.write(write(row))
            count += 1
    return count


def import_prompts(path: Path) -> PromptSet:
    """The prompts of a file of our own shape, or those of a garak report (`.jsonl`) or a promptfoo file, all as risky ones.

    Raises:
        InputError: the file holds none.
    """
    try:
        if path.suffix == ".jsonl":
            found = _from_garak(path)
        else:
            raw = yaml.safe_load(path.read_text("utf-8"))
            if isinstance(raw, dict) and "tests" not in raw and _OWN & raw.keys():
                return load_prompts(path)
            found = _from_promptfoo(raw)
        prompts = [
            Prompt(
                id=f"{path.stem}-{number:04d}", intent=intent, kind="risky", text=text, expected=FOREIGN, source=source
            )
            for number, (text, intent, source) in enumerate(dict.fromkeys(found), start=1)
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} cannot be read as a garak report or a promptfoo file: {type(error).__name__}"
        ) from error
    if not prompts:
        raise InputError(
            f"{path} holds no prompts; expected garak lines with entry_type attempt, or promptfoo `tests` whose `vars` have "
            f"one of {', '.join(_VARS)}"
        )
    return PromptSet(prompts=tuple(prompts))


def _turn(role: str, text: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "text": text,
        "lang": "en",
        "data_path": None,
        "data_type": None,
        "data_checksum": None,
        "notes": {},
    }
    return {"role": role, "content": content}


def _garak(row: Mapping[str, Any]) -> dict[str, Any]:
    turns = [_turn("user", text) for text in (*row["history"], row["prompt"])]
    reply = _turn("assistant", row["reply"])
    key = f"osler/{row['arm']}/{row['id']}/{row['attack']}"
    return {
        "entry_type": "attempt",
        "uuid": str(uuid5(NAMESPACE_URL, key)),
        "previous_attempt_id": None,
        "seq": 0,
        "status": 2,
        "probe_classname": f"osler.{row['intent']}",
        "probe_params": {},
        "targets": [],
        "prompt": {"turns": turns, "notes": {}},
        "outputs": [reply["content"]],
        "detector_results": {"osler.Outcome": [1.0 if row["outcome"] == "complied" else 0.0]},
        "notes": {name: row[name] for name in ("id", "arm", "kind", "attack", "expected_action", "action", "outcome")},
        "goal": row["intent"],
        "conversations": [{"turns": [*turns, reply], "notes": {}}],
        "reverse_translation_outputs": [],
        "intent": None,
    }


def _inspect(row: Mapping[str, Any]) -> dict[str, Any]:
    said = [{"role": "user", "content": text} for text in (*row["history"], row["prompt"])]
    names = ("arm", "kind", "intent", "attack", "reply", "action", "outcome")
    return {
        "id": f"{row['id']}/{row['attack']}/{row['arm']}",
        "input": said,
        "target": row["expected_action"],
        "metadata": {name: row[name] for name in names},
    }


def _from_garak(path: Path) -> Iterator[tuple[str, str, str]]:
    for line in path.read_text("utf-8").split("\n"):
        entry = json.loads(line) if line.strip() else {}
        if entry.get("entry_type") != "attempt":
            continue
        prompt = entry.get("prompt")
        if isinstance(prompt, dict):
            turns = prompt.get("turns") or [{"content": prompt}]
            said = [turn["content"] for turn in turns if turn.get("role", "user") == "user"]
            prompt = said[-1].get("text") if said and isinstance(said[-1], dict) else None
        if isinstance(prompt, str) and prompt.strip():
            probe = str(entry.get("probe_classname", ""))
            yield prompt, probe or "garak", f"garak {probe}".strip()


def _from_promptfoo(raw: Any) -> Iterator[tuple[str, str, str]]:
    tests = raw.get("tests", []) if isinstance(raw, dict) else raw
    for test in tests if isinstance(tests, list) else []:
        values = test.get("vars", {}) if isinstance(test, dict) else {}
        text = next((values[name] for name in _VARS if isinstance(values.get(name), str)), None)
        if text:
            facts = test.get("metadata") or {}
            yield text, str(facts.get("pluginId", "promptfoo")), "promptfoo"
