"""A bench's plot as SVG: lines with points and error bars over numbers, bars over names.

The same drawing stands in the page, which lends it its colours, and in a file of its own, which brings them: on a
ground of its own, light or dark as the reader's screen is, so that it can be read wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from rig.bench.axis import Axis, axis_of, short
from rig.bench.frame import Plot, Series

WIDTH = 480
_LEFT, _RIGHT = 56, 16
_EDGE = 20
_LINES_HEIGHT = 210
_CHARACTER = 6.6
"""Pixels that a letter takes at most, on average, in 12 pixels' sans-serif."""
_COLOURS = ("#3f74e0", "#d97a1e", "#2b9c83", "#b8558d", "#8676d8", "#6b8f2e", "#d5694f", "#6f8796")
"""Told apart on a light and on a dark ground; marks differ in shape, too."""
_OWN_STYLE = """
  svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
  .ground { fill: #fff; } text { fill: #5a6576; font-size: 12px; } .title, .name, .value { fill: #1b2330; }
  .title { font-size: 14px; font-weight: 600; } .axis { stroke: #dde2e8; }
  .spread { stroke: #1b2330; stroke-opacity: .65; stroke-width: 1.2; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #191f28; } text { fill: #9aa6b6; } .title, .name, .value { fill: #e3e7ed; }
    .axis { stroke: #2b3441; } .spread { stroke: #e3e7ed; }
  }
"""


@dataclass(frozen=True)
class _Point:
    """One point that can be drawn: its place on the other axis, and the value with its least and greatest."""

    x: float | str
    y: float
    low: float
    high: float

    @property
    def spread(self) -> bool:
        return self.low < self.high


def draw(plot: Plot, *, alone: bool = False) -> str:
    """The picture; `alone` makes it a file of its own, with its title in it."""
    series = [(one.name, _points(one, plot.log_y)) for one in plot.series]
    top = 34 if alone else 4
    parts, height = _legend(plot.series, top)
    by_name = any(isinstance(point.x, str) for _, points in series for point in points)
    if not any(points for _, points in series):
        body, height = [_text(_LEFT, height + 16, "nothing was measured")], height + 24
    elif by_name:
        body, height = _bars(plot, series, height)
    else:
        body, height = _lines(plot, series, height)
    box = f'viewBox="0 0 {WIDTH} {height:.0f}"'
    label = escape(f"{plot.title}: {plot.y} by {plot.x}" if plot.x else f"{plot.title}: {plot.y}", quote=True)
    drawing = "\n".join([*parts, *body])
    if not alone:
        return f'<svg class="plot" {box} role="img" aria-label="{label}">\n{drawing}\n</svg>'
    size = f'width="{WIDTH}" height="{height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} {size} role="img" aria-label="{label}">\n'
        f"<style>{_OWN_STYLE}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{height:.0f}" rx="6"/>\n'
        f"{_text(12, 22, plot.title, kind='title')}\n{drawing}\n</svg>\n"
    )


def _points(series: Series, log: bool) -> list[_Point]:
    """Those that have a place: finite, and above nothing on a logarithmic axis."""
    found = []
    for x, y, low, high in series.points:
        if not math.isfinite(y) or (log and y <= 0) or (isinstance(x, float) and not math.isfinite(x)):
            continue
        ends = [end if end is not None and math.isfinite(end) and (end > 0 or not log) else y for end in (low, high)]
        found.append(_Point(x, y, min(ends[0], y), max(ends[1], y)))
    return found


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str = "axis", colour: str = "") -> str:
    stroke = f' stroke="{colour}" stroke-width="1.5"' if colour else ""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{stroke}/>'


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _mark(x: float, y: float, index: int, words: str = "") -> str:
    """A point: a circle, a square, a diamond or a triangle."""
    shapes = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"',
        f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"',
        f'<path d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5-5z"',
        f'<path d="M{x:.1f} {y - 5:.1f}l5 9h-10z"',
    )
    title = f"<title>{escape(words)}</title>" if words else ""
    return f'{shapes[index % 4]} fill="{_colour(index)}">{title}</{shapes[index % 4][1:].split()[0]}>'


def _legend(series: Sequence[Series], top: float) -> tuple[list[str], float]:
    """Names of the series, where there are several, in as many rows as they need; and where they end."""
    if len(series) < 2:
        return [], top
    parts, x, y = [], 12.0, top + 8
    for index, one in enumerate(series):
        wide = 26 + _CHARACTER * len(one.name)
        if x > 12 and x + wide > WIDTH:
            x, y = 12.0, y + 18
        parts += [_mark(x + 5, y, index), _text(x + 14, y + 4, one.name)]
        x += wide
    return parts, y + 14


def _error(point: _Point, places: Sequence[tuple[float, float]], *, upright: bool) -> list[str]:
    """An error bar with its caps, between two places."""
    if not point.spread:
        return []
    (x1, y1), (x2, y2) = places
    dx, dy = (3.5, 0.0) if upright else (0.0, 3.5)
    caps = [_line(x - dx, y - dy, x + dx, y + dy, "error") for x, y in places]
    return [_line(x1, y1, x2, y2, "error"), *caps]


def _lines(plot: Plot, series: list[tuple[str, list[_Point]]], top: float) -> tuple[list[str], float]:
    points = [point for _, some in series for point in some]
    ends = [end for point in points for end in (point.low, point.high)]
    up = axis_of(min(ends), max(ends), log=plot.log_y)
    xs = sorted({float(point.x) for point in points})
    along = Axis(xs[0] - 0.03 * (xs[-1] - xs[0] or 1), xs[-1] + 0.03 * (xs[-1] - xs[0] or 1))
    top += 22
    bottom = top + _LINES_HEIGHT

    def down(value: float) -> float:
        return bottom - up.at(value) * _LINES_HEIGHT

    def across(value: float | str) -> float:
        return _LEFT + along.at(float(value)) * (WIDTH - _LEFT - _RIGHT)

    parts = [_text(12, top - 10, plot.y)]
    for mark in up.marks():
        parts += [_line(_LEFT, down(mark), WIDTH - _RIGHT, down(mark))]
        parts += [_text(_LEFT - 6, down(mark) + 4, short(mark), anchor="end")]
    for mark in xs if len(xs) <= 10 else along.marks():
        parts += [_text(across(mark), bottom + 18, short(mark), anchor="middle")]
    parts.append(_text((WIDTH + _LEFT - _RIGHT) / 2, bottom + 36, plot.x, anchor="middle"))
    for index, (name, some) in enumerate(series):
        path = "".join(f"{'L' if n else 'M'}{across(p.x):.1f} {down(p.y):.1f}" for n, p in enumerate(some))
        parts.append(f'<path d="{path}" fill="none" stroke="{_colour(index)}" stroke-width="1.8"/>')
        parts.append(f'<g stroke="{_colour(index)}" stroke-width="1.3" stroke-opacity=".75">')
        for point in some:
            x = across(point.x)
            parts += _error(point, [(x, down(point.low)), (x, down(point.high))], upright=True)
        parts.append("</g>")
        for point in some:
            parts.append(_mark(across(point.x), down(point.y), index, _told(name, point)))
    return parts, bottom + 46


def _bars(plot: Plot, series: list[tuple[str, list[_Point]]], top: float) -> tuple[list[str], float]:
    """Lying bars, each under its name, so that names of any length and any number of them can be read."""
    ends = [end for _, some in series for point in some for end in (point.low, point.high)]
    right = axis_of(min(ends), max(ends), log=plot.log_y, from_zero=True)
    names = list(dict.fromkeys(str(point.x) for _, some in series for point in some))
    room = 56

    def across(value: float) -> float:
        return 12 + right.at(value) * (WIDTH - 12 - room)

    bars: list[str] = []
    y = top + 4
    for name in names:
        bars.append(_text(12, y + 12, name, kind="name"))
        y += 17
        for index, (called, some) in enumerate(series):
            for point in (one for one in some if str(one.x) == name):
                start, end = sorted((across(right.base), across(point.y)))
                told = escape(_told(called, point))
                bars += [
                    f'<rect x="{start:.1f}" y="{y:.1f}" width="{max(1.0, end - start):.1f}" height="11" rx="2" '
                    f'fill="{_colour(index)}" fill-opacity=".8"><title>{told}</title></rect>',
                    '<g class="spread">',
                    *_error(point, [(across(point.low), y + 5.5), (across(point.high), y + 5.5)], upright=False),
                    "</g>",
                    _text(max(end, across(point.high)) + 6, y + 10, short(point.y), kind="value"),
                ]
                y += 14
        y += 6
    grid: list[str] = []
    for mark in right.marks():
        # At the left edge half of a centred number would be cut off.
        anchor = "start" if across(mark) < _EDGE else "middle"
        grid += [_line(across(mark), top, across(mark), y), _text(across(mark), y + 14, short(mark), anchor=anchor)]
    return [*grid, *bars, _text(12, y + 32, plot.y)], y + 42


def _told(name: str, point: _Point) -> str:
    spread = f" ({short(point.low)} - {short(point.high)})" if point.spread else ""
    return f"{name}, {point.x if isinstance(point.x, str) else short(point.x)}: {short(point.y)}{spread}"
