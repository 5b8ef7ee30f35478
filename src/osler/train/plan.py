"""What a training run will meet, need and cost, before anything is loaded: no torch, no weights, no GPU.

Reads the recipe, the model's shape and tokenizer files, and the curated rows when the run has them.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from osler.errors import EnvironmentLacks, InputError, Problem
from osler.models.chat import system_prompt_of
from osler.models.config import ModelConfig
from osler.records.io import read_records
from osler.records.render import as_messages
from osler.runs.progress import Progress
from osler.text import did_you_mean
from osler.train.architecture import Architecture, model_folder, parse_architecture, read_architecture
from osler.train.cards import Card, OnCard, Work, known_cards, on_card, what_to_change
from osler.train.config import MachineConfig, TrainConfig
from osler.train.light_tokenizer import LightTokenizer, read_light_tokenizer
from osler.train.memory import Setting
from osler.train.order import Order, OrderOptions, plan_order
from osler.train.scratch import SHAPE, light_scratch_tokenizer
from osler.train.survey import Survey, survey
from osler.train.tokens import BAD_ROWS, LONGEST, Limits

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token lengths of the rows of one source."""

    source: str
    rows: int
    tokens: int
    median: int
    p90: int
    p99: int
    longest: int


@dataclass(frozen=True, slots=True)
class BadRows:
    """Rows of one class."""

    name: str
    rows: int
    decision: str
    """`drop`, `keep`, `missing`, or `rule` for the longest half percent."""
    examples: tuple[str, ...]
    """Ids and figures; never text."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan. Row figures are empty when the run has no curated rows yet."""

    problems: tuple[Problem, ...]
    """Mistakes; training would refuse."""
    rows_read: int
    rows_kept: int
    max_length: int
    lengths: tuple[Lengths, ...]
    bad_rows: tuple[BadRows, ...]
    trained_share: float
    tokens: int
    """Real tokens of all steps."""
    steps: int
    epochs: float
    padding_share: float
    largest_pass: int
    parameters: int
    trainable_parameters: int
    runs: tuple[OnCard, ...]
    """By card; the card asked for alone when one was."""
    changes: tuple[str, ...]
    """What makes it fit the card asked for, when it does not."""

    @property
    def chosen(self) -> OnCard | None:
        """The card asked for, or the smallest that fits, or the largest."""
        fitting = [run for run in self.runs if run.fits]
        return fitting[0] if fitting else self.runs[-1] if self.runs else None

    def to_dict(self) -> dict[str, Any]:
        """The machine format of `osler plan --json`."""
        run = self.chosen
        memory = asdict(run.memory) if run else {}
        rest = {name: value for name, value in asdict(self).items() if name != "runs"}
        cards = [
            {
                "card": one.card.name,
                "fits": one.fits,
                "checkpointing": one.setting.checkpointing,
                "total_bytes": one.memory.total_bytes,
                "hours": one.hours,
                "usd": one.usd,
                "price_source": one.card.source,
            }
            for one in self.runs
        ]
        facts = {"flops": run.flops, "fits": run.fits, "card": run.card.name} if run else {}
        return {**memory, **facts, **rest, "cards": cards}


def plan(
    model: ModelConfig,
    config: TrainConfig,
    machine: MachineConfig,
    seed: int,
    files: tuple[Path | None, Path | None],
    progress: Progress,
) -> Plan:
    """Plan a run. Mistakes are gathered, not raised.

    Args:
        files: curated rows to train on and to measure on; None where there are none yet.

    Raises:
        InputError: the rows cannot be read.
    """
    problems: list[Problem] = []
    shape = _shape(model, config, problems)
    cards = _cards(machine, problems)
    rows = files[0]
    found = _survey(rows, model, config, shape, problems, progress) if rows is not None and shape is not None else None
    order = _order(found, config, machine, seed, problems) if found is not None else None
    bad = _bad_rows(found, config, problems) if found is not None else ()
    lengths = found.lengths if found is not None else ()
    largest = order.largest_pass(lengths) if order else config.batch_size * _longest(config, found, shape)
    work = _work(order, lengths, config, _n_lines(files[1], config.evaluation.rows), machine)
    runs: tuple[OnCard, ...] = ()
    changes: tuple[str, ...] = ()
    n_adapter = 0
    if shape is not None and cards:
        n_adapter = _n_adapter(shape, config)
        setting = Setting(
            config.method,
            n_adapter,
            config.dropout > 0,
            largest,
            checkpointing=False,
            cards=machine.cards,
            sharding=machine.sharding,
        )
        runs = tuple(on_card(c, shape, setting, work, machine.price_per_hour, machine.checkpointing) for c in cards)
        if machine.card is not None and not runs[0].fits:
            first = runs[0]
            changes = tuple(
                what_to_change(
                    first,
                    config.batch_size,
                    lambda s: on_card(first.card, shape, s, work, None, "on"),
                )
            )
    n_base = shape.n_linear + shape.n_embedding if shape is not None else 0
    return Plan(
        problems=tuple(problems),
        rows_read=found.n_read if found else 0,
        rows_kept=len(lengths),
        max_length=_longest(config, found, shape),
        lengths=_by_source(found) if found else (),
        bad_rows=bad,
        trained_share=round(found.trained_share, 3) if found else 0.0,
        tokens=work.tokens,
        steps=order.n_steps if order else config.max_steps or 0,
        epochs=round(order.n_rows / len(lengths), 3) if order else config.epochs,
        padding_share=round(order.padding_share(lengths), 4) if order else 0.0,
        largest_pass=largest,
        parameters=n_base,
        trainable_parameters=n_base if config.method == "full" else n_adapter,
        runs=runs,
        changes=changes,
    )


def light_tokenizer_of(model: ModelConfig, rows: Path, prompt: str) -> LightTokenizer:
    """The tokenizer that training on `rows` will use.

    Raises:
        EnvironmentLacks: the base is a hub model that is not on this machine.
    """
    if model.base.startswith("scratch:"):
        texts = (turn.content for record in read_records(rows) for turn in as_messages(record))
        return light_scratch_tokenizer([prompt, *texts])
    folder = model_folder(model.base, model.revision)
    if folder is None:
        raise EnvironmentLacks(
            f"{model.base} is not in the local Hugging Face cache, so its tokens cannot be counted. Download its "
            "tokenizer.json, tokenizer_config.json and config.json, and give their folder as model.base."
        )
    return read_light_tokenizer(folder)


def _shape(model: ModelConfig, config: TrainConfig, problems: list[Problem]) -> Architecture | None:
    try:
        if model.base.startswith("scratch:"):
            shape = parse_architecture(SHAPE, model.base)
        else:
            shape = read_architecture(model.base, model.revision)
        _n_adapter(shape, config)
    except (InputError, EnvironmentLacks) as error:
        problems.append(Problem("train.targets" if "train.targets" in str(error) else "model.base", str(error)))
        return None
    return shape


def _n_adapter(shape: Architecture, config: TrainConfig) -> int:
    return 0 if config.method == "full" else shape.n_adapter(config.rank, config.targets, dora=config.method == "dora")


def _cards(machine: MachineConfig, problems: list[Problem]) -> list[Card]:
    known = known_cards()
    if machine.card is None:
        return list(known.values())
    if machine.card in known:
        return [known[machine.card]]
    hint = did_you_mean(machine.card, known)
    problems.append(Problem("machine.card", f'is "{machine.card}".{hint} Known: {", ".join(known)}'))
    return []


def _survey(
    rows: Path,
    model: ModelConfig,
    config: TrainConfig,
    shape: Architecture,
    problems: list[Problem],
    progress: Progress,
) -> Survey | None:
    prompt = system_prompt_of(model)
    try:
        tokenizer = light_tokenizer_of(model, rows, prompt)
        limits = Limits(config.max_length, shape.read_length)
        return survey(rows, tokenizer, prompt, limits, config.bad_rows.model_dump(), progress)
    except (InputError, EnvironmentLacks) as error:
        problems.append(Problem("model.base", str(error)))
        return None


def _order(
    found: Survey, config: TrainConfig, machine: MachineConfig, seed: int, problems: list[Problem]
) -> Order | None:
    if not found.lengths:
        problems.append(Problem("train", "no row is left to train on"))
        return None
    options = OrderOptions(
        config.batch_size,
        config.accumulate,
        config.epochs,
        config.max_steps,
        packed=config.packing != "by-length",
        pass_tokens=config.batch_size * found.max_length,
        n_processes=machine.cards,
    )
    try:
        return plan_order(found.lengths, options, random.Random(seed))  # noqa: S311 - an order, not a secret
    except InputError as error:
        problems.append(Problem("train.batch_size", str(error)))
        return None


def _longest(config: TrainConfig, found: Survey | None, shape: Architecture | None) -> int:
    if found is not None:
        return found.max_length
    # 2,048 tokens held 99.6 % of the rows of the ten-source mix; the rows themselves decide once they are there.
    return min(config.max_length or 2048, shape.read_length if shape is not None else 2048)


def _work(
    order: Order | None, lengths: Sequence[int], config: TrainConfig, n_validation: int, machine: MachineConfig
) -> Work:
    if order is None or not lengths:
        return Work(0, 0, 0.0, 0)
    tokens = order.tokens_after(lengths)[-1]
    row_tokens = sum(n * n for n in lengths) / sum(lengths)
    passes = sum(len(step[0]) for step in order.steps) * machine.cards
    measurements = 2 + order.n_steps // config.evaluation.every_steps if n_validation else 0
    mean = sum(lengths) / len(lengths)
    return Work(tokens, passes, row_tokens, round(measurements * n_validation * mean))


def _n_lines(path: Path | None, most: int) -> int:
    if path is None or not path.is_file():
        return 0
    with path.open("rb") as stream:
        return min(most, sum(1 for _ in stream))


def _bad_rows(found: Survey, config: TrainConfig, problems: list[Problem]) -> tuple[BadRows, ...]:
    decisions = config.bad_rows.model_dump()
    counts = Counter(fault.reason for fault in found.faults)
    classes = []
    for name in (*BAD_ROWS, LONGEST):
        if not counts[name]:
            continue
        decision = "rule" if name == LONGEST else decisions[name] or "missing"
        shown = [f"{fault.id} ({fault.detail})" for fault in found.faults if fault.reason == name][:_EXAMPLES]
        classes.append(BadRows(name, counts[name], decision, tuple(shown)))
        if decision == "missing":
            problems.append(
                Problem(f"train.bad_rows.{name}", f"{counts[name]:,} rows and no decision; say what becomes of them")
            )
    return tuple(classes)


def _by_source(found: Survey) -> tuple[Lengths, ...]:
    by_source: dict[str, list[int]] = {}
    for source, length in zip(found.sources, found.lengths, strict=True):
        by_source.setdefault(source, []).append(length)
    return tuple(_lengths(source, lengths) for source, lengths in sorted(by_source.items()))


def _lengths(source: str, lengths: list[int]) -> Lengths:
    cuts = quantiles(lengths, n=100, method="inclusive") if len(lengths) > 1 else [float(lengths[0])] * 99
    return Lengths(source, len(lengths), sum(lengths), round(cuts[49]), round(cuts[89]), round(cuts[98]), max(lengths))
