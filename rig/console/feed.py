"""What has arrived on the console and was not looked at yet: bounded, in order, alarms in their place.

The matching is pexpect's, over a window of the last bytes only, so the cost of waiting does not grow with the log
(pexpect's own spawn searches and keeps all).
"""

from __future__ import annotations

import io
import threading
from collections import deque
from typing import TYPE_CHECKING

import pexpect
from pexpect.spawnbase import SpawnBase

from rig.deadline import Deadline
from rig.errors import TransportError

if TYPE_CHECKING:
    _Spawn = SpawnBase[bytes]  # generic in its type stubs only
else:
    _Spawn = SpawnBase

WINDOW = 8192
"""Bytes in which a pattern is looked for."""
PIECE = WINDOW // 2
"""Bytes that are looked at in one step. pexpect skips what does not fit its window: a match of up to `WINDOW - PIECE`
bytes is found wherever it lies."""
UNREAD_LIMIT = 1 << 20
"""Bytes kept for somebody who may come to look for something; the oldest go first."""
BEFORE_LIMIT = 1 << 20
"""Bytes kept of what was looked at and matched nothing."""
_LONGEST_WAIT = 60.0


class ConsoleAlarmError(TransportError):
    """The watch has seen a panic or a storm while somebody waited for something else."""


class Arrivals:
    """A queue of bytes between the thread that drains the console and whoever expects something."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._change = threading.Condition()
        self._put = 0
        self._taken = 0
        self._alarm = ""
        self._alarm_at = 0
        self._alarm_lasts = False
        self._closed = False

    @property
    def total(self) -> int:
        """All bytes that have ever arrived."""
        return self._put

    @property
    def taken(self) -> int:
        """Those that were taken, or dropped."""
        return self._taken

    @property
    def unread(self) -> int:
        """Those that wait."""
        return self._put - self._taken

    def put(self, data: bytes) -> None:
        """Append; drops the oldest beyond the limit."""
        with self._change:
            self._pieces.append(data)
            self._put += len(data)
            while self.unread > UNREAD_LIMIT and len(self._pieces) > 1:
                self._taken += len(self._pieces.popleft())
            self._change.notify()

    def alarm(self, words: str, *, lasting: bool) -> None:
        """Wake whoever takes, once all that has arrived so far was taken; a lasting alarm comes again and again."""
        with self._change:
            if not self._alarm_lasts:
                self._alarm, self._alarm_at, self._alarm_lasts = words, self._put, lasting
            self._change.notify()

    def close(self) -> None:
        """Nothing more will come."""
        with self._change:
            self._closed = True
            self._change.notify()

    def forget(self) -> None:
        """Drop the bytes that wait; an alarm stays."""
        with self._change:
            self._pieces.clear()
            self._taken = self._put

    def take(self, deadline: Deadline) -> bytes:
        """The next bytes, at most a `PIECE`. Raises `ConsoleAlarmError`, `EOFError`, `TimeoutError`."""
        with self._change:
            while True:
                if self._alarm and self._taken >= self._alarm_at:
                    raise ConsoleAlarmError(self._ring())
                if self._pieces:
                    return self._next(self._alarm_at - self._taken if self._alarm else PIECE)
                if self._closed:
                    raise EOFError
                if deadline.expired:
                    raise TimeoutError
                self._change.wait(deadline.slice(_LONGEST_WAIT))

    def _ring(self) -> str:
        words = self._alarm
        if self._alarm_lasts:
            self._alarm_at = self._put
        else:
            self._alarm = ""
        return words

    def _next(self, limit: int) -> bytes:
        room = min(limit, PIECE)
        parts: list[bytes] = []
        while room and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > room:
                self._pieces.appendleft(piece[room:])
                piece = piece[:room]
            parts.append(piece)
            room -= len(piece)
        data = b"".join(parts)
        self._taken += len(data)
        return data


class Feed(_Spawn):
    """pexpect's matching over arrivals, by a deadline on the monotonic clock (pexpect's own is on the wall clock)."""

    _buffer: io.BytesIO
    _before: io.BytesIO

    def __init__(self) -> None:
        super().__init__(timeout=None, maxread=PIECE, searchwindowsize=WINDOW)
        self.delayafterread = None
        self.arrivals = Arrivals()
        self._deadline = Deadline.after(0)
        self._here_before = 0

    def begin(self, deadline: Deadline) -> None:
        """The next search lasts until `deadline`."""
        self._deadline = deadline
        self._here_before = self.arrivals.total

    def forget(self) -> None:
        """Drop what has arrived and was not matched."""
        self.arrivals.forget()
        self._buffer = io.BytesIO()
        self._before = io.BytesIO()

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """What has arrived since the last call, piece by piece; waits for the first byte."""
        # What was there when the search began is looked at even when its time is over; a flood does not prolong it.
        if self._deadline.expired and self.arrivals.taken >= self._here_before:
            raise pexpect.TIMEOUT("no byte in time")
        try:
            data = self.arrivals.take(self._deadline)
        except TimeoutError:
            raise pexpect.TIMEOUT("no byte in time") from None
        except EOFError:
            self.flag_eof = True
            raise pexpect.EOF("the console was closed") from None
        # pexpect keeps all it has not matched; a boot that never matches must not eat the host's memory.
        if self._before.tell() > BEFORE_LIMIT:
            kept = self._before.getvalue()[-WINDOW:]
            self._before = io.BytesIO()
            self._before.write(kept)
        return data
