from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.report import plots
from rig.report.tally import Timing
from rig.result import StageTime, summarize
from rig.tests.result import make

FINITE = st.floats(-1e15, 1e15)


def strip(samples: list[float], unit: str = "ns") -> plots.Strip:
    return plots.strip(samples, summarize(samples), unit)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (62, 88, [65, 70, 75, 80, 85]),
        (0.61, 0.7, [0.62, 0.64, 0.66, 0.68, 0.7]),
        (5, 5, [5]),
    ],
)
def test_marks_stand_at_round_numbers(low: float, high: float, marks: list[float]) -> None:
    assert plots.steps(low, high) == pytest.approx(marks)


@settings(deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=40))
def test_everything_stays_in_the_picture(samples: list[float]) -> None:
    plot = strip(samples)
    places = (
        [x for x, _ in plot.dots] + list(plot.box) + [plot.median, *(plot.interval or ())] + [t.at for t in plot.ticks]
    )
    assert all(0 <= place <= 100 for place in places)
    assert all(plots.STRIP_TOP <= y <= plots.STRIP_TOP + plots.STRIP_HEIGHT for _, y in plot.dots)
    assert plot.ticks
    assert plot.shown == len(samples)


def test_dots_stand_by_value() -> None:
    plot = strip([10.0, 20.0, 30.0])
    assert [x for x, _ in plot.dots] == [2.0, 50.0, 98.0]
    assert plot.median == 50.0
    assert plot.interval is None


def test_equal_samples_stand_in_the_middle() -> None:
    assert {x for x, _ in strip([7.0] * 9).dots} == {50.0}
    assert {x for x, _ in strip([0.0] * 9).dots} == {50.0}


def test_many_samples_are_thinned_and_the_extremes_kept() -> None:
    plot = strip([float(n) for n in range(5000)])
    assert plot.shown == len(plot.dots) == plots.DOTS
    assert (min(plot.dots)[0], max(plot.dots)[0]) == (2.0, 98.0)


def test_the_axis_names_its_unit_once() -> None:
    labels = [tick.label for tick in strip([62_000.0, 88_000.0]).ticks]
    assert labels == ["65", "70", "75", "80", "85 µs"]


def rows(pairs: dict[int, list[float]], unit: str = "B/s") -> list[Timing]:
    found = []
    for count, samples in pairs.items():
        metric = make.metric(*samples, bytes=count, unit=unit)
        found.append(Timing(make.case(), metric, summarize(samples)))
    return found


def test_sizes_rise_with_their_medians() -> None:
    plot = plots.by_size(rows({1: [1e5, 1.1e5], 64: [5e6, 6e6], 4096: [9e7, 1e8]}))
    assert plot.logarithmic
    assert [point.label for point in plot.points] == ["1 B", "64 B", "4 KiB"]
    heights = [point.y for point in plot.points]
    assert heights == sorted(heights, reverse=True)
    assert all(point.high <= point.y <= point.low for point in plot.points)
    assert [tick.label for tick in plot.ticks] == ["1 MB/s", "10 MB/s"]
    assert len(plot.lines) == 2


def test_close_values_are_drawn_from_zero() -> None:
    plot = plots.by_size(rows({1: [100.0], 2: [200.0]}, "ns"))
    assert not plot.logarithmic
    assert plot.ticks[0].label == "0 ns"


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 1 << 40), st.lists(FINITE, min_size=1, max_size=5), min_size=1, max_size=30))
def test_any_sizes_can_be_drawn(pairs: dict[int, list[float]]) -> None:
    plot = plots.by_size(rows(pairs))
    assert all(0 <= p.x <= 100 and -1 <= p.y <= plots.SIZES_HEIGHT + 1 and math.isfinite(p.low) for p in plot.points)
    assert 1 <= sum(not point.minor for point in plot.points) <= 6


def test_boot_bars_share_one_scale_and_their_colours() -> None:
    def stages(**seconds: float) -> tuple[StageTime, ...]:
        return tuple(StageTime(name=name, seconds=spent) for name, spent in seconds.items())

    slow, fast = plots.boot_bars(
        [
            make.guest("a", stages=stages(firmware=5, kernel=15)),
            make.guest("none"),
            make.guest("b", stages=stages(kernel=10)),
        ]
    )
    assert [(s.x, s.width) for s in slow.segments] == [(0.0, 25.0), (25.0, 75.0)]
    assert [(s.x, s.width) for s in fast.segments] == [(0.0, 50.0)]
    assert slow.segments[1].hue == fast.segments[0].hue != slow.segments[0].hue
    assert slow.total == "booted in 20.0 s"


def test_a_boot_of_no_time_does_not_divide() -> None:
    (bar,) = plots.boot_bars([make.guest(stages=(StageTime(name="ssh", seconds=0),), start="warm")])
    assert (bar.segments[0].width, bar.total) == (0.0, "restored in 0.00 s")


def test_of_many_guests_the_slowest_boots_are_drawn_in_their_order() -> None:
    many = [make.guest(f"g{n}", stages=(StageTime(name="ssh", seconds=n % 17 + 1),)) for n in range(60)]
    bars = plots.boot_bars(many)
    assert len(bars) == plots.BARS
    assert [bar.guest for bar in bars] == sorted((bar.guest for bar in bars), key=lambda name: int(name[1:]))
    assert {"g16", "g33", "g50"} <= {bar.guest for bar in bars}
