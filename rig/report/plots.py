"""Pictures as numbers: where dots, boxes and bars stand. The templates turn them into inline SVG.

Horizontal places are percentages of the picture's width, so that a plot fits any screen while its text keeps its
size; vertical ones are pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rig.report.tally import Timing
from rig.report.words import number, quantity, scale, seconds, size, start_word
from rig.result import GuestRecord, Summary

DOTS = 150
"""Most dots drawn of one metric; more samples are thinned evenly by value, the extremes kept."""
BARS = 12
"""Most guests whose boot is drawn."""
STRIP_TOP, STRIP_HEIGHT = 6, 26
SIZES_HEIGHT = 170
_LEFT, _RIGHT = 2.0, 98.0
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place (percent across, or pixels down), its words, and how SVG aligns them."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Strip:
    """One metric: each sample a dot, a box from the first to the third quartile, the median as a line."""

    dots: list[tuple[float, float]]
    box: tuple[float, float]
    median: float
    interval: tuple[float, float] | None
    ticks: list[Tick]
    shown: int


@dataclass(frozen=True)
class SizePoint:
    """One size's median (percent across, pixels down) and its 5th to 95th percentile."""

    x: float
    y: float
    low: float
    high: float
    label: str
    title: str
    minor: bool


@dataclass(frozen=True)
class Sizes:
    """One metric over sizes, with lines between the medians."""

    points: list[SizePoint]
    lines: list[tuple[float, float, float, float]]
    ticks: list[Tick]
    logarithmic: bool


@dataclass(frozen=True)
class Segment:
    """One stage of a boot on a bar: place, width (percent), name, time."""

    x: float
    width: float
    name: str
    label: str
    hue: int


@dataclass(frozen=True)
class BootBar:
    """One guest's boot, on the scale of the slowest."""

    guest: str
    total: str
    segments: list[Segment]


def steps(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers (1, 2, 5 times a power of ten) between two values, some `about` of them."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low] if math.isfinite(low) else []
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if raw <= factor * power * 1.000001)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)] or [low]


def strip(samples: Sequence[float], summary: Summary, unit: str) -> Strip:
    """The plot of one metric's samples; at least one is needed. Equal samples all stand in the middle."""
    values = np.asarray(samples, dtype=float)
    low, high = summary.minimum, summary.maximum
    if high <= low:
        room = abs(low) * 0.01 or 1.0
        low, high = low - room, high + room

    def across(value: float) -> float:
        return round(_LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT), 2)

    shown = values
    if values.size > DOTS:
        order = np.sort(values)
        shown = order[np.linspace(0, order.size - 1, DOTS).round().astype(int)]
    dots = [
        (across(float(value)), round(STRIP_TOP + STRIP_HEIGHT * (index * _GOLDEN % 1), 1))
        for index, value in enumerate(shown)
    ]
    q1, q3 = (float(quartile) for quartile in np.percentile(values, (25, 75)))
    known = math.isfinite(summary.ci_low)
    divisor, word = scale(summary.median, unit)
    marks = steps(low / divisor, high / divisor)
    ticks = [Tick(across(mark * divisor), _tick_label(mark, marks)) for mark in marks]
    return Strip(
        dots=dots,
        box=(across(q1), across(q3)),
        median=across(summary.median),
        interval=(across(summary.ci_low), across(summary.ci_high)) if known else None,
        ticks=[_anchored(tick, word if tick is ticks[-1] else "") for tick in ticks],
        shown=len(dots),
    )


def _tick_label(mark: float, marks: Sequence[float]) -> str:
    step = marks[1] - marks[0] if len(marks) > 1 else abs(mark)
    digits = min(6, max(0, -math.floor(math.log10(step) + 1e-9))) if step > 0 else 0
    return f"{mark:.{digits}f}"


def _anchored(tick: Tick, unit: str) -> Tick:
    anchor = "start" if tick.at < 6 else "end" if tick.at > 90 else "middle"
    return Tick(tick.at, f"{tick.label} {unit}".strip(), anchor)


def by_size(rows: Sequence[Timing]) -> Sizes:
    """One metric at two or more sizes, sizes evenly spaced in their order; logarithmic where values span 20 times."""
    unit = rows[0].metric.unit
    spans = [np.percentile(row.metric.samples, (5, 95)) for row in rows]
    low = min(float(span[0]) for span in spans)
    high = max(float(span[1]) for span in spans)
    logarithmic = low > 0 and high / low >= 20
    if not logarithmic:
        low, high = min(0.0, low), high if high > min(0.0, low) else low + 1.0

    def place(value: float) -> float:
        return math.log10(max(value, 1e-300)) if logarithmic else value

    bottom, top = place(low), place(high)
    rise = (top - bottom) or 1.0

    def down(value: float) -> float:
        return round(SIZES_HEIGHT - 8 - (place(value) - bottom) / rise * (SIZES_HEIGHT - 20), 1)

    every = max(1, math.ceil(len(rows) / 6))
    points = [
        SizePoint(
            x=round(16 + index * 78 / max(1, len(rows) - 1), 2),
            y=down(row.summary.median),
            low=down(float(span[0])),
            high=down(float(span[1])),
            label=size(row.metric.bytes or 0),
            title=f"{size(row.metric.bytes or 0)}: median {quantity(row.summary.median, unit)}",
            minor=index % every != 0,
        )
        for index, (row, span) in enumerate(zip(rows, spans, strict=True))
    ]
    marks = _decades(low, high) if logarithmic else steps(low, high)
    return Sizes(
        points=points,
        lines=[(a.x, a.y, b.x, b.y) for a, b in itertools.pairwise(points)],
        ticks=[Tick(down(mark), _short(mark, unit)) for mark in marks],
        logarithmic=logarithmic,
    )


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / 6))
    return [10.0**power for power in range(first, last + 1, every)] or [low, high]


def _short(value: float, unit: str) -> str:
    divisor, word = scale(value, unit)
    shown = value / divisor
    return f"{shown:.0f} {word}" if shown == round(shown) else f"{number(shown)} {word}"


def boot_bars(guests: Sequence[GuestRecord]) -> list[BootBar]:
    """One bar for each guest whose boot has stages, of many for the slowest; a stage keeps its colour over all bars."""
    booted = [guest for guest in guests if guest.stages]
    if len(booted) > BARS:
        slowest = sorted(booted, key=lambda guest: guest.boot_seconds, reverse=True)[:BARS]
        booted = [guest for guest in booted if guest in slowest]
    longest = max((guest.boot_seconds for guest in booted), default=0.0) or 1.0
    hues = {name: place % 8 for place, name in enumerate(dict.fromkeys(s.name for g in booted for s in g.stages))}
    bars = []
    for guest in booted:
        at, segments = 0.0, []
        for stage in guest.stages:
            width = stage.seconds / longest * 100
            segments.append(
                Segment(round(at, 2), round(width, 2), stage.name, seconds(stage.seconds), hues[stage.name])
            )
            at += width
        bars.append(BootBar(guest.id, f"{start_word(guest)} in {seconds(guest.boot_seconds)}", segments))
    return bars
