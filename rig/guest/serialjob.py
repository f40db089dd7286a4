"""One command of the agent on a guest's console, followed to its end: what was torn or lost is asked for again.

The agent numbers what it says of a command and keeps it until it is acknowledged, so nothing is lost and nothing comes
twice, however the kernel writes into the console. guest-tests/agent/job.c is the other side.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rig.console import Console
from rig.console.feed import ConsoleAlarmError
from rig.deadline import Deadline
from rig.errors import GuestDied, TransportError, TransportTimeout
from rig.guest.command import LEFT_OPEN_QUIET, LEFT_OPEN_TOTAL, OUTPUT_LIMIT
from rig.guest.disks import Extent
from rig.guest.frames import Frame, FrameReader, encode
from rig.guest.patience import Idle, Question, Silence
from rig.guest.transport import Lost, OnOutput

_ACKNOWLEDGED = 256
"""Frames after which the guest is told that they have come; it keeps four times as many."""
_RANGES = 24
"""Holes that are named at once."""
_ASK_SECONDS = 0.5
"""Until what was asked for again is asked for once more."""
_BEGIN_SECONDS = 1.0
"""Until a request that brought no answer is sent again."""
_BEGIN_TRIES = 3
_NUDGE_SECONDS = (1.0, 5.0)
"""Silence after which the guest is asked whether it has said more: on a console with noise, and on one without."""
_LONGEST_NUDGE = 10.0
_SILENT_SECONDS = 60.0
"""Without an answer; a guest with much to do may let its agent wait."""
_STEP = 0.5
_LAST = 0xFFFFFFFF
TELLS_END = r"echo rig-agent\ ended $?"
"""What its shell does behind an agent; the line's echo, with its backslash, is not taken for what it prints."""
_ENDED = re.compile(rb"rig-agent ended (\d+)[\r\n]")
_ENDED_LENGTH = 64
_SEQUENCED = "aoexzfd"


class SilentAgentError(TransportError):
    """Nobody answers on the console: the agent is not there, or no more."""


class Line:
    """The console as a line of frames."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.reader = FrameReader()
        self._last = b""

    def forget(self) -> None:
        """Drop what has come by now, an earlier agent's end as well."""
        self.console.forget()
        self._last = b""

    def send(self, frame: Frame) -> None:
        """Raises `TransportError`."""
        with told():
            self.console.send(encode(frame))

    def receive(self, deadline: Deadline) -> list[Frame]:
        """The frames in what comes next; waits until `deadline` for the first byte.

        Raises `ConsoleAlarmError` for a panic, `SilentAgentError` for an agent that has ended, `TransportError`. A
        storm on the console is noise as any other.
        """
        try:
            with told():
                data = self.console.take(deadline)
            self._last = self._last[-_ENDED_LENGTH:] + data
            ended = _ENDED.search(self._last)
            if ended is not None:
                raise SilentAgentError(f"the agent in the guest has ended (status {int(ended[1])})")
            return self.reader.feed(data)
        except ConsoleAlarmError:
            if self.console.watch.panicked:
                raise
            return []


@contextlib.contextmanager
def told() -> Iterator[None]:
    """A console that ended is a way in that broke; what became of the guest is for others to find out."""
    try:
        yield
    except GuestDied as fault:
        raise TransportError(fault.message) from fault


@dataclass
class SerialJob:
    """One command. `keep` False: standard output goes to `on_output` only."""

    line: Line
    words: str
    """The command, short, for errors."""
    request: Frame
    deadline: Deadline
    on_output: OnOutput | None = None
    on_error: OnOutput | None = None
    idle: Idle | None = None
    lost: Lost | None = None
    keep: bool = True
    status: int | None = None
    killed_by: str = ""
    stored: Extent | None = None
    """What was written to the scratch disk."""
    _out: io.BytesIO = field(default_factory=io.BytesIO)
    _err: io.BytesIO = field(default_factory=io.BytesIO)
    _waiting: dict[int, Frame] = field(default_factory=dict)
    _next: int = 0
    """Number of the first frame that has not come."""
    _told: int = 0
    """What the guest knows of that."""
    _announced: int = 0
    """Below this the guest has said something."""
    over: bool = False
    """Whether all streams have ended, and the agent knows that this side has all of them."""
    _asked_at: float = 0.0
    _moved_at: float = 0.0
    _heard_at: float = 0.0
    _unanswered_since: float | None = None
    """When the first question since then was put."""
    _ended_at: float | None = None
    _tries: int = 0
    _noise_before: int = 0
    _silence: Silence = field(init=False)

    def __post_init__(self) -> None:
        self._silence = Silence(self.words, self.idle, self._question, mute=SilentAgentError)

    def follow(self) -> tuple[bytes, bytes]:
        """Until the command and its output end; returns all of standard output and standard error.

        Raises `TransportTimeout` at the deadline or after more silence than `idle` grants, `SilentAgentError` when
        nobody answers, `TransportError` when the guest is lost, says too much, or could not start the command.
        """
        self._noise_before = self.line.reader.noise
        self._move()
        self._heard_at = self._moved_at
        self._begin()
        while not self._done():
            for frame in self._receive():
                self._take(frame)
            self._repair()
            self._look_at_clock()
        self._acknowledge()
        return self._out.getvalue(), self._err.getvalue()

    def _receive(self) -> list[Frame]:
        try:
            return self.line.receive(self.deadline.within(self._patience()))
        except SilentAgentError as fault:
            raise SilentAgentError(f"{fault.message}, in {self.words}") from None

    @property
    def begun(self) -> bool:
        """Whether the guest has said that it began."""
        return self._next > 0

    def _patience(self) -> float:
        return 0.05 if self._gaps() or self._ended_at is not None else _STEP

    def _done(self) -> bool:
        """Whether all is said: a process that the command left behind may hold the streams open for ever."""
        if self.over or self._ended_at is None or self._gaps():
            return self.over
        now = time.monotonic()
        return now - self._moved_at > LEFT_OPEN_QUIET or now - self._ended_at > LEFT_OPEN_TOTAL

    def _take(self, frame: Frame) -> None:
        if frame.job != self.request.job:
            return
        self._heard_at = time.monotonic()
        self._unanswered_since = None
        if frame.type == "h":
            self._announced = max(self._announced, int(frame.text, 16))
            self._asked_at = 0.0  # all that was asked for is behind it: what is missing still was lost again
        elif frame.type == "n" and self._next:
            raise SilentAgentError(f"the agent in the guest was started anew while it ran {self.words}")
        elif frame.type in _SEQUENCED and frame.number >= self._next:
            self._waiting[frame.number] = frame
            self._announced = max(self._announced, frame.number + 1)
            while self._next in self._waiting:
                self._next += 1
                self._hear(self._waiting.pop(self._next - 1))

    def _hear(self, frame: Frame) -> None:
        """The next thing that the guest says, in order."""
        if frame.type in "oe":
            self._move()
            output = frame.type == "o"
            self._give(frame.payload, self._out if output else self._err, self.on_output if output else self.on_error)
        elif frame.type == "x":
            self._move()
            self._ended_at = self._moved_at
            status, _, self.killed_by = frame.text.partition(" ")
            self.status = int(status, 16)
        elif frame.type == "z":
            at, length, crc, error = (int(part, 16) for part in frame.text.split(","))
            if error:
                raise TransportError(f"the guest could not write to its scratch disk (its error number {error})")
            self.stored, self.over = Extent(at, length, crc), True
        elif frame.type == "f":
            raise TransportError(f"the guest could not start {self.words}: {frame.text}")
        elif frame.type == "d":
            raise TransportError(f"the guest does not read from {frame.text} what was put on its payload disk")

    def _move(self) -> None:
        self._moved_at = time.monotonic()
        self._silence.broken()

    def _give(self, data: bytes, kept: io.BytesIO, listener: OnOutput | None) -> None:
        if self.keep or kept is self._err:
            if kept.tell() + len(data) > OUTPUT_LIMIT:
                raise TransportError(f"{self.words} printed more than {OUTPUT_LIMIT >> 20} MiB")
            kept.write(data)
        if listener is not None:
            listener(data)

    def _gaps(self) -> bool:
        return self._announced > self._next

    def _missing(self) -> Iterator[tuple[int, int]]:
        """What the guest has said and did not come: first and last number of each hole."""
        at = self._next
        for there in [*sorted(self._waiting), self._announced]:
            if there > at:
                yield at, there - 1
            at = there + 1

    def _repair(self) -> None:
        """Ask for what is missing, or for a sign of life; tell what has come."""
        now = time.monotonic()
        if self._gaps():
            if now - self._asked_at > _ASK_SECONDS:
                self._ask(*list(self._missing())[:_RANGES])
        elif self._next - self._told >= _ACKNOWLEDGED:
            self._acknowledge()
        elif not self._next and now - self._asked_at > _BEGIN_SECONDS:
            self._begin()
        elif self._next and now - max(self._heard_at, self._asked_at) > self._nudge(now):
            if self._unanswered_since is not None and now - self._unanswered_since > _SILENT_SECONDS:
                raise SilentAgentError(f"the agent in the guest no longer answers, in {self.words}")
            self._ask((self._next, _LAST))

    def _begin(self) -> None:
        """Send the request, once more where it brought nothing: the guest carries it out once."""
        if self._tries == _BEGIN_TRIES:
            raise SilentAgentError(f"nobody on the guest's console answers, asked to run {self.words}")
        self._tries += 1
        self._asked_at = time.monotonic()
        self.line.send(self.request)

    def _question(self) -> Question:
        """Ask the agent for a sign of life; again and again, since a frame may be lost."""
        asked_at = time.monotonic()
        self._ask((self._next, _LAST))

        def answered() -> bool:
            if self._heard_at <= asked_at and time.monotonic() - self._asked_at > _NUDGE_SECONDS[0]:
                self._ask((self._next, _LAST))
            return self._heard_at > asked_at

        return answered

    def _nudge(self, now: float) -> float:
        """The longer a command says nothing, the less it is disturbed; a measurement only where noise is to blame."""
        noisy = self.line.reader.noise > self._noise_before
        if not noisy and self._silence.undisturbed:
            return float("inf")
        return max(_NUDGE_SECONDS[not noisy], min(_LONGEST_NUDGE, (now - self._moved_at) / 2))

    def _ask(self, *ranges: tuple[int, int]) -> None:
        self._asked_at = time.monotonic()
        if self._unanswered_since is None:
            self._unanswered_since = self._asked_at
        self._told = self._next
        words = " ".join(f"{first:x} {last:x}" for first, last in ranges)
        self.line.send(Frame("A", self.request.job, self._next, words.encode()))

    def _acknowledge(self) -> None:
        self._told = self._next
        self.line.send(Frame("A", self.request.job, self._next))

    def _look_at_clock(self) -> None:
        if self.deadline.expired and not self._done():
            raise TransportTimeout(f"{self.words} did not end within {self.deadline.total:.0f} s")
        if self.begun:
            self._silence.look()
        if self.lost is not None and self.lost():
            raise TransportError(f"the guest was lost while it ran {self.words}")
