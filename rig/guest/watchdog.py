"""Ends a connection whose calls would wait for ever.

paramiko waits without a time-out for the answer to `exec`, and for room in the socket of a guest that reads nothing
any more. Such calls return only when somebody else closes the connection, so somebody else watches the clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rig.deadline import Deadline
from rig.guest.transport import Lost

_STEP = 0.25


class Watchdog:
    """A context manager: calls `end` from a thread of its own when, within the block, the guest is lost or time is up.

    It grants `grace` seconds beyond, for a block that looks at the clock itself and can end more gently.
    """

    def __init__(
        self, end: Callable[[], None], deadline: Deadline, lost: Lost | None = None, *, grace: float = 1.0
    ) -> None:
        self._end = end
        self._deadline = deadline
        self._lost = lost
        self._grace = grace
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(min(_STEP, self._deadline.remaining or _STEP)):
            if self._deadline.expired or (self._lost is not None and self._lost()):
                if not self._done.wait(self._grace):
                    self._end()
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
