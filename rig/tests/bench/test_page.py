"""The page and its plots: every kind is drawn, whatever is in it, and nothing in it runs or is fetched."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from rig.bench.axis import axis_of, short
from rig.bench.frame import Bench, Finding, Plot, Series, Target
from rig.bench.page import publish, render, slug
from rig.bench.svg import draw

LINES = Plot(
    "Cases a minute",
    "guests",
    "cases a minute",
    (
        Series("measured", ((1, 300.0, 280.0, 310.0), (2, 480.0, 470.0, 500.0), (4, 490.0, None, None))),
        Series("ideal", ((1, 300.0, None, None), (2, 600.0, None, None))),
    ),
)
BARS = Plot(
    "Where it goes",
    "part",
    "seconds",
    (Series("restore", (("load <state>", 0.05, 0.04, 0.08), ("ssh", 0.3, None, None))),),
)
LOG = Plot(
    "From boot", "way", "s", (Series("all", (("cold", 12.0, 11.0, 14.0), ("restore", 0.1, 0.09, 0.2))),), log_y=True
)
LOG_LINES = Plot(
    "Spread", "run", "%", (Series("wall", ((1, 60.0, 0.0, None), (2, 0.3, None, None), (3, 0.0, None, None))),), True
)
FLAT = Plot("One point", "n", "MiB", (Series("one", ((1, 5.0, 5.0, 5.0),)),))
EMPTY = Plot("None", "n", "MiB", (Series("one", ((1, math.nan, None, None),)),))
PLOTS = (LINES, BARS, LOG, LOG_LINES, FLAT, EMPTY)
HOST = {"time": "2026-01-02T03:04:05+0000", "load": 0.1, "cpu": "<b>fast</b>"}
FINDING = Finding(
    ("what", "how much"),
    [("a <thing>", "1 s")],
    ["a note"],
    targets=[
        Target("boot", "at most 1 s", "9 s", met=False, why="nine times <too> slow"),
        Target("x", "y", "z", met=True),
    ],
    plots=list(PLOTS),
)
BENCH = Bench("startup", "from cold and warm", lambda bed: FINDING)


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.title)
@pytest.mark.parametrize("alone", [True, False])
def test_every_plot_is_well_formed_and_within_its_frame(plot, alone):
    root = ET.fromstring(draw(plot, alone=alone))
    width, height = (float(part) for part in root.attrib["viewBox"].split()[2:])
    for part in root.iter():
        for name, value in part.attrib.items():
            if name in {"x", "x1", "x2", "cx"}:
                assert 0 <= float(value) <= width, (part.tag, name, value)
            elif name in {"y", "y1", "y2", "cy"}:
                assert 0 <= float(value) <= height, (part.tag, name, value)


def shapes(plot, tag):
    return [part for part in ET.fromstring(draw(plot)).iter() if part.tag == tag]


def test_lines_have_their_points_and_errors():
    assert len(shapes(LINES, "circle")) == 3 + 1  # the legend's
    assert len(shapes(LINES, "rect")) == 2 + 1
    errors = [line for line in shapes(LINES, "line") if line.get("class") == "error"]
    assert len(errors) == 2 * 3  # each with its two caps
    points = shapes(LINES, "circle")[1:]
    heights = [float(point.get("cy")) for point in points]
    assert heights == sorted(heights, reverse=True)  # more is further up


def test_bars_are_as_long_as_their_values():
    first, second = (float(bar.get("width")) for bar in shapes(BARS, "rect"))
    assert second / first == pytest.approx(0.3 / 0.05, rel=0.02)
    cold, restore = (float(bar.get("width")) for bar in shapes(LOG, "rect"))
    assert 1 < restore < cold


def test_a_value_without_a_place_is_left_out():
    assert len(shapes(LOG_LINES, "circle")) == 2
    assert "nothing was measured" in draw(EMPTY)


def test_a_file_of_its_own_brings_its_colours():
    alone, within = draw(BARS, alone=True), draw(BARS)
    assert "prefers-color-scheme: dark" in alone and "Where it goes" in alone
    assert "<style>" not in within
    assert "load &lt;state&gt;" in within


def test_the_page_shows_all_and_trusts_nothing(tmp_path):
    page = publish(tmp_path, (BENCH, Bench("other", "did not run", BENCH.run)), {"startup": FINDING}, HOST)
    text = page.read_text()
    assert "default-src 'none'" in text and "<script" not in text and "http-equiv" in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    for words in ("1 of 2 targets met", "a note", "a &lt;thing&gt;", "nine times &lt;too&gt; slow", "&lt;b&gt;fast"):
        assert words in text
    assert text.count("<svg") == len(PLOTS)
    assert "did not run" not in text
    files = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert files == sorted(f"startup-{slug(plot.title)}.svg" for plot in PLOTS)


def test_a_page_without_targets():
    text = render((BENCH,), {"startup": Finding(("a",))}, HOST)
    assert "targets met" not in text and 'id="targets"' not in text


@pytest.mark.parametrize(
    ("least", "greatest", "low", "high"),
    [(0.1, 10, 0, 10.6), (9, 10, 8.94, 10.06), (5, 5, 4.75, 5.25), (0, 0, 0, 1), (-2, 2, -2.24, 2.24)],
)
def test_an_axis_holds_its_values(least, greatest, low, high):
    axis = axis_of(least, greatest)
    assert [axis.low, axis.high] == pytest.approx([low, high])
    assert axis.marks() and all(0 <= axis.at(mark) <= 1 for mark in axis.marks())


def test_a_logarithmic_axis():
    axis = axis_of(0.1, 1000, log=True)
    assert axis.marks() == pytest.approx([0.1, 1, 10, 100, 1000])
    assert axis.at(10) == pytest.approx(0.5)
    assert len(axis_of(2, 9, log=True).marks()) >= 2


def test_short_numbers():
    assert [short(value) for value in (0, 0.25, 12.5, 1200, 0.00123, -3.0, 300)] == [
        "0",
        "0.25",
        "12.5",
        "1200",
        "0.00123",
        "-3",
        "300",
    ]
