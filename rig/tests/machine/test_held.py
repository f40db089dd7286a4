"""A machine that is held is told, and one that is only stopped for a moment is not."""

from __future__ import annotations

from itertools import pairwise

from rig.machine.held import Held


class Times:
    """A clock that each look moves on by a quarter of a second, beside a process that is stopped or not."""

    def __init__(self) -> None:
        self.now = 100.0
        self.stopped = False
        self.asked: list[float] = []
        self.held = Held(self._stopped, lambda: self.now)

    def _stopped(self) -> bool:
        self.asked.append(self.now)
        return self.stopped

    def looks(self, seconds: float) -> bool:
        for _ in range(int(seconds * 4)):
            self.now += 0.25
            found = self.held.look()
        return found


def test_a_process_held_by_a_signal() -> None:
    times = Times()
    assert not times.looks(60)
    times.stopped = True
    assert not times.looks(2.75)
    assert times.looks(3)
    times.stopped = False
    assert not times.looks(2)


def test_cpus_held_at_the_monitor() -> None:
    times = Times()
    times.held.note("STOP")
    assert not times.looks(8)
    times.held.note("BLOCK_JOB_ERROR")
    assert times.looks(3)
    times.held.note("RESUME")
    assert not times.looks(2)


def test_it_starts_anew_behind_a_moment_in_which_it_ran() -> None:
    times = Times()
    times.stopped = True
    times.looks(2.75)
    times.stopped = False
    times.looks(2)
    times.stopped = True
    assert not times.looks(2.75)


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """Ctrl-Z stops the rig and its QEMU; QEMU may come back a moment after the rig."""
    times = Times()
    times.stopped = True
    times.looks(2)
    times.now += 3600
    assert not times.looks(1)


def test_the_process_is_asked_once_a_second_at_most() -> None:
    times = Times()
    times.looks(20)
    assert all(later - earlier >= 1 for earlier, later in pairwise(times.asked)) and len(times.asked) <= 21
