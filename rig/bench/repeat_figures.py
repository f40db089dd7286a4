"""What is made of runs that ought to be equal: how far their medians lie apart, and what a comparison finds in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from rig.bench.repeat_runs import SLOWED, Run, Samples
from rig.result import compare, least_change
from rig.spec import Clock

_EXTRA = re.compile(rf"{SLOWED}\.extra_(\d+)$")
UNCHANGED = f"{SLOWED}.extra_0"


@dataclass(frozen=True)
class Condition:
    """On which clock, on which host."""

    clock: Clock
    loaded: bool

    @property
    def host(self) -> str:
        """In a word."""
        return "loaded" if self.loaded else "idle"

    def __str__(self) -> str:
        return f"{self.clock} clock, {self.host} host"


@dataclass(frozen=True)
class Repetition:
    """The medians of one timing over runs."""

    timing: str
    medians: tuple[float, ...]

    @property
    def middle(self) -> float:
        """Their median."""
        return median(self.medians)

    @property
    def percent(self) -> float:
        """Largest less smallest, in percent of their median."""
        return 100 * (max(self.medians) - min(self.medians)) / self.middle

    @property
    def deviations(self) -> tuple[float, ...]:
        """Of each run from the median of all, in percent."""
        return tuple(100 * (one / self.middle - 1) for one in self.medians)


@dataclass(frozen=True)
class Detection:
    """Comparisons of one run with the next, whose work was slower by so much: in how many that was found."""

    percent: float
    found: int
    of: int

    @property
    def always(self) -> bool:
        """Whether none went unfound."""
        return self.found == self.of > 0


def spreads(runs: Sequence[Run]) -> list[Repetition]:
    """Of each timing that is measured to repeat: the slowed ones only differ from the one that is not."""
    names = [name for name in runs[0] if not (_EXTRA.search(name) and name != UNCHANGED)]
    return [Repetition(name, tuple(median(run[name]) for run in runs)) for name in names]


def _slower(before: Samples, after: Samples, clock: Clock) -> bool:
    return compare(before, after, change_limit=least_change(clock)).verdict == "slower"


def detections(runs: Sequence[Run], clock: Clock) -> list[Detection]:
    """For each share of work more: each run's unchanged work against that in the next run, which is another guest's."""
    found = []
    for name in runs[0]:
        match = _EXTRA.search(name)
        if match and name != UNCHANGED:
            hits = [_slower(before[UNCHANGED], after[name], clock) for before, after in pairwise(runs)]
            found.append(Detection(int(match[1]) / 10, sum(hits), len(hits)))
    return sorted(found, key=lambda one: one.percent)


@dataclass(frozen=True)
class Alarms:
    """Comparisons of equal runs: which timings were called slower or faster."""

    comparisons: int
    """Pairs of runs."""
    false: tuple[str, ...]
    """The timing of each false alarm."""
    of: int
    """Pairs of runs times timings."""


def alarms(runs: Sequence[Run], clock: Clock) -> Alarms:
    """Each run against the next, in every timing that is the same in both."""
    names = [one.timing for one in spreads(runs)]
    limit = least_change(clock)
    false = [
        name
        for before, after in pairwise(runs)
        for name in names
        if compare(before[name], after[name], change_limit=limit).verdict in {"slower", "faster"}
    ]
    return Alarms(len(runs) - 1, tuple(false), (len(runs) - 1) * len(names))


def smallest(found: Sequence[Detection]) -> float | None:
    """The smallest slow-down, in percent, from which on none went unfound; None where even the largest did."""
    least = None
    for one in sorted(found, key=lambda one: -one.percent):
        if not one.always:
            break
        least = one.percent
    return least
