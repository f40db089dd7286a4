"""Whether a machine is held from outside: QEMU by a signal, or its CPUs by somebody at its monitor."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOKS = 10
_STOPPED_LOOKS = 4
"""The same for a process that a signal holds: whoever looks into a machine by its monitor goes on by himself."""
_STEP = 1.0
"""Seconds between two looks. Looks are counted, not seconds: Ctrl-Z stops the rig along with QEMU."""


class Held:
    """Says so once each of so many looks in a row has found it held; whoever waits for the guest looks at every turn.

    `stopped`: whether QEMU's process is held by a signal.
    """

    def __init__(self, stopped: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._stopped = stopped
        self._clock = clock
        self._cpus_stand = False
        self._found = 0
        self._stops = 0
        self._next = 0.0

    def note(self, event: str) -> None:
        """Take in an event of the monitor. The CPUs stand from the start: that is no STOP."""
        if event in {"STOP", "RESUME"}:
            self._cpus_stand = event == "STOP"

    def look(self) -> bool:
        """Whether it has been held for long. Cheap enough to be asked at every turn of a loop that waits."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _STEP
            stopped = self._stopped()
            self._stops = self._stops + 1 if stopped else 0
            self._found = self._found + 1 if stopped or self._cpus_stand else 0
        return self._found >= _LOOKS or self._stops >= _STOPPED_LOOKS
