"""Plots: pure functions from numbers to SVG."""

import math
import re
from itertools import pairwise
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from osler.report.plot import Labels, LegendEntry, legend, nice_ticks, pixels, shorten, tick_texts
from osler.report.plot_bars import Bar, Segment, segment_widths, stacked_bars
from osler.report.plot_lines import Axes, Series, line_plot, thin
from osler.report.plot_whiskers import Group, Mark, Whisker, whiskers

LABELS = Labels("plot-x-wide", "A title", "A description")
AXES = Axes("step", "loss (nats per token)")
FINITE = st.floats(-1e6, 1e6, allow_nan=False)
_PLACES = ("x", "x1", "x2", "cx", "y", "y1", "y2", "cy")


def view_box(svg: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found
    return float(found[1]), float(found[2])


def elements(svg: str, name: str) -> list[Element]:
    return [one for one in fromstring(svg).iter() if one.tag.endswith("}" + name)]


def assert_inside(svg: str) -> None:
    width, height = view_box(svg)
    for one in fromstring(svg).iter():
        for name in _PLACES:
            if name in one.attrib:
                limit = width if "x" in name else height
                assert 0 <= float(one.attrib[name]) <= limit, (one.tag, one.attrib)
    for line in elements(svg, "polyline"):
        for pair in line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


@given(st.lists(FINITE, min_size=2, max_size=2), st.integers(2, 12), st.booleans())
def test_ticks_rise_and_enclose_what_is_shown(ends: list[float], about: int, whole: bool) -> None:
    low, high = sorted(ends)
    ticks = nice_ticks(low, high, about, whole=whole)
    slack = (ticks[1] - ticks[0]) * 1e-6
    assert 2 <= len(ticks) <= 2 * about + 1
    assert all(earlier < later for earlier, later in pairwise(ticks))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack


def test_ticks_of_whole_numbers_are_never_closer_than_one() -> None:
    assert nice_ticks(1, 3, 9, whole=True) == [1, 2, 3]
    assert nice_ticks(5, 5, 4, whole=True) == [5, 6]


def test_tick_texts_have_the_same_number_of_decimals_and_a_real_minus() -> None:
    assert tick_texts([-0.5, 0.0, 0.5]) == ["−0.5", "0.0", "0.5"]
    assert tick_texts([0, 1000, 2000]) == ["0", "1,000", "2,000"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1e4)), max_size=40), st.sampled_from([344, 848]))
@example([(0, 0.0), (1, 5e-324)], 344)
@example([(0, 0.0), (1, 7.6e-171)], 344)
def test_every_point_of_a_curve_lies_inside_the_picture(points: list[tuple[int, float]], width: int) -> None:
    ordered = sorted((float(x), y) for x, y in points)
    assert_inside(
        line_plot([Series("loss", ordered, "line"), Series("other", ordered[::3], "dots")], AXES, LABELS, width)
    )


def test_one_point_is_drawn_as_a_dot() -> None:
    svg = line_plot([Series("training loss", [(1.0, 2.5)], "line")], AXES, LABELS, 848)
    assert_inside(svg)
    assert not elements(svg, "polyline")
    assert elements(svg, "circle")
    assert "max 2.500" in svg
    assert "min" not in svg


def test_equal_values_give_a_level_line() -> None:
    svg = line_plot([Series("training loss", [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)], "line")], AXES, LABELS, 848)
    assert_inside(svg)
    heights = {pair.split(",")[1] for pair in elements(svg, "polyline")[0].attrib["points"].split()}
    assert len(heights) == 1


def test_no_points_say_so() -> None:
    svg = line_plot([Series("training loss", [], "line")], AXES, LABELS, 848)
    assert "No points were recorded." in svg


def test_axes_have_units_and_the_extremes_are_written() -> None:
    svg = line_plot([Series("training loss", [(1.0, 7.25), (2.0, 4.125), (3.0, 5.0)], "line")], AXES, LABELS, 848)
    for words in ("step", "loss (nats per token)", "max 7.250", "min 4.125", "training loss"):
        assert words in svg


def test_a_hole_in_the_numbers_is_refused() -> None:
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="coordinate"):
            pixels(value)


def test_thinning_keeps_ends_and_peaks() -> None:
    points = [(float(i), 1.0) for i in range(10_000)]
    points[4_321] = (4_321.0, 9.0)
    points[7_777] = (7_777.0, 0.1)
    kept = thin(points, 500)
    assert len(kept) <= 502
    assert {points[0], points[-1], points[4_321], points[7_777]} <= set(kept)
    assert kept == sorted(kept)


def test_thinning_leaves_a_short_curve_alone() -> None:
    assert thin([(1.0, 2.0), (2.0, 1.0)], 2) == [(1.0, 2.0), (2.0, 1.0)]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any))
def test_parts_of_a_bar_fill_it_and_none_with_a_value_vanishes(values: list[int]) -> None:
    widths = segment_widths(values, 344)
    assert math.isclose(sum(widths), 344, abs_tol=1e-6)
    assert all(wide >= 1.5 for wide, value in zip(widths, values, strict=True) if value)
    assert all(wide == 0 for wide, value in zip(widths, values, strict=True) if not value)


def test_bars_are_cut_by_share() -> None:
    svg = stacked_bars(
        [Bar("medquad", "kept 3 of 4", (Segment("kept", 3, "p-kept"), Segment("dropped", 1, "p-part-1")))], LABELS, 401
    )
    boxes = [float(box.attrib["width"]) for box in elements(svg, "rect") if float(box.attrib["height"]) == 20]
    assert boxes == [299.0, 99.0]
    assert_inside(svg)
    assert "medquad, dropped: 1 of 4" in svg


def test_a_picture_is_the_same_everywhere() -> None:
    svg = stacked_bars([Bar("medquad", "kept 3 of 4", (Segment("kept", 3, "p-kept"),))], LABELS, 101)
    assert svg.splitlines()[1:8] == [
        '<title id="plot-x-wide-title">A title</title><desc id="plot-x-wide-text">A description</desc>',
        '<g transform="translate(0 0)"><rect x="0" y="3" width="16" height="12" class="p-fill p-kept"/></g>',
        '<text x="22" y="13" class="p-text">kept</text>',
        '<text x="0" y="44" class="p-text p-strong">m…</text>',
        '<text x="100" y="44" class="p-muted p-end">kept 3 of 4</text>',
        '<g><title>medquad, kept: 3 of 3</title><rect x="0" y="50" width="99" height="20" class="p-fill p-kept"/></g>',
        '<line x1="0" x2="100" y1="84" y2="84" class="p-axis"/>',
    ]


def test_a_reason_without_rows_is_not_in_the_legend() -> None:
    svg = stacked_bars([Bar("s", "", (Segment("kept", 3, "p-kept"), Segment("never", 0, "p-part-1")))], LABELS, 400)
    assert "never" not in svg


def test_bars_of_nothing_say_so() -> None:
    assert "No rows were read." in stacked_bars([Bar("s", "", (Segment("kept", 0, "p-kept"),))], LABELS, 400)


@pytest.mark.parametrize("width", [344, 848])
def test_whiskers_reach_from_low_to_high_around_their_dot(width: int) -> None:
    row = Whisker("tuned", 0.25, 0.1, 0.5, "second", "tuned: 25.0 %")
    svg = whiskers([Group("medqa", "n = 40", (row,), (Mark("people", 0.9, "diamond"),))], LABELS, width)
    assert_inside(svg)
    line = next(one for one in elements(svg, "line") if "p-whisker" in one.attrib["class"])
    dot = elements(svg, "circle")[0]
    low, high, middle = float(line.attrib["x1"]), float(line.attrib["x2"]), float(dot.attrib["cx"])
    assert low < middle < high
    assert math.isclose((middle - low) / (high - low), 0.375, abs_tol=0.001)
    assert "people" in svg


def test_whiskers_of_nothing_say_so() -> None:
    assert "Nothing was measured." in whiskers([Group("medqa", "", ())], LABELS, 848)


def test_names_are_escaped() -> None:
    hostile = "<script>&\"'"
    bars = stacked_bars([Bar(hostile, hostile, (Segment(hostile, 1, "p-kept"),))], LABELS, 848)
    rows = whiskers([Group(hostile, hostile, (Whisker(hostile, 0.5, 0.1, 0.9, "first", hostile),))], LABELS, 848)
    for svg in (bars, rows):
        assert "<script" not in svg
        fromstring(svg)


def test_pictures_have_a_title_and_a_description() -> None:
    svg = line_plot([Series("loss", [(1.0, 1.0)], "line")], AXES, LABELS, 848)
    root = fromstring(svg)
    named = {one.attrib.get("id"): one.text for one in root}
    assert root.attrib["role"] == "img"
    assert [named[name] for name in root.attrib["aria-labelledby"].split()] == ["A title", "A description"]


def test_a_legend_wraps_and_cuts_names_that_are_too_long() -> None:
    entries = [LegendEntry("x" * 100, ""), LegendEntry("short", "")]
    drawn, height = legend(entries, 0, 0, 200)
    assert height == 36
    assert "…" in "".join(drawn)
    assert shorten("abc", 100) == "abc"


def test_a_curve_worked_by_hand() -> None:
    svg = line_plot([Series("loss", [(0.0, 4.0), (10.0, 2.0)], "line")], AXES, LABELS, 500)
    width, height = view_box(svg)
    points = [tuple(map(float, pair.split(","))) for pair in elements(svg, "polyline")[0].attrib["points"].split()]
    axis = next(one for one in elements(svg, "line") if one.attrib["class"] == "p-axis")
    assert points[0][0] == float(axis.attrib["x1"])
    assert points[1][0] == float(axis.attrib["x2"])
    # 24 px stay free above and below the curve for its labels.
    frame_height = float(axis.attrib["y1"]) - (18 + 28)
    assert math.isclose(points[1][1] - points[0][1], frame_height - 2 * 24, abs_tol=0.02)
    assert (width, height) == (500, 296)
