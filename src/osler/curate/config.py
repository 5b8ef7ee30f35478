"""The options of curation, one small class a step."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, ValidationInfo, field_validator, model_validator

from osler.curate.language import Language
from osler.runs.section import PositiveInt, Section, Share, seen_from_recipe

Agreement = Literal["medical", "text"]
"""What near copies must agree on to be dropped: focus, numbers and negations, or nothing beyond their likeness."""
EngineName = Literal["local", "ray"]

_Count = Annotated[StrictInt, Field(ge=0)]


class CleanConfig(Section):
    """Mending text without changing what it says."""

    enabled: StrictBool = Field(default=True, description="Clean the text of every record.")
    mojibake: StrictBool = Field(
        default=True, description="Mend text that was decoded with the wrong encoding, only where it is certain."
    )
    unit_spacing: StrictBool = Field(
        default=True, description="Write '500 mg' for '500mg'; letters inside words stay together."
    )
    strip_markup: StrictBool = Field(
        default=True, description="Turn HTML entities into characters and take out HTML tags."
    )
    source_marks: StrictBool = Field(
        default=True,
        description="Mend what publishers left in their texts: 'What is (are) Gout ?', frequency tables pasted into answers.",
    )
    lost_letters: tuple[str, ...] = Field(
        default=("medmcqa",),
        description="Sources whose files lost the letters 'rt' ('aery', 'hea'); mended from a list of words, where certain.",
    )


class DeidentifyConfig(Section):
    """Replacing identifiers of patients."""

    enabled: StrictBool = Field(
        default=True, description="Replace names, dates, numbers and addresses of people by tags such as [NAME]."
    )


class FilterConfig(Section):
    """Which records may become training material."""

    min_answer_chars: _Count | dict[str, _Count] = Field(
        default=10,
        description="Shortest answer in characters, or the shortest for each source or task named (10 for the others). Options of "
        "choice, classify and yesno records are exempt: 'Zinc' is an answer.",
    )
    max_answer_chars: dict[str, PositiveInt] = Field(
        default_factory=dict,
        description="Longest answer in characters for each source or task named (a source's own limit goes before its task's). "
        "Empty by default: one limit for all sources removes the fullest answers (1,500 characters would drop 28 % of MedQuAD).",
    )
    max_answer_tokens: dict[str, PositiveInt] = Field(
        default_factory=dict, description="Longest answer in tokens for each source or task named; needs tokenizer."
    )
    tokenizer: str | None = Field(
        default=None,
        description="tokenizer.json of the model to be trained, which max_answer_tokens counts with. A relative path starts at "
        "the recipe's folder. Training sets rows aside that are too long as a whole; this limit has a reason in dropped.jsonl.",
    )
    min_question_chars: _Count = Field(default=3, description="Shortest question in characters.")
    max_answer_chars_else: PositiveInt | None = Field(
        default=None,
        description="Longest answer in characters for the sources and tasks not named in max_answer_chars. Guides recommend 1500; "
        "counts.json says under 'outside_guide_lengths' what that would cost each source.",
    )
    languages: tuple[Language, ...] = Field(
        default=(),
        description="Languages to keep (ar, de, en, es, fr, hi, it, ja, ko, nl, pt, ru, zh); records whose language cannot be "
        "told stay. Empty: all languages.",
    )
    drop_key_conflicts: StrictBool = Field(
        default=True, description="Drop records whose last turn gives another option than their key."
    )
    drop_refusals: StrictBool = Field(
        default=False,
        description="Drop short replies that only refuse. Off by default: in safety sets the refusals are what is taught.",
    )
    drop_blocked: StrictBool = Field(
        default=False,
        description="Drop answers that the guard's policy would not let a model say: doses for the reader, diagnoses with "
        "certainty, advice to stop a medicine. Off by default: some sets are written so throughout, and need an eye.",
    )
    drop_contacts: StrictBool = Field(
        default=False,
        description="Drop answers with a phone number or an e-mail address of a person, which de-identification would replace.",
    )
    drop_cut_answers: StrictBool = Field(
        default=True, description="Drop answers that end in mid-sentence ('... and the')."
    )
    cut_at_chars: dict[str, PositiveInt] = Field(
        default_factory=dict,
        description="Length in characters at which a source is known to cut its answers; those within 2 % of it that end "
        "without a mark are dropped too. Empty by default: lists end without marks.",
    )
    max_repeated_share: Share = Field(
        default=0.75,
        description="Largest share of an answer's runs of eight words that may have stood in it before (0 to 1).",
    )
    keep_published_splits: StrictBool = Field(
        default=False,
        description="Keep records of published validation and test splits, in the split of that name. Otherwise they are "
        "dropped: they are for examination, not for training.",
    )

    @field_validator("tokenizer", mode="after")
    @classmethod
    def _existing_file(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        path = seen_from_recipe(value, info)
        if not path.is_file():
            raise ValueError(f"there is no file {str(path)!r}; give the tokenizer.json of the model to be trained")
        return str(path.resolve())

    @model_validator(mode="after")
    def _tokens_can_be_counted(self) -> Self:
        if self.max_answer_tokens and self.tokenizer is None:
            raise ValueError("max_answer_tokens needs tokenizer: the number of tokens depends on the model")
        return self


class DedupeConfig(Section):
    """Finding copies and near copies (MinHash, every pair verified by its true Jaccard similarity)."""

    near_threshold: Annotated[float, Field(ge=0.5, le=1)] = Field(
        default=0.8, description="Jaccard similarity of word shingles from which two records are near copies."
    )
    shingle_words: Annotated[StrictInt, Field(ge=1, le=20)] = Field(default=5, description="Words in a shingle.")
    permutations: Annotated[StrictInt, Field(ge=16, le=512, multiple_of=16)] = Field(
        default=128,
        description="Hashes in a MinHash signature; more find more pairs near the threshold and take longer.",
    )
    agreement: Agreement = Field(
        default="medical",
        description="What near copies must agree on to be dropped. medical: subject, numbers, negations and sides; the others "
        "stay, in one group. text: nothing more, which drops rare diseases described by one template.",
    )


class DecontaminateConfig(Section):
    """Keeping benchmark text out of the training set."""

    enabled: StrictBool = Field(default=True, description="Drop records that hold text of a benchmark of this recipe.")
    ngram_words: Annotated[StrictInt, Field(ge=3, le=20)] = Field(
        default=8, description="Words in a run that counts as copied."
    )
    coverage: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2, description="Share of a benchmark item's runs of words found in a record from which it is dropped."
    )


class MixConfig(Section):
    """How much of each source."""

    caps: dict[str, PositiveInt] = Field(
        default_factory=dict, description="Most records of each source named; a source not named is not limited."
    )
    max_records: PositiveInt | None = Field(
        default=None, description="Most records in all, after the caps; null: no limit."
    )
    shares: dict[str, Share] = Field(
        default_factory=dict,
        description="Share of the mix for each source named (0 to 1); those not named fill the rest. The mix has max_records "
        "records, or as many as the shares allow when that is null.",
    )
    upsample: StrictBool = Field(
        default=False,
        description="Repeat records in training where a source has too few for its share. Needs shares and max_records.",
    )

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        total = sum(self.shares.values())
        if total > 1 + 1e-9:
            raise ValueError(f"shares sum to {total:g}; they may sum to 1 at most. Lower one of them")
        if self.upsample and not (self.shares and self.max_records):
            raise ValueError(
                "upsample needs shares and max_records; without them there is no number to repeat records up to"
            )
        return self


class SplitConfig(Section):
    """Shares of the three splits. Whole leakage groups are assigned, so the shares met are near these, not equal."""

    train: Share = Field(default=0.8, description="Share for training.")
    validation: Share = Field(default=0.1, description="Share for watching the loss.")
    test: Share = Field(default=0.1, description="Share held back.")

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(
                f"train, validation and test sum to {total:g}; they must sum to 1. Change one of them, for example to 0.8, 0.1 and 0.1"
            )
        return self


class CurateConfig(Section):
    """From collected records to the training set."""

    clean: CleanConfig = Field(default_factory=CleanConfig, description="Mending text.")
    deidentify: DeidentifyConfig = Field(default_factory=DeidentifyConfig, description="Identifiers of patients.")
    filter: FilterConfig = Field(default_factory=FilterConfig, description="Lengths and published splits.")
    dedupe: DedupeConfig = Field(default_factory=DedupeConfig, description="Copies and near copies.")
    decontaminate: DecontaminateConfig = Field(default_factory=DecontaminateConfig, description="Benchmark text.")
    mix: MixConfig = Field(default_factory=MixConfig, description="Records of each source.")
    split: SplitConfig = Field(default_factory=SplitConfig, description="Training, validation and test.")
    engine: EngineName = Field(
        default="local",
        description="Where records are worked on: the cores of this machine, or a Ray cluster. The result is the same.",
    )
    processes: PositiveInt | None = Field(
        default=None, description="Processes that work at a time; null: one a core, or all that the cluster has."
    )
    shard_mb: Annotated[float, Field(gt=0)] = Field(
        default=4,
        description="Megabytes of records a process takes at a time, and all that is lost when a run is killed.",
    )


WORKERS_ONLY = frozenset({"engine", "processes", "shard_mb"})
"""Keys of `CurateConfig` that change how fast the result is there, and not the result."""
