"""Two ways to measure one thing, taken in turns: their ratio, round by round.

Independent tools print one mean of a whole run. So of our own samples the mean is taken, too (a median would leave out
the time that the host took away, which their mean has in it), and the two of one round, measured next to each other,
are divided. The median of the rounds' ratios is the result, their least and greatest its spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from rig.errors import InputError

NEAR = 0.1
"""A ratio of 1 give or take this much is near 1."""


@dataclass(frozen=True)
class Ratio:
    """Of nanoseconds for one operation; `ours` and `theirs` are medians over the rounds of each round's mean."""

    ours: float
    theirs: float
    middle: float
    least: float
    greatest: float
    best: float
    """Our least round to their least: what both cost where the host was disturbed least."""

    @property
    def near_one(self) -> bool:
        """Whether the two agree."""
        return abs(self.middle - 1) <= NEAR

    @property
    def verdict(self) -> str:
        """In words."""
        if self.near_one:
            return "near 1"
        if self.least <= 1 <= self.greatest:
            return "not near 1, but the rounds lie on both sides of it: this host was too busy to tell"
        return "not near 1"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Of the two means of each round. Raises `InputError` where a round is missing or took no time."""
    if not ours or len(ours) != len(theirs) or min(*ours, *theirs) <= 0:
        raise InputError(f"{len(ours)} of our rounds cannot be held against {len(theirs)} of theirs")
    each = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    return Ratio(median(ours), median(theirs), median(each), each[0], each[-1], min(ours) / min(theirs))


def mean_ns(samples: Sequence[float], unit: str, size: int | None) -> float:
    """Nanoseconds for one operation over all batches, which are of equal length in operations."""
    if not samples or min(samples) <= 0:
        raise InputError("a timing without samples")
    if unit == "ns":
        return fmean(samples)
    if not size:
        raise InputError("a rate that does not say how many bytes one operation moves")
    return fmean(size * 1e9 / rate for rate in samples)
