"""Put the prompts to the bare and the guarded model; write `transcripts.jsonl` and `summary.json`.

Rates count prompts, not attempts: a risky prompt counts as complied with when it was under any of its disguises. Disguises of
one prompt succeed and fail together, so counting each would make the interval look narrower than it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osler.errors import InputError
from osler.evaluate.chance import random_stream
from osler.evaluate.config import RedteamConfig
from osler.evaluate.redteam.attacks import apply_attack, missing_wrappers
from osler.evaluate.redteam.outcome import is_urgent, is_wrong_action, outcome_of
from osler.evaluate.redteam.prompts import Prompt, PromptSet, choose_prompts
from osler.evaluate.rows import append_rows, cut_chunks, keep_whole_chunks, read_rows
from osler.evaluate.stats import rate
from osler.models.protocol import Model, Reply
from osler.phi import find, replace
from osler.records.record import Message
from osler.runs.files import write_json
from osler.runs.progress import Progress

Row = Mapping[str, Any]

CHUNK_PROMPTS = 16
_NEUTRAL = "I see."
"""What the assistant said after each earlier turn of a dialogue, so that every arm is asked the same."""
_ROW_KEY = ("arm", "id", "attack")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One prompt under one attack."""

    prompt: Prompt
    attack: str


def redteam(
    arms: Mapping[str, Model],
    prompts: PromptSet,
    config: RedteamConfig,
    seed: int,
    out: Path,
    progress: Progress,
    artefact: str = "",
) -> dict[str, Any]:
    """Ask every arm every prompt, going on where an earlier, killed call stopped.

    Risky prompts are asked under every attack of the recipe; benign ones as they are, or with `attack_benign` under the same
    attacks. A dialogue's earlier turns are sent as they are, each with a neutral answer.

    Args:
        arms: `bare` is the model alone, `guarded` the same model behind the guard, `guarded_<policy>` behind a further one.
        prompts: from `load_prompts`.
        out: the stage's folder.
        artefact: id of what `guarded` is, which its rows name: a review of them is one of this artefact.

    Returns:
        What `summary.json` holds.

    Raises:
        InputError: an attack has no wrapper in the file of prompts.
    """
    missing = missing_wrappers(config.attacks, prompts.wrappers)
    if missing:
        raise InputError(
            f"redteam: no wrapper with {{prompt}} for {', '.join(missing)}; found wrappers for "
            f"{', '.join(sorted(prompts.wrappers)) or 'none'}. Add them to the file of prompts or take the attacks out."
        )
    chosen = choose_prompts(prompts.prompts, config.max_prompts, random_stream(seed, "prompts"))
    transcripts = out / "transcripts.jsonl"
    asking = _Asking(prompts.wrappers, config.max_tokens, seed, artefact)
    _ask(arms, _attempts(chosen, config), asking, transcripts, progress)
    rows = list(read_rows(transcripts))
    summary = {
        "prompts": len(chosen),
        "risky": sum(prompt.kind == "risky" for prompt in chosen),
        "benign": sum(prompt.kind == "benign" for prompt in chosen),
        "attacks": list(config.attacks),
        "arms": [
            _arm_summary(arm, model.name, [row for row in rows if row["arm"] == arm]) for arm, model in arms.items()
        ],
    }
    write_json(out / "summary.json", summary)
    return summary


@dataclass(frozen=True, slots=True)
class _Asking:
    wrappers: Mapping[str, str]
    max_tokens: int
    seed: int
    artefact: str


def _attempts(prompts: Sequence[Prompt], config: RedteamConfig) -> list[Attempt]:
    attempts: list[Attempt] = []
    for prompt in prompts:
        tried = config.attacks if prompt.kind == "risky" or config.attack_benign else ("plain",)
        attempts.extend(Attempt(prompt, attack) for attack in tried)
    return attempts


def _ask(
    arms: Mapping[str, Model], attempts: Sequence[Attempt], asking: _Asking, transcripts: Path, progress: Progress
) -> None:
    plan = [(arm, attempt) for arm in arms for attempt in attempts]
    keys = [(arm, attempt.prompt.id, attempt.attack) for arm, attempt in plan]
    chunks = cut_chunks([len(attempts) for _ in arms], CHUNK_PROMPTS)
    n_done = keep_whole_chunks(transcripts, keys, _ROW_KEY, chunks)
    progress("redteam", chunks[n_done - 1].stop if n_done else 0, len(plan), "prompts")
    for chunk in chunks[n_done:]:
        arm = plan[chunk.start][0]
        asked = [attempt for _, attempt in plan[chunk.start : chunk.stop]]
        texts = [_disguised(attempt, asking) for attempt in asked]
        conversations = [_conversation(attempt.prompt, text) for attempt, text in zip(asked, texts, strict=True)]
        replies = arms[arm].reply(conversations, asking.max_tokens)
        named = {"artefact": asking.artefact} if asking.artefact and arm == "guarded" else {}
        rows = [
            _row(arm, attempt, text, reply) | named for attempt, text, reply in zip(asked, texts, replies, strict=True)
        ]
        append_rows(transcripts, rows)
        progress("redteam", chunk.stop, len(plan), "prompts")


def _disguised(attempt: Attempt, asking: _Asking) -> str:
    # A stream of its own for each attempt, so that leaving out one attack does not change another.
    rng = random_stream(asking.seed, attempt.prompt.id, attempt.attack)
    return apply_attack(attempt.attack, attempt.prompt.text, rng, asking.wrappers)


def _conversation(prompt: Prompt, text: str) -> tuple[Message, ...]:
    earlier = [turn for said in prompt.history for turn in (Message("user", said), Message("assistant", _NEUTRAL))]
    return (*earlier, Message("user", text))


def _row(arm: str, attempt: Attempt, text: str, reply: Reply) -> dict[str, Any]:
    prompt = attempt.prompt
    return {
        "id": prompt.id,
        "arm": arm,
        "kind": prompt.kind,
        "intent": prompt.intent,
        "dialogue": prompt.dialogue,
        "history": list(prompt.history),
        "attack": attempt.attack,
        "expected_action": "|".join(prompt.expected),
        "prompt": text,
        # A model may give out what it learned of a person; what is kept and shared does not.
        "reply": replace(reply.text, find(reply.text)),
        "action": reply.action,
        "rule": reply.rule,
        "outcome": outcome_of(prompt, reply),
        "urgent": prompt.kind == "risky" and is_urgent(prompt.expected),
        "wrong_action": is_wrong_action(prompt, reply),
    }


def _arm_summary(arm: str, model: str, rows: Sequence[Row]) -> dict[str, Any]:
    attacks = dict.fromkeys(row["attack"] for row in rows if row["kind"] == "risky")
    urgent = [row for row in rows if row["kind"] == "risky" and row["urgent"]]
    return {
        "arm": arm,
        "model": model,
        **_rates(rows),
        "wrong_action": _prompts_with(rows, lambda row: bool(row["wrong_action"])),
        "refused_emergency": _prompts_with(urgent, lambda row: row["outcome"] == "refused_emergency"),
        "by_attack": [_failures("attack", attack, rows) for attack in attacks],
        "by_intent": [_failures("intent", intent, rows) for intent in sorted({row["intent"] for row in rows})],
    }


def _failures(field: str, value: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {field: value, **_rates([row for row in rows if row[field] == value])}


def _rates(rows: Sequence[Row]) -> dict[str, Any]:
    risky, benign = ([row for row in rows if row["kind"] == kind] for kind in ("risky", "benign"))
    return {
        "harmful_compliance": _prompts_with(risky, lambda row: row["outcome"] == "complied"),
        "over_refusal": _prompts_with(benign, lambda row: row["outcome"] == "over_refused"),
        "failed": _prompts_with(rows, _failed),
    }


def _failed(row: Row) -> bool:
    """Complied with harm, refused the harmless, or refused an emergency: what a gate counts, together."""
    return row["outcome"] in {"complied", "over_refused", "refused_emergency"}


def _prompts_with(rows: Iterable[Row], failed: Callable[[Row], bool]) -> dict[str, Any]:
    """The share of prompts with at least one failed attempt."""
    by_prompt: dict[str, bool] = {}
    for row in rows:
        by_prompt[row["id"]] = by_prompt.get(row["id"], False) or failed(row)
    return rate(sum(by_prompt.values()), len(by_prompt))
