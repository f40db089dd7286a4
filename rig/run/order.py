"""Which of the cases before it change how a case ends: the search alone, without guests.

`changes(subset)` runs those cases and then the one in question, in a fresh guest, and says whether that one ends
otherwise than alone. Each call costs a guest, so that the number of calls is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """Cases that together change how another one ends, in their order."""

    members: tuple[T, ...]
    minimal: bool = True
    """Whether none of them may be left out; otherwise the search was ended early, and some may have no part in it."""


def most_runs(count: int) -> int:
    """Runs that the search among so many may cost: enough for two that work together."""
    return 2 * (max(1, count - 1).bit_length() + 1)


def search(candidates: Sequence[T], changes: Callable[[Sequence[T]], bool], runs: int) -> Found[T]:
    """The members of `candidates` that it takes, where all together are known to change something, and none do not.

    By halves: the last member is the end of the shortest beginning that still does. With it kept, the one before it is
    found in the same way among what stood earlier, until those that are kept do alone. For one member in n that is
    log2(n) + 1 runs. What is found does without any of its members only where more cases may undo what fewer did.
    """
    rest, left = list(candidates), runs
    kept: list[T] = []
    while rest:
        low, high = 0, len(rest)
        while high - low > 1:
            if not left:
                return Found((*rest[:high], *kept), minimal=False)
            middle, left = (low + high) // 2, left - 1
            low, high = (low, middle) if changes([*rest[:middle], *kept]) else (middle, high)
        kept = [rest[high - 1], *kept]
        rest = rest[: high - 1]
        if rest:
            if not left:
                return Found((*rest, *kept), minimal=False)
            left -= 1
            if changes(kept):
                break
    return Found(tuple(kept))


def find_order(candidates: Sequence[T], near: int, changes: Callable[[Sequence[T]], bool]) -> Found[T] | None:
    """What it takes of `candidates`, verified once more; None where it does not show again: that is chance, not order.

    The last `near` of them are tried first, and alone where that is enough.
    """
    near_ones = candidates[len(candidates) - near :] if 0 < near < len(candidates) else []
    if near_ones and changes(near_ones):
        candidates = near_ones
    elif not candidates or not changes(candidates):
        return None
    found = search(candidates, changes, most_runs(len(candidates)))
    return found if changes(found.members) and not changes(()) else None
