"""The serial stream: drained all the time, watched as a whole, expected on a bounded tail.

A thread drains the socket, so QEMU never blocks on an unread console.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pexpect

from rig.console.feed import ConsoleAlarmError, Feed
from rig.console.text import last_lines
from rig.console.watch import Watch
from rig.deadline import Deadline
from rig.errors import GuestDied, TransportError, TransportTimeout

__all__ = ["Console", "ConsoleAlarmError"]

_TAIL = 1 << 16
_CHUNK = 1 << 16
_TAKEN_SECONDS = 30.0
_TYPED_AT_ONCE = 8
"""Bytes; half of a 16550's receive queue."""


class Console:
    """One guest's serial console over a connected stream socket."""

    def __init__(self, stream: socket.socket, watch: Watch, *, input_rate: int | None = None) -> None:
        self.watch = watch
        self._socket = stream
        self._input_rate = input_rate
        self._feed = Feed()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, name="console", daemon=True)
        self._thread.start()

    @classmethod
    def connect(cls, path: Path, watch: Watch, *, seconds: float = 10.0, input_rate: int | None = None) -> Console:
        """Connect to QEMU's console socket. Raises `TransportError`."""
        until = Deadline.after(seconds)
        stream = socket.socket(socket.AF_UNIX)
        while True:
            try:
                stream.connect(str(path))
                break
            except OSError as fault:
                if until.expired:
                    stream.close()
                    raise TransportError(f"{path}: the console cannot be reached: {fault}") from fault
                time.sleep(0.02)
        return cls(stream, watch, input_rate=input_rate)

    def alarm(self, words: str) -> None:
        """Wake whoever waits with `ConsoleAlarmError`; after a panic, also all who come to wait later."""
        self._feed.arrivals.alarm(words, lasting=self.watch.panicked)

    def _drain(self) -> None:
        try:
            while data := self._receive():
                with self._lock:
                    self._keep(data)
                # The data goes first: an alarm must not overtake the text that raised it.
                self._feed.arrivals.put(data)
                self.watch.feed(data)
        finally:
            self._feed.arrivals.close()

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_CHUNK)
        except OSError:
            return b""

    def _keep(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) > _TAIL:
            self._tail_size -= len(self._tail.popleft())

    def tail(self, lines: int = 12) -> str:
        """The last non-empty lines, clean."""
        with self._lock:
            data = b"".join(self._tail)
        return last_lines(data, lines)

    def expect(self, patterns: Sequence[str | bytes], deadline: Deadline) -> tuple[int, re.Match[bytes]]:
        """Wait for the first of `patterns` (regular expressions, multi-line); returns its index and match.

        Raises `TransportTimeout`, `ConsoleAlarmError` when the watch sees a panic, `GuestDied` when QEMU's side ends.
        """
        compiled = [
            re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.MULTILINE) for pattern in patterns
        ]
        self._feed.begin(deadline)
        try:
            index = self._feed.expect_list([*compiled, pexpect.TIMEOUT], timeout=None)
        except pexpect.EOF as fault:
            raise GuestDied("the console was closed: QEMU has ended") from fault
        if index == len(compiled):
            raise TransportTimeout(f"the console showed none of {list(patterns)} in {deadline.total:.0f} s")
        match = self._feed.match
        assert isinstance(match, re.Match)
        return index, match

    def take(self, deadline: Deadline) -> bytes:
        """The next bytes, as they came; none when the deadline passes. For whoever reads no lines but a protocol.

        Raises `ConsoleAlarmError`, `GuestDied`.
        """
        try:
            return self._feed.arrivals.take(deadline)
        except TimeoutError:
            return b""
        except EOFError as fault:
            raise GuestDied("the console was closed: QEMU has ended") from fault

    @property
    def before(self) -> bytes:
        """What came before the last match, or before time was up; of much, the last (8 KiB or more of it)."""
        return bytes(self._feed.before or b"")

    def forget(self) -> None:
        """Drop what has arrived and was not matched: the next `expect` sees only what comes from now on.

        An alarm is not dropped.
        """
        self._feed.forget()

    def send(self, text: str | bytes) -> None:
        """Type `text`, no faster than the guest takes it in.

        Raises `GuestDied`, or `TransportTimeout` when the guest takes nothing in.
        """
        data = text.encode() if isinstance(text, str) else text
        step = _TYPED_AT_ONCE if self._input_rate else max(1, len(data))
        try:
            for start in range(0, len(data), step):
                self._type(data[start : start + step])
                if self._input_rate:
                    time.sleep(step / self._input_rate)
        # A socket that was closed on this side has no number to wait for.
        except (OSError, ValueError) as fault:
            raise GuestDied("the console was closed: QEMU has ended") from fault

    def _type(self, data: bytes) -> None:
        """QEMU reads no further where its guest does not, so this must not wait for ever."""
        ready = select.poll()
        ready.register(self._socket, select.POLLOUT)
        while data:
            if not ready.poll(_TAKEN_SECONDS * 1000):
                raise TransportTimeout(f"the guest took no input from its console for {_TAKEN_SECONDS:g} s")
            with contextlib.suppress(BlockingIOError):
                data = data[self._socket.send(data, socket.MSG_DONTWAIT) :]

    def close(self) -> None:
        """Leave the console; safe to call twice."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
