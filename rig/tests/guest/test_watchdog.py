"""The watchdog ends what would wait for ever, and nothing else."""

from __future__ import annotations

import threading

from rig.deadline import Deadline
from rig.guest.watchdog import Watchdog


def test_it_ends_a_block_whose_time_is_up() -> None:
    ended = threading.Event()
    with Watchdog(ended.set, Deadline.after(0.1), grace=0.0):
        assert ended.wait(20)


def test_it_ends_a_block_whose_guest_is_lost() -> None:
    ended = threading.Event()
    with Watchdog(ended.set, Deadline.after(600), lambda: True, grace=0.0):
        assert ended.wait(20)


def test_a_block_that_ends_by_itself_is_left_alone() -> None:
    ended = threading.Event()
    dog = Watchdog(ended.set, Deadline.after(0.0), grace=60.0)
    with dog:
        pass
    dog._thread.join(20)
    assert not dog._thread.is_alive()
    assert not ended.is_set()
