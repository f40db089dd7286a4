"""One monotonic deadline per operation, handed down; one factor scales them all.

A slow accelerator (TCG) makes everything slower alike, so a caller states its time for hardware acceleration and
the guest's factor scales it: no layer below invents a time-out of its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock, in seconds; `total` is the span it was made with."""

    at: float
    total: float

    @classmethod
    def after(cls, seconds: float, factor: float = 1.0) -> Self:
        """`seconds` times `factor` from now."""
        span = seconds * factor
        return cls(time.monotonic() + span, span)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self.at

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return self.total - (self.at - time.monotonic())

    def slice(self, seconds: float) -> float:
        """The smaller of `seconds` and what is left: the time-out of one blocking step."""
        return min(seconds, self.remaining)

    def within(self, seconds: float) -> Deadline:
        """A deadline `seconds` from now that is never later than this one."""
        return min(Deadline.after(seconds), self, key=lambda d: d.at)
