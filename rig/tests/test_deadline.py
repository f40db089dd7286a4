"""Deadlines on a clock that the test turns."""

import pytest

from rig import deadline
from rig.deadline import Deadline


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(deadline, "time", turned)
    return turned


def test_it_passes_at_its_moment_and_not_before(clock):
    one = Deadline.after(10, factor=5)
    assert (one.total, one.remaining, one.elapsed, one.expired) == (50, 50, 0, False)
    clock.now += 49
    assert (one.remaining, one.elapsed, one.expired) == (1, 49, False)
    clock.now += 1
    assert (one.remaining, one.elapsed, one.expired) == (0, 50, True)
    clock.now += 7
    assert (one.remaining, one.elapsed, one.expired) == (0, 57, True)


def test_a_slice_is_never_longer_than_what_is_left(clock):
    one = Deadline.after(3)
    assert one.slice(1) == 1
    assert one.slice(5) == 3
    clock.now += 9
    assert one.slice(1) == 0


def test_a_part_of_it_never_outlasts_it(clock):
    one = Deadline.after(3)
    assert one.within(1).at == clock.now + 1
    assert one.within(1).total == 1
    assert one.within(5) is one
    clock.now += 2.5
    assert one.within(1) is one
