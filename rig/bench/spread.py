"""Repeated measurements: their median, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rig.bench.frame import Target
from rig.errors import InputError


@dataclass(frozen=True)
class Spread:
    """Of any unit."""

    middle: float
    least: float
    greatest: float

    def words(self, unit: str, digits: int = 2) -> str:
        """The median with its unit."""
        return f"{self.middle:.{digits}f} {unit}"

    def ends(self, digits: int = 2) -> str:
        """Least and greatest."""
        return f"{self.least:.{digits}f} - {self.greatest:.{digits}f}"

    def point(self, x: float | str) -> tuple[float | str, float, float, float]:
        """As a plot takes it."""
        return (x, self.middle, self.least, self.greatest)


def spread(values: Sequence[float]) -> Spread:
    """Raises `InputError` where nothing was measured."""
    if not values:
        raise InputError("nothing was measured, so there is no median")
    return Spread(median(values), min(values), max(values))


def at_most(what: str, limit: float, found: Spread, unit: str, why: str, digits: int = 2) -> Target:
    """A target that the median must not exceed; `why` is told where it does, behind by how much."""
    met = found.middle <= limit
    over = "" if met else f"{found.middle - limit:.{digits}f} {unit} over it ({found.middle / limit - 1:.0%}). {why}"
    measured = f"{found.words(unit, digits)} ({found.ends(digits)})"
    return Target(what, f"at most {limit:g} {unit}", measured, met, over.strip())
