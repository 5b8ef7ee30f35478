"""The benchmarks: which source's records they ask, what the model is shown, and what a person scores.

A benchmark holds no loader of its own: it is a way of asking the records of a source. Prompts and continuations are those of
lm-eval 0.4.13 (`medqa_4options`, `medmcqa`, `pubmedqa`, `mmlu_*`, without a chat template), so that scores can be compared with
published ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Literal

from osler.errors import InputError
from osler.evaluate.modes import GENERATE, LETTERS_0SHOT, Mode, parse_mode
from osler.records.record import Record, Task
from osler.text import nearest, sha1_key

SPLITS = ("train", "validation", "test")

Style = Literal["medqa", "medmcqa", "pubmedqa", "mmlu", "mednli", "open"]
"""How the question is laid out; see `items.py`."""


@dataclass(frozen=True, slots=True)
class Human:
    """What people score on the benchmark."""

    accuracy: float
    macro_f1: float | None
    source: str
    """Who was asked, on which items, and where it is published."""


@dataclass(frozen=True, slots=True)
class Shots:
    """Where the examples that go before a question come from."""

    source: str
    row_part: str
    """Stands in the native row of each example; `{subject}` is the question's."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark."""

    name: str
    source: str
    """Name of the source whose records are asked."""
    task: Task
    split: str
    """The published split that scores are published on; used when none is named. Empty: the publisher has none."""
    style: Style
    attribution: str
    labels: tuple[str, ...] = ()
    """The fixed labels of a yes/no benchmark, in the order in which they are asked; empty where options have letters."""
    human: Human | None = None
    n_options: int | None = None
    """Only questions with so many options; None asks all."""
    counts: Callable[[Record], bool] | None = None
    """Only questions of which this holds."""
    shots: Shots | None = None

    @property
    def is_open(self) -> bool:
        """Whether the answer is a text that a judge grades."""
        return self.style == "open"

    @property
    def default_mode(self) -> Mode:
        """The mode when none is named."""
        return GENERATE if self.is_open else LETTERS_0SHOT


@dataclass(frozen=True, slots=True)
class Asked:
    """A benchmark with the split and the mode in which it is asked."""

    benchmark: Benchmark
    split: str
    mode: Mode

    @property
    def score_name(self) -> str:
        """Name of a score (`medqa@letters-0shot`)."""
        return f"{self.benchmark.name}@{self.mode.name}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources whose records are needed."""
        shots = self.benchmark.shots
        examples = (shots.source,) if shots is not None and self.mode.n_shots else ()
        return tuple(dict.fromkeys((self.benchmark.source, *examples)))


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked, and the examples that go before it."""

    records: Sequence[Record]
    shots: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    """Examples by subject; the empty subject's are for all others."""


def parse_benchmark(text: str, own: Sequence[Benchmark] = ()) -> Asked:
    """The benchmark, split and mode of `medqa`, `medqa:validation`, `pubmedqa@generate` or `medqa:train@cot-sc5`.

    Args:
        own: the user's benchmarks.

    Raises:
        InputError: the benchmark, the split or the mode is unknown, or the mode does not fit.
    """
    place, at, mode_name = text.partition("@")
    name, colon, split = place.partition(":")
    benchmark = benchmark_named(name, own)
    if colon and split not in SPLITS:
        raise InputError(f"benchmark {text!r}: unknown split {split!r}{known_names(split, SPLITS)}")
    if colon and benchmark.counts is not None and split != benchmark.split:
        raise InputError(f"benchmark {text!r}: {name} is known for the split {benchmark.split!r} only")
    mode = parse_mode(mode_name) if at else benchmark.default_mode
    if benchmark.is_open and mode.way != "generate":
        raise InputError(f"benchmark {text!r}: open answers have one mode, generate")
    if benchmark.labels and mode.way == "text":
        raise InputError(f"benchmark {text!r}: the words of {benchmark.name} are its options; use letters-0shot")
    if mode.n_shots and benchmark.shots is None:
        raise InputError(f"benchmark {text!r}: {benchmark.name} has no official examples; use letters-0shot")
    return Asked(benchmark, split if colon else benchmark.split, mode)


def benchmark_named(name: str, own: Sequence[Benchmark] = ()) -> Benchmark:
    """The benchmark of this name.

    Raises:
        InputError: there is none; names the nearest.
    """
    known = {benchmark.name: benchmark for benchmark in (*BENCHMARKS, *own)}
    if name not in known:
        raise InputError(f"unknown benchmark {name!r}{known_names(name, tuple(known))}")
    return known[name]


def known_names(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, and all of them."""
    near = nearest(name, known)
    return (f"; did you mean {near!r}?" if near else ".") + f" Known: {', '.join(known)}"


def questions_for(asked: Asked, read: Callable[[str], Iterable[Record]]) -> Questions:
    """The questions of a benchmark, in the publisher's order, with the examples that its mode needs.

    Args:
        read: gives the records of a source by its name.

    Raises:
        InputError: there are none; names the splits that the records have.
    """
    records = records_for(asked, read(asked.benchmark.source))
    return Questions(records, _shots_for(asked, records, read) if asked.mode.n_shots else {})


def records_for(asked: Asked, records: Iterable[Record]) -> list[Record]:
    """The records of the benchmark's source, task and split that it counts and whose answer is known.

    Raises:
        InputError: there are none; names the splits that the records have.
    """
    benchmark = asked.benchmark
    found: list[Record] = []
    splits = set()
    for record in records:
        if _is_of(benchmark, record):
            splits.add(record.split)
            if record.split == asked.split:
                found.append(record)
    if not found:
        seen = ", ".join(repr(name) for name in sorted(splits)) or "none"
        with_options = f" with {benchmark.n_options} options" if benchmark.n_options else ""
        raise InputError(
            f"benchmark {benchmark.name}: source {benchmark.source!r} has no answered {benchmark.task} records{with_options} in "
            f"split {asked.split!r}; splits found: {seen}. Name one as {benchmark.name}:SPLIT, or collect the missing files."
        )
    return found


def _is_of(benchmark: Benchmark, record: Record) -> bool:
    if record.origin.source != benchmark.source or record.task != benchmark.task:
        return False
    if not (record.target if benchmark.is_open else record.answer is not None):
        return False
    if benchmark.n_options is not None and len(record.choices) != benchmark.n_options:
        return False
    return benchmark.counts is None or benchmark.counts(record)


def _shots_for(
    asked: Asked, records: Sequence[Record], read: Callable[[str], Iterable[Record]]
) -> dict[str, list[Record]]:
    shots, n = asked.benchmark.shots, asked.mode.n_shots
    if shots is None:
        return {}
    there = [record for record in read(shots.source) if record.answer is not None]
    subjects = sorted({record.subject for record in records}) if "{subject}" in shots.row_part else [""]
    found = {}
    for subject in subjects:
        part = shots.row_part.format(subject=subject)
        found[subject] = [record for record in there if part in record.origin.row][:n]
        if len(found[subject]) < n:
            raise InputError(
                f"benchmark {asked.score_name}: {len(found[subject])} examples in source {shots.source!r} from a file named "
                f"{part!r}; {n} are needed. Put the publisher's file beside the others, or ask with fewer examples "
                "(letters-0shot)."
            )
    return found


@cache
def _doubted() -> frozenset[str]:
    """Keys (`text.sha1_key`) of the MedQA test questions that most of at least three physicians doubt.

    They found that information is missing or that the key is wrong; Google-Health/med-gemini-medqa-relabelling, CC BY 4.0.
    """
    return frozenset(files("osler.evaluate").joinpath("medqa_doubted.txt").read_text("ascii").split())


def _is_sound(record: Record) -> bool:
    return sha1_key(record.question) not in _doubted()


_MEDQA = "D. Jin et al., What Disease does this Patient Have?, Applied Sciences 11 (2021) 6421. MIT."
_YESNO = ("yes", "no", "maybe")

_MEDQA_4 = Benchmark(
    "medqa",
    "medqa",
    "choice",
    "test",
    "medqa",
    f"MedQA-USMLE, 4 options. {_MEDQA}",
    n_options=4,
    shots=Shots("multimedqa_fewshots", "medqa_fewshots"),
)

BENCHMARKS: tuple[Benchmark, ...] = (
    _MEDQA_4,
    replace(_MEDQA_4, name="medqa-5options", attribution=f"MedQA-USMLE, 5 options. {_MEDQA}", n_options=5),
    replace(
        _MEDQA_4,
        name="medqa-clean",
        attribution="MedQA-USMLE, 4 options, less the questions that most of three or more physicians doubt. "
        f"{_MEDQA} Labels: K. Saab et al., Capabilities of Gemini Models in Medicine, arXiv 2404.18416, CC BY 4.0.",
        counts=_is_sound,
    ),
    Benchmark(
        "medmcqa",
        "medmcqa",
        "choice",
        "validation",
        "medmcqa",
        "MedMCQA. A. Pal, L. K. Umapathi and M. Sankarasubbu, MedMCQA, CHIL 2022, PMLR 174:248. MIT.",
        shots=Shots("multimedqa_fewshots", "medmcqa_fewshots"),
    ),
    Benchmark(
        "pubmedqa",
        "pubmedqa",
        "yesno",
        "test",
        "pubmedqa",
        "PubMedQA, expert-labelled. Q. Jin et al., PubMedQA, EMNLP-IJCNLP 2019, 2567. MIT.",
        labels=_YESNO,
        human=Human(0.780, 0.722, "one annotator on the official 500 test questions (PubMedQA paper and file)"),
        shots=Shots("multimedqa_fewshots", "pubmedqa_fewshots"),
    ),
    Benchmark(
        "mmlu-med",
        "mmlu_med",
        "choice",
        "test",
        "mmlu",
        "MMLU: anatomy, clinical knowledge, college biology, college medicine, medical genetics, professional medicine. "
        "D. Hendrycks et al., ICLR 2021. MIT.",
        shots=Shots("mmlu_med", "{subject}_dev"),
    ),
    Benchmark(
        "medxpertqa",
        "medxpertqa",
        "choice",
        "test",
        "medqa",
        "MedXpertQA, text, 10 options. Y. Zuo et al., MedXpertQA, ICML 2025. MIT.",
    ),
    Benchmark(
        "bioasq",
        "bioasq_taskb",
        "yesno",
        "",
        "pubmedqa",
        "BioASQ task B, yes/no questions with snippets. A. Krithara et al., Scientific Data 10 (2023) 170. CC BY 2.5.",
        labels=("yes", "no"),
    ),
    Benchmark(
        "mednli",
        "mednli",
        "classify",
        "test",
        "mednli",
        "MedNLI. A. Romanov and C. Shivade, EMNLP 2018, 1586. PhysioNet credentialed.",
        labels=("entailment", "neutral", "contradiction"),
    ),
    Benchmark("k-qa", "k_qa", "qa", "test", "open", "K-QA. I. Manes et al., BioNLP 2024. MIT."),
    Benchmark(
        "medication-qa", "medication_qa", "qa", "", "open", "MedicationQA. A. Ben Abacha et al., MEDINFO 2019, 25."
    ),
    Benchmark("liveqa-med", "liveqa_med", "qa", "test", "open", "LiveQA-Med. A. Ben Abacha et al., TREC 2017."),
)
"""All benchmarks that ship, in the order in which reports show them."""
