"""An axis of a plot: from where to where, where a value stands on it, which marks it bears."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rig.report.plots import steps

_MARKS = 5


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, which differ; above nothing where it is logarithmic."""

    low: float
    high: float
    log: bool = False

    @property
    def base(self) -> float:
        """Where a bar begins: at zero where the axis has it, else at its low end."""
        return self.low if self.log else min(max(0.0, self.low), self.high)

    def at(self, value: float) -> float:
        """A value's place: 0 at the low end, 1 at the high one."""
        if self.log:
            return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def marks(self) -> list[float]:
        """Round values on it: some five, a power of ten apart where a logarithmic one is long."""
        if not self.log:
            return steps(self.low, self.high, _MARKS)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        factors = (1, 2, 5) if last - first <= 2 else (1,)
        every = max(1, math.ceil((last - first) / 8))
        all_of_them = [factor * 10.0**power for power in range(first, last + 1, every) for factor in factors]
        return [mark for mark in all_of_them if self.low * 0.999 <= mark <= self.high * 1.001]


def axis_of(least: float, greatest: float, *, log: bool = False, from_zero: bool = False) -> Axis:
    """One that holds these values, with room above.

    It begins at zero where bars stand on it, and where the values would not all be squeezed into its far end by that.
    """
    if log:
        low = 10.0 ** math.floor(math.log10(least / 1.01)) if from_zero else least / 1.3
        return Axis(low, greatest * 1.3, log=True)
    if from_zero or 0 <= least <= 0.6 * greatest:
        low, high = min(0.0, least), max(0.0, greatest)
    else:
        low, high = least, greatest
    room = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    return Axis(low - room if low else 0.0, high + room if high else 0.0 if low else 1.0)


def short(value: float) -> str:
    """A number of at most three or four digits, for a mark or a bar: `0.25`, `12.5`, `1200`."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
