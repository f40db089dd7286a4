"""The watch on the whole log: panics by dialect, storms of a few lines, silence.

It is fed every byte the guest sends, in chunks of any size, and keeps only what is bounded. How the bytes are cut into
chunks makes no difference to what it finds.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable

from rig.console.panic import DIALECTS, PanicReport, read_panic
from rig.console.text import clean, settled
from rig.spec import Dialect

STORM_LINES = 400
"""So many lines on end, none of them new, are a nested-panic storm or a driver gone mad, never a boot."""
_STORM_KINDS = 8
"""A line is new unless it is one of so many different ones before it."""
_LINE_LIMIT = 4096
_PANIC_LINES = 400
_CONTEXT_LINES = 500
"""Before a panic; on Linux the whole oops stands there, or the list of all tasks that hang."""
_LINE_ENDS = re.compile(rb"[\r\n]+")
_STAMP = re.compile(rb"^\[ *\d+\.\d+\]")
_NOT_THE_REASON = b"Debugger called"
"""Darwin says so before the line that tells why."""


class Watch:
    """Feed it; ask it. `on_alarm` is called on the feeding thread, once when a panic and once when a storm begins."""

    def __init__(self, dialect: Dialect, on_alarm: Callable[[str], None] | None = None) -> None:
        self.dialect = dialect
        self._rules = DIALECTS[dialect]
        self.on_alarm = on_alarm
        self._lock = threading.Lock()
        self._partial = b""
        self._kinds: deque[bytes] = deque(maxlen=_STORM_KINDS)
        self._repeats = 0
        self._storm = ""
        self._context: deque[bytes] = deque(maxlen=_CONTEXT_LINES)
        self._panic_title: bytes | None = None
        self._panic_lead = b""
        self._title_grows = False
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
            *lines, partial = _LINE_ENDS.split(self._partial + data)
            # Of a line without end the beginning is kept: what it is stands there.
            self._partial = partial[:_LINE_LIMIT]
            raised = [words for line in lines if line for words in self._line(_plain(line))]
            raised += self._unfinished(_plain(settled(self._partial)))
        for words in raised:
            if self.on_alarm is not None:
                self.on_alarm(words)

    def _line(self, line: bytes) -> list[str]:
        """Look at one line; returns the words of the alarms that begin here."""
        alarms = []
        if self._title_grows:
            self._title_grows = False
            self._begin_panic(line)
        elif self._panic_title is not None:
            self._in_panic(line)
        elif self._begin_panic(line):
            alarms.append(self._panic_words())
        self._context.append(line)
        return alarms + self._count_repeats(line)

    def _unfinished(self, partial: bytes) -> list[str]:
        """A kernel may stop for good in the middle of the line that says why."""
        if self._panic_title is not None and not self._title_grows:
            return []
        if not self._begin_panic(partial):
            return []
        alarms = [] if self._title_grows else [self._panic_words()]
        self._title_grows = True
        return alarms

    def _begin_panic(self, line: bytes) -> bool:
        found = self._rules.starts.search(line)
        if found is not None:
            self._panic_lead, self._panic_title = line[: found.start("start")], line[found.start("start") :]
            self._panic_before = list(self._context)
        return found is not None

    def _panic_words(self) -> str:
        return f"kernel panic: {(self._panic_title or b'').decode('utf-8', 'replace').strip()}"

    def _in_panic(self, line: bytes) -> None:
        title = self._panic_title or b""
        if title.startswith(_NOT_THE_REASON):
            found = self._rules.starts.search(line)
            if found is not None and not line[found.start("start") :].startswith(_NOT_THE_REASON):
                self._panic_before.append(title)
                self._panic_lead, self._panic_title = line[: found.start("start")], line[found.start("start") :]
                return
        if len(self._panic_lines) < _PANIC_LINES:
            self._panic_lines.append(line)
        if self._rules.ends.search(line):
            self._panic_done.set()

    def _count_repeats(self, line: bytes) -> list[str]:
        kind = _STAMP.sub(b"", line).strip()
        if not kind:
            return []
        if kind in self._kinds:
            self._repeats += 1
        else:
            self._kinds.append(kind)
            self._repeats = 1
        if self._repeats == STORM_LINES and not self._storm:
            self._storm = kind.decode("utf-8", "replace")
            return [f"nothing new for {STORM_LINES} lines on end, the last: {self._storm}"]
        return []

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
            return read_panic(
                self.dialect,
                self._panic_title,
                self._panic_before,
                [*self._panic_lines, *self._last_words()],
                complete=self._panic_done.is_set(),
                lead=self._panic_lead,
            )

    def _last_words(self) -> list[bytes]:
        """What stands in a line that was never finished."""
        partial = _plain(self._partial)
        return [partial] if partial and not self._title_grows else []


def _plain(line: bytes) -> bytes:
    return clean(line[:_LINE_LIMIT]).encode()
