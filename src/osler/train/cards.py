"""Cards to train on: whether a run fits, how long it takes there and what that costs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import yaml

from osler.train.architecture import Architecture
from osler.train.memory import GIB, RESERVE, Memory, Setting, dequantise_seconds, flops_per_token, memory_of

_SHARE_OF_PEAK = (0.25, 0.45)
"""Share of a card's peak that training reaches: from careless to well tuned."""


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of card."""

    name: str
    memory_gib: float
    tflops: float
    """Dense, in 16 bits."""
    gb_per_s: float
    usd_per_hour: float | None = None
    source: str = ""
    """Of the price."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done, whatever the card."""

    tokens: int
    """Real tokens of all steps."""
    passes: int
    row_tokens: float
    """Length of the row that a token stands in, as a mean over tokens."""
    evaluated_tokens: int
    """Tokens of all measurements on validation rows."""


@dataclass(frozen=True, slots=True)
class OnCard:
    """A run on one kind of card."""

    card: Card
    setting: Setting
    """With activations recomputed where it does not fit otherwise and the recipe leaves it open."""
    memory: Memory
    fits: bool
    """With 15 % in reserve."""
    flops: float
    hours: tuple[float, float]
    """At 45 % and at 25 % of the card's peak."""
    usd: tuple[float, float] | None


@cache
def known_cards() -> dict[str, Card]:
    """The cards of `cards.yaml`, by name, smallest first."""
    rows = yaml.safe_load(files("osler.train").joinpath("cards.yaml").read_text(encoding="utf-8"))
    return {row["name"]: Card(**row) for row in rows}


def on_card(
    card: Card, model: Architecture, setting: Setting, work: Work, price: float | None, checkpointing: str
) -> OnCard:
    """A run on a card.

    Args:
        checkpointing: `on`, `off`, or `auto`.
    """
    setting = replace(setting, checkpointing=checkpointing == "on")
    if checkpointing == "auto" and not fits(card.memory_gib, memory_of(model, setting)):
        setting = replace(setting, checkpointing=True)
    memory = memory_of(model, setting)
    flops = work.tokens * flops_per_token(model, setting, work.row_tokens)
    flops += work.evaluated_tokens * 2.0 * (model.n_linear + model.vocabulary * model.hidden)
    extra = work.passes * dequantise_seconds(model, card.gb_per_s) if setting.method == "qlora" else 0.0
    slow, fast = ((flops / (card.tflops * 1e12 * share) + extra) / setting.cards / 3600 for share in _SHARE_OF_PEAK)
    price = price if price is not None else card.usd_per_hour
    usd = None if price is None else (fast * price * setting.cards, slow * price * setting.cards)
    return OnCard(card, setting, memory, fits(card.memory_gib, memory), flops, (fast, slow), usd)


def fits(memory_gib: float, memory: Memory) -> bool:
    """Whether a card holds a run with what the formula may be low by in reserve."""
    return memory.total_bytes * RESERVE <= memory_gib * GIB


def what_to_change(run: OnCard, batch_size: int, try_again: Callable[[Setting], OnCard]) -> list[str]:
    """The least changes of a recipe that make a run fit, most welcome first; empty when none does."""
    found = []
    base = replace(run.setting, checkpointing=True)
    four_bits = replace(base, method="qlora")
    if run.setting.method in {"lora", "dora"} and try_again(four_bits).fits:
        found.append("train.method: qlora (the base in 4 bits)")
    for words, setting in (("", base), ("train.method: qlora, ", four_bits)):
        size = batch_size
        while size > 1 and run.setting.method != "full":
            size //= 2
            smaller = replace(setting, positions=-(-run.setting.positions * size // batch_size))
            if try_again(smaller).fits:
                found.append(
                    f"{words}train.batch_size: {size} and train.accumulate {batch_size // size} times as large (the same learning)"
                )
                break
        if found:
            break
    if run.setting.method == "full":
        found.append("train.method: lora")
    for cards in (2, 4, 8, 16, 32, 64):
        if cards > run.setting.cards and try_again(replace(base, cards=cards, sharding="fsdp2")).fits:
            found.append(f"machine.cards: {cards} with machine.sharding: fsdp2")
            break
    larger = [card for card in known_cards().values() if fits(card.memory_gib, run.memory)]
    if larger:
        found.append(f"machine.card: {larger[0].name}")
    return found
