"""The recipe's `train` section, and `machine`: where it runs, which changes nothing of what is learned."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictInt

from osler.runs.section import PositiveInt, Section


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, found {str(value).lower()}")  # noqa: TRY004 - pydantic reports ValueError
    return value


_Number = Annotated[float, BeforeValidator(_not_bool)]

Method = Literal["lora", "qlora", "dora", "full"]
Sharding = Literal["none", "fsdp2", "zero2", "zero3"]


class BadRowsConfig(Section):
    """What becomes of rows that would teach something wrong. null: no decision; training refuses while there are such rows."""

    long_answer: Literal["drop"] | None = Field(
        default=None,
        description="The row exceeds max_length; cut, it would lose the end of its answer. It is never cut.",
    )
    long_prompt: Literal["drop"] | None = Field(
        default=None, description="The question alone fills max_length; cut, nothing of the answer would be left."
    )
    empty_answer: Literal["drop"] | None = Field(
        default=None, description="The assistant says nothing: the model would learn to be silent."
    )
    empty_question: Literal["drop", "keep"] | None = Field(
        default=None, description="The user says nothing: the model would learn to answer without being asked."
    )
    contradictory: Literal["drop", "keep"] | None = Field(
        default=None,
        description="Other rows ask the same with another answer. drop takes out all of them, keep trains on all; "
        "questions with several good answers look like this too.",
    )
    no_end: Literal["drop"] | None = Field(
        default=None,
        description="The chat template puts no end token after the answer, changes the prompt once it is answered, or refuses "
        "turns in this order.",
    )


class EvaluationConfig(Section):
    """The loss on validation rows while training goes on."""

    every_steps: PositiveInt = Field(
        default=100, description="Steps between measurements; the start and the last step always have one."
    )
    rows: Annotated[StrictInt, Field(ge=0, le=512)] = Field(
        default=512, description="Validation rows measured each time, from every source by its share; 0: none."
    )
    patience: PositiveInt | None = Field(
        default=None,
        description="Stop when so many measurements in a row were no better than the best, and keep the best adapter. "
        "null: train to the end and keep the last.",
    )


class TrainConfig(Section):
    """How the model is trained. The defaults are those of a 7B or 8B model; `scratch:tiny` needs a higher learning rate."""

    method: Method = Field(
        default="lora",
        description="lora: low-rank adapters, the base stays as it is. qlora: the same on a base in 4 bits (nf4, double "
        "quantisation), where the memory is not enough for lora. dora: lora with a learned magnitude. full: all weights.",
    )
    targets: Literal["all-linear"] | tuple[str, ...] = Field(
        default="all-linear",
        description="Layers that get an adapter: all-linear (all but the output layer) or a list of last names of modules "
        "(q_proj); a name that fits no module is an error.",
    )
    rank: PositiveInt = Field(default=16, description="Rank of the adapter matrices.")
    alpha: PositiveInt = Field(
        default=32, description="Scale of the adapter; its output is multiplied by alpha / rank."
    )
    dropout: _Number = Field(
        default=0.0, ge=0, lt=1, description="Share of adapter inputs that are zeroed in training."
    )
    learning_rate: _Number = Field(
        default=2e-4,
        gt=0,
        le=1,
        description="Highest learning rate; cosine decay to zero. 1e-4 for 8B instruct models.",
    )
    warmup: _Number = Field(
        default=0.03, ge=0, lt=1, description="Share of the steps in which the learning rate rises."
    )
    epochs: _Number = Field(default=1.0, gt=0, le=100, description="Times that each row is seen.")
    max_steps: PositiveInt | None = Field(
        default=None, description="At most so many steps, also when `epochs` would give more. null: no limit."
    )
    batch_size: PositiveInt = Field(
        default=8,
        description="Rows of one forward pass where they are padded; packed, a pass takes the rows that fit in "
        "batch_size x max_length tokens.",
    )
    accumulate: PositiveInt = Field(
        default=1,
        description="A step learns from batch_size x accumulate rows, on one process or shared by several: the same on "
        "every machine.",
    )
    max_length: PositiveInt | None = Field(
        default=None,
        description="Longest row in tokens; longer rows are set aside, never cut. null: the length that 99.5 % of the rows "
        "do not exceed, and at most what the model can read.",
    )
    packing: Literal["auto", "best-fit", "by-length"] = Field(
        default="auto",
        description="best-fit: the rows of a pass are laid end to end and attention keeps them apart, no padding. by-length: "
        "rows of like length share a padded pass. auto: best-fit where the model's attention can do it.",
    )
    evaluation: EvaluationConfig = Field(default=EvaluationConfig(), description="The loss on validation rows.")
    bad_rows: BadRowsConfig = Field(
        default=BadRowsConfig(), description="Decisions about rows that would teach something wrong."
    )


class MachineConfig(Section):
    """Where a recipe is trained. Nothing here changes what is learned, so a finished stage stays finished."""

    card: str | None = Field(
        default=None, description="Card that `osler plan` reckons with, by its name in the list (h100-80gb). null: all."
    )
    cards: PositiveInt = Field(default=1, description="Cards that train together, over all nodes.")
    price_per_hour: _Number | None = Field(
        default=None, gt=0, description="US dollars for one card and hour. null: that of the list."
    )
    sharding: Sharding = Field(
        default="none",
        description="none: each card holds the whole base (adapters of models that fit one card). fsdp2, zero2, zero3: "
        "weights are spread over the cards; an error where that does not become active.",
    )
    checkpointing: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Recompute activations in the backward pass, which saves memory and costs a third more time. auto: "
        "when the plan says that it does not fit otherwise.",
    )
    save_every_steps: PositiveInt = Field(
        default=50, description="Steps between checkpoints, from which a killed run goes on."
    )
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = Field(
        default=(), description="Where metrics go besides the run folder. Each needs its own package."
    )
