"""The serial stream: drained all the time, watched as a whole, expected on a bounded tail.

A thread drains the socket, so QEMU never blocks on an unread console. Patterns are matched by pexpect over a window
of the last bytes only, so the cost of waiting does not grow with the log (pexpect's own spawn searches and keeps all).
"""

from __future__ import annotations

import contextlib
import io
import queue
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
from pexpect.spawnbase import SpawnBase

from rig.console.text import last_lines
from rig.console.watch import Watch
from rig.deadline import Deadline
from rig.errors import GuestDied, TransportError, TransportTimeout

if TYPE_CHECKING:
    _Spawn = SpawnBase[bytes]  # generic in its type stubs only
else:
    _Spawn = SpawnBase

WINDOW = 8192
"""Bytes in which a pattern is looked for."""
_KEPT_BEFORE = 1 << 20
_TAIL = 1 << 16
_CHUNK = 1 << 16


class ConsoleAlarmError(TransportError):
    """The watch has seen a panic or a storm while somebody waited for something else."""


class _Feed(_Spawn):
    """pexpect's matching over a queue that the drain thread fills. None in the queue is the stream's end."""

    _buffer: io.BytesIO
    _before: io.BytesIO

    def __init__(self) -> None:
        super().__init__(timeout=None, maxread=_CHUNK, searchwindowsize=WINDOW)
        self.delaybeforesend = None
        self.delayafterread = None
        self.incoming: queue.SimpleQueue[bytes | str | None] = queue.SimpleQueue()
        self.closed = False

    def clear(self) -> None:
        """Forget what was read and not matched."""
        self._buffer = io.BytesIO()
        self._before = io.BytesIO()

    def read_nonblocking(self, size: int = 1, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """What has arrived since the last call; waits `timeout` seconds for the first byte."""
        try:
            data = self.incoming.get(timeout=timeout if timeout is not None and timeout >= 0 else None)
        except queue.Empty:
            raise pexpect.TIMEOUT("no byte in time") from None
        if isinstance(data, str):
            raise ConsoleAlarmError(data)
        if data is None:
            self.incoming.put(None)
            self.flag_eof = True
            raise pexpect.EOF("the console was closed")
        # pexpect keeps all it has not matched; a boot that never matches must not eat the host's memory.
        if self._before.tell() > _KEPT_BEFORE:
            kept = self._before.getvalue()[-WINDOW:]
            self._before = io.BytesIO()
            self._before.write(kept)
        return data


class Console:
    """One guest's serial console over a connected stream socket."""

    def __init__(self, stream: socket.socket, watch: Watch, *, input_rate: int | None = None) -> None:
        self.watch = watch
        self._socket = stream
        self._input_rate = input_rate
        self._feed = _Feed()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._lock = threading.Lock()
        self._listeners: list[Callable[[bytes], None]] = []
        self._closed = threading.Event()
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
        """Wake whoever waits with `ConsoleAlarmError`."""
        self._feed.incoming.put(words)

    def listen(self, listener: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `listener` with each chunk, on the drain thread; returns the call that ends it."""
        with self._lock:
            self._listeners.append(listener)

        def stop() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return stop

    def _drain(self) -> None:
        while True:
            try:
                data = self._socket.recv(_CHUNK)
            except OSError:
                data = b""
            if not data:
                break
            with self._lock:
                self._keep(data)
                listeners = list(self._listeners)
            # The data goes first: an alarm must not overtake the text that raised it.
            self._feed.incoming.put(data)
            self.watch.feed(data)
            for listener in listeners:
                listener(data)
        self._closed.set()
        self._feed.incoming.put(None)

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

    @property
    def closed(self) -> bool:
        """Whether QEMU's side has ended."""
        return self._closed.is_set()

    def expect(self, patterns: Sequence[str | bytes], deadline: Deadline) -> tuple[int, re.Match[bytes]]:
        """Wait for the first of `patterns` (regular expressions, multi-line); returns its index and match.

        Raises `TransportTimeout`, `ConsoleAlarmError` when the watch sees a panic, `GuestDied` when QEMU's side ends.
        """
        compiled = [
            re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.MULTILINE) for pattern in patterns
        ]
        try:
            index = self._feed.expect_list([*compiled, pexpect.TIMEOUT], timeout=deadline.remaining)
        except pexpect.EOF as fault:
            raise GuestDied("the console was closed: QEMU has ended") from fault
        if index == len(compiled):
            raise TransportTimeout(f"the console showed none of {list(patterns)} in {deadline.total:.0f} s")
        match = self._feed.match
        assert isinstance(match, re.Match)
        return index, match

    @property
    def before(self) -> bytes:
        """What came before the last match, at most the last megabyte."""
        return bytes(self._feed.before or b"")

    def forget(self) -> None:
        """Drop what has arrived and was not matched: the next `expect` sees only what comes from now on."""
        while True:
            try:
                data = self._feed.incoming.get_nowait()
            except queue.Empty:
                break
            if data is None:
                self._feed.incoming.put(None)
                break
        self._feed.clear()

    def send(self, text: str | bytes) -> None:
        """Type `text`, no faster than the guest takes it in. Raises `GuestDied`."""
        data = text.encode() if isinstance(text, str) else text
        step = 8 if self._input_rate else len(data)
        try:
            for start in range(0, len(data), step or 1):
                self._socket.sendall(data[start : start + step])
                if self._input_rate:
                    time.sleep(step / self._input_rate)
        except OSError as fault:
            raise GuestDied("the console was closed: QEMU has ended") from fault

    def close(self) -> None:
        """Leave the console; safe to call twice."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()
