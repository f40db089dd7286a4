"""The watch on the whole log: panics by dialect, storms of one line, silence.

It is fed every byte the guest sends, in chunks of any size, and keeps only what is bounded.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable

from rig.console.panic import DIALECTS, PanicReport, read_panic
from rig.console.text import clean
from rig.spec import Dialect

STORM_LINES = 400
"""So many identical lines on end are a nested-panic storm or a driver gone mad, never a boot."""
_LINE_LIMIT = 4096
_PANIC_LINES = 400
_CONTEXT_LINES = 40
_BLANK = re.compile(r"^\s*$")


class Watch:
    """Feed it; ask it. `on_alarm` is called once, on the feeding thread, when a panic or a storm begins."""

    def __init__(self, dialect: Dialect, on_alarm: Callable[[str], None] | None = None) -> None:
        self.dialect = dialect
        self._rules = DIALECTS[dialect]
        self.on_alarm = on_alarm
        self._lock = threading.Lock()
        self._partial = b""
        self._last_line = b""
        self._repeats = 0
        self._storm = ""
        self._context: deque[bytes] = deque(maxlen=_CONTEXT_LINES)
        self._panic_title: bytes | None = None
        self._panic_before: list[bytes] = []
        self._panic_lines: list[bytes] = []
        self._panic_done = threading.Event()
        self._last_byte = time.monotonic()
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Take in what the guest has sent."""
        with self._lock:
            self._last_byte = time.monotonic()
            self._bytes += len(data)
            *lines, self._partial = (self._partial + data).split(b"\n")
            # A line without end must not grow without end.
            self._partial = self._partial[-_LINE_LIMIT:]
            raised = [alarm for line in lines if (alarm := self._line(line))]
        for alarm in raised[:1]:
            if self.on_alarm is not None:
                self.on_alarm(alarm)

    def _line(self, raw: bytes) -> str:
        """Look at one line; returns an alarm's words when one begins here."""
        line = clean(raw[-_LINE_LIMIT:]).strip("\n").encode()
        alarm = ""
        if self._panic_title is not None:
            self._in_panic(line)
        elif self._rules.starts.search(line):
            self._panic_title = line
            self._panic_before = list(self._context)
            alarm = f"kernel panic: {line.decode('utf-8', 'replace').strip()}"
        self._context.append(line)
        return alarm or self._count_repeats(line)

    def _in_panic(self, line: bytes) -> None:
        # "Debugger called: <panic>" comes first on Darwin; the line that says why is the better title.
        title = self._panic_title
        if title is not None and title.startswith(b"Debugger called") and self._rules.starts.search(line):
            self._panic_before.append(title)
            self._panic_title = line
            return
        if len(self._panic_lines) < _PANIC_LINES:
            self._panic_lines.append(line)
        if self._rules.ends.search(line):
            self._panic_done.set()

    def _count_repeats(self, line: bytes) -> str:
        if line == self._last_line and not _BLANK.match(line.decode("utf-8", "replace")):
            self._repeats += 1
        else:
            self._last_line, self._repeats = line, 1
        if self._repeats == STORM_LINES and not self._storm:
            self._storm = line.decode("utf-8", "replace").strip()
            return f"the same line {STORM_LINES} times on end: {self._storm}"
        return ""

    @property
    def panicked(self) -> bool:
        """Whether a panic has begun."""
        return self._panic_title is not None

    @property
    def storm(self) -> str:
        """The line that repeats without end, or nothing."""
        return self._storm

    @property
    def silence(self) -> float:
        """Seconds since the guest's last byte."""
        with self._lock:
            return time.monotonic() - self._last_byte

    @property
    def bytes_seen(self) -> int:
        """All bytes so far."""
        return self._bytes

    def panic(self, wait: float = 0.0) -> PanicReport | None:
        """The panic so far; waits up to `wait` seconds for its last line. None while there is none."""
        if not self.panicked:
            return None
        self._panic_done.wait(wait)
        with self._lock:
            assert self._panic_title is not None
            return read_panic(self.dialect, self._panic_title, self._panic_before, self._panic_lines)
