"""What both dialects' readers share: when a panic begins inside another, when one is over, what lies between."""

from __future__ import annotations

from abc import ABC, abstractmethod

from rig.console.panics.lines import Line
from rig.console.panics.model import Frame, Panic

GAP_LINES = 200
"""So many lines on end that are no part of a panic: it is over, though its last words were never seen."""
PANIC_LIMIT = 1000
NESTED_LIMIT = 50
FRAME_LIMIT = 400
_OTHER_LIMIT = 200
_OTHER_WIDTH = 400
_SHARED = """
process pid boot_args os_version kernel_version kernel_uuid kernel_slide kernel_text_base cache_slide cache_base
hib_text_base model uptime_ns shutdown_begun last_started_kext last_stopped_kext modules consequence
"""
"""What is printed once, by the last of nested panics, and holds for the first as well."""


class Reader(ABC):
    """Takes lines one by one; `close` gives the panics, in the order in which they began.

    A dialect's reader says what its lines mean: `begins` for the line that opens a panic, `takes` for a line inside
    one, `ends` for a line after which nothing belongs to it.
    """

    def __init__(self) -> None:
        self.found: list[Panic] = []
        self.open: Panic | None = None
        """The panic whose lines come now; of nested ones the innermost."""
        self.between: list[str] = []
        """Lines since the last one that was understood."""
        self._outermost: Panic | None = None

    def feed(self, line: Line) -> None:
        """Take in the next line."""
        panic = self.begins(line)
        if panic is not None:
            self._begin(panic, line)
        elif self.open is not None:
            self._inside(self.open, line)

    def close(self) -> list[Panic]:
        """No more lines will come."""
        self.end()
        return self.found

    @abstractmethod
    def begins(self, line: Line) -> Panic | None:
        """A panic that this line opens; None for any other line."""

    @abstractmethod
    def takes(self, panic: Panic, line: Line) -> bool:
        """Whether the line tells something of the open panic; what it tells is then in it."""

    @abstractmethod
    def ends(self, line: Line) -> bool:
        """Whether the line shows that the panic is over: the machine starts again."""

    def end(self) -> None:
        """The open panic is over."""
        self._share()
        self.open = self._outermost = None
        self.between = []

    def _share(self) -> None:
        """A nested panic's report holds what the first one's could not print any more."""
        outer, inner = self._outermost, self.open
        if outer is None or inner is None or outer is inner:
            return
        for name in _SHARED.split():
            if not getattr(outer, name):
                setattr(outer, name, getattr(inner, name))
        outer.complete = outer.complete or inner.complete

    def _begin(self, panic: Panic, line: Line) -> None:
        self._share()
        panic.line = panic.line or line.number
        panic.last_line = line.number
        outer = self._outermost
        if outer is None or outer.complete:
            self._outermost = panic
            if len(self.found) < PANIC_LIMIT:
                self.found.append(panic)
        else:
            outer.last_line = line.number
            self.nest(panic)
        self.open = panic
        self.between = []

    def nest(self, panic: Panic) -> None:
        """Put a panic below the one under way; the same one again is only counted."""
        nested = self._outermost.nested if self._outermost is not None else []
        if nested and nested[-1].message == panic.message:
            before = nested[-1]
            if before.cpu is None:  # only announced; this is its own report
                panic.line, panic.repeats, nested[-1] = before.line, before.repeats, panic
            nested[-1].repeats += 1
            nested[-1].last_line = panic.last_line
        elif len(nested) < NESTED_LIMIT:
            nested.append(panic)

    def _inside(self, panic: Panic, line: Line) -> None:
        if self.ends(line):
            self.end()
        elif self.takes(panic, line):
            keep_other(panic, self.between)
            self.between = []
            panic.last_line = line.number
            if self._outermost is not None:
                self._outermost.last_line = line.number
        else:
            self.between.append(line.text)
            if len(self.between) >= GAP_LINES:
                self.end()


def keep_other(panic: Panic, texts: list[str]) -> None:
    """Keep lines that say nothing known, as far as there is room."""
    room = max(0, _OTHER_LIMIT - len(panic.other))
    panic.other += [text[:_OTHER_WIDTH] for text in texts[:room]]


def add_frame(frames: list[Frame], frame: Frame) -> None:
    """Keep a frame; a backtrace without end keeps its first ones."""
    if len(frames) < FRAME_LIMIT:
        frames.append(frame)
