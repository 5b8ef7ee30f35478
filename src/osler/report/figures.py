"""The page's figures: each drawn twice, for wide and for narrow screens, so that text stays readable on both."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from osler.report.fields import Interval
from osler.report.format import count, many, percent, percent_interval, rate, words
from osler.report.plot import Labels
from osler.report.plot_bars import Band, Bar, Segment, flow_bands, stacked_bars
from osler.report.plot_lines import Axes, Points, Series, line_plot, thin
from osler.report.plot_whiskers import DotLook, Group, Mark, MarkLook, Whisker, whiskers
from osler.report.read_data import CollectedSource, Curated, Trained
from osler.report.read_exam import Score
from osler.report.read_redteam import RATES, Redteamed
from osler.report.tables_exam import RATE_NAMES

WIDE_PX = 848
NARROW_PX = 344

_N_TONES = 8
"""Reasons with a colour of their own; the rest share one, and all stand in the table."""
_MARK_LOOKS: tuple[MarkLook, ...] = ("dotted", "dashed", "solid")


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture in two widths."""

    name: str
    caption: str
    wide: str
    narrow: str


def flow_figure(collected: tuple[CollectedSource, ...] | None, curated: Curated | None) -> Figure:
    """What became of each source's rows."""
    bars = _flow_bars(collected, curated)
    words_of_bars = "; ".join(
        f"{bar.label}: "
        + ", ".join(f"{segment.name} {count(segment.value)}" for segment in bar.segments if segment.value)
        for bar in bars
    )
    caption = (
        "What became of the rows of each source, as shares of that source. Reasons beyond the eight most frequent are "
        "drawn together; the tables hold the numbers."
    )
    return _figure(
        "flow",
        "Kept, dropped and set aside by source",
        words_of_bars,
        caption,
        lambda labels, width: stacked_bars(bars, labels, width),
    )


def steps_figure(curated: Curated) -> Figure:
    """Records by source through the steps that dropped any."""
    flow = curated.profile.child("flow")
    steps = flow.texts("steps")
    sources = {
        row.text("source"): (row.count("read"), *map(int, row.numbers("after"))) for row in flow.children("sources")
    }
    left = [sum(values) for values in zip(*sources.values(), strict=True)]
    shown = [0, *(i for i in range(1, len(left)) if left[i] != left[i - 1])]
    columns = ["read", *(words(steps[i - 1]) for i in shown[1:])] if len(shown) > 1 else ["read", "kept"]
    picked = {
        name: tuple(values[i] for i in (shown if len(shown) > 1 else (0, -1))) for name, values in sources.items()
    }
    ordered = sorted(picked, key=lambda name: (-picked[name][0], name))
    bands = [
        Band(name, "p-kept" if i == 0 else f"p-part-{i}", picked[name])
        for i, name in enumerate(ordered[: _N_TONES + 1])
    ]
    if rest := ordered[_N_TONES + 1 :]:
        sums = tuple(sum(values) for values in zip(*(picked[name] for name in rest), strict=True))
        bands.append(Band(many(len(rest), "other source", "other sources"), "p-rest", sums))
    told = "; ".join(f"{band.name}: {', '.join(map(count, band.values))}" for band in bands)
    caption = "Records by source: those read, and those left after each step that dropped any. curate/profile.json holds the numbers."
    return _figure(
        "steps",
        "Records through the steps",
        f"{', '.join(columns)}. {told}",
        caption,
        lambda labels, width: flow_bands(columns, bands, labels, width),
    )


def loss_figure(trained: Trained) -> Figure:
    """The loss over the steps."""
    axes = Axes("step", "loss (nats per token)")
    caption = "Loss over the steps of training, with the highest and the lowest training loss."
    if len(trained.losses) > WIDE_PX:
        caption += f" Of the {count(len(trained.losses))} points, neighbours are drawn by their lowest and highest."

    def draw(labels: Labels, width: float) -> str:
        # More points than pixels would draw a band.
        losses = thin(trained.losses, int(width))
        series = (Series("training loss", losses, "line"), Series("validation loss", trained.eval_losses, "dots"))
        return line_plot(series, axes, labels, width)

    told = [_told("training loss", trained.losses), _told("validation loss", trained.eval_losses)]
    return _figure("loss", "Training and validation loss", "; ".join(filter(None, told)), caption, draw)


def scores_figure(scores: tuple[Score, ...]) -> Figure:
    """Accuracy with intervals beside baselines and people."""
    baselines = list(dict.fromkeys(name for one in scores for name in one.baselines))
    looks = {name: _MARK_LOOKS[min(i, len(_MARK_LOOKS) - 1)] for i, name in enumerate(baselines)}
    groups = []
    for benchmark in dict.fromkeys(one.benchmark for one in scores):
        rows = [one for one in scores if one.benchmark == benchmark]
        ns = " and ".join(dict.fromkeys(count(one.n) for one in rows))
        groups.append(Group(benchmark, f"n = {ns}", tuple(_score_rows(rows)), tuple(_marks(rows[0], looks))))
    caption = (
        "Accuracy with 95 % intervals (dots and whiskers), beside rules that read no question and, where known, people."
    )
    return _whiskers("scores", "Accuracy by benchmark", groups, caption)


def reliability_figures(scores: tuple[Score, ...]) -> list[Figure]:
    """For each benchmark whether answers are right as often as the model is sure of them."""
    found: list[Figure] = []
    for benchmark in dict.fromkeys(one.benchmark for one in scores if one.reliability):
        rows = [one for one in scores if one.benchmark == benchmark and one.reliability]
        bins = sorted({part.name for one in rows for part in one.reliability})
        groups = [_reliability_group(rows, name) for name in bins]
        errors = ", ".join(f"{one.model} {one.ece:.3f}" for one in rows if one.ece is not None)
        caption = (
            f"{benchmark}: share right (dots, 95 % intervals) among answers of like confidence; the diamond is their mean confidence. "
            f"Expected calibration error: {errors}."
        )
        name = f"reliability-{len(found) + 1}"
        found.append(_whiskers(name, f"Calibration on {benchmark}", groups, caption, "confidence "))
    return found


def _reliability_group(scores: list[Score], name: str) -> Group:
    rows = [
        replace(_share_right(one.model, part.accuracy, part.ci95, part.n, number), target=part.confidence)
        for number, one in enumerate(scores)
        for part in one.reliability
        if part.name == name
    ]
    return Group(name, "", tuple(rows))


def rates_figure(redteamed: Redteamed) -> Figure:
    """The four ways to fail, bare and guarded."""
    groups = []
    for name in RATES:
        rows = []
        for i, arm in enumerate(redteamed.arms):
            found = arm.rates.get(name)
            if found is not None and found.n:
                ci95 = found.ci95
                told = f"{arm.arm}: {rate(found.k, found.n, *ci95)}"
                rows.append(Whisker(arm.arm, found.k / found.n, *ci95, _look(i), told))
        groups.append(Group(RATE_NAMES[name], "", tuple(rows)))
    caption = "How often each arm failed, with 95 % intervals. Less is better in every row."
    return _whiskers("rates", "Red team: failures by arm", groups, caption)


def _whiskers(name: str, title: str, groups: list[Group], caption: str, kind: str = "") -> Figure:
    """Groups of measured shares; `kind` stands before a group's label for those who cannot see it."""
    told = "; ".join(f"{kind}{group.label}, {row.words}" for group in groups for row in group.rows)
    return _figure(name, title, told, caption, lambda labels, width: whiskers(groups, labels, width))


def _share_right(model: str, share: float, ci95: Interval, n: int, number: int) -> Whisker:
    told = f"{model}: {percent(share)} ({percent_interval(*ci95)}), n = {count(n)}"
    return Whisker(model, share, *ci95, _look(number), told)


def _figure(name: str, title: str, description: str, caption: str, draw: Callable[[Labels, float], str]) -> Figure:
    wide = draw(Labels(f"plot-{name}-wide", title, description), WIDE_PX)
    narrow = draw(Labels(f"plot-{name}-narrow", title, description), NARROW_PX)
    return Figure(f"plot-{name}", caption, wide, narrow)


def _told(name: str, points: Points) -> str:
    if not points:
        return ""
    (first_step, first), (last_step, last) = points[0], points[-1]
    n_points = many(len(points), "point", "points")
    return f"{name}: {n_points}, {first:.3f} at step {first_step:,.0f}, {last:.3f} at step {last_step:,.0f}"


def _flow_bars(collected: tuple[CollectedSource, ...] | None, curated: Curated | None) -> list[Bar]:
    kept = "kept" if curated else "records"
    parts: dict[str, Counter[str]] = {}
    for source in curated.sources if curated else ():
        dropped = {f"dropped: {words(reason)}": n for reason, n in source.dropped.items()}
        parts[source.source] = Counter({kept: source.kept, **dropped})
    for one in collected or ():
        aside = {f"set aside: {words(reason)}": n for reason, n in one.set_aside.items()}
        parts.setdefault(one.source, Counter()).update(aside if curated else {kept: one.records, **aside})
    totals = sum(parts.values(), Counter[str]())
    reasons = sorted((name for name in totals if name != kept), key=lambda name: (-totals[name], name))[:_N_TONES]
    tones = {kept: "p-kept", **{name: f"p-part-{i}" for i, name in enumerate(reasons, start=1)}}
    return [_flow_bar(source, counts, kept, tones) for source, counts in parts.items() if counts.total()]


def _flow_bar(source: str, counts: Counter[str], kept: str, tones: Mapping[str, str]) -> Bar:
    total = counts.total()
    named = [Segment(name, counts[name], tone) for name, tone in tones.items()]
    rest = Segment("other reasons", total - sum(segment.value for segment in named), "p-rest")
    note = f"{kept} {count(counts[kept])} of {count(total)} ({percent(counts[kept] / total)})"
    return Bar(source, note, (*named, rest))


def _score_rows(scores: list[Score]) -> list[Whisker]:
    return [
        _share_right(one.model, one.accuracy, one.ci95, one.n, 0 if one.model == "base" else 1)
        for one in scores
        if one.n
    ]


def _marks(score: Score, looks: Mapping[str, MarkLook]) -> list[Mark]:
    marks = [Mark(words(name), value, looks[name]) for name, value in score.baselines.items()]
    if score.human and score.human.accuracy is not None:
        marks.append(Mark("people", score.human.accuracy, "diamond"))
    return marks


def _look(i: int) -> DotLook:
    return "first" if i == 0 else "second"
