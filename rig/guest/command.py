"""Following one command on an SSH channel: both streams drained together, input fed, the clock looked at.

paramiko's own recv_exit_status has no time-out and large output on both streams can block it. Nothing is ever parsed
from standard error, into which some guests' servers write.
"""

from __future__ import annotations

import io
import threading
import time
from dataclasses import dataclass, field

import paramiko

from rig.deadline import Deadline
from rig.errors import TransportError, TransportTimeout
from rig.guest.patience import Idle, Silence
from rig.guest.sshlink import SignalTransport, ask_server
from rig.guest.transport import Lost, OnOutput

OUTPUT_LIMIT = 256 << 20
"""Bytes of output that are kept of one command: more than any command is meant to print, less than a host's memory."""
LEFT_OPEN_QUIET = 5.0
"""Seconds without output after a command's end until a process it left behind is no longer listened to."""
LEFT_OPEN_TOTAL = 30.0
"""The same, for a process left behind that goes on writing."""
_CHUNK = 1 << 16
_POLL = 0.5


@dataclass
class Following:
    """One command under way. `keep` False: standard output goes to `on_output` only."""

    channel: paramiko.Channel
    words: str
    """The command, short, for errors."""
    deadline: Deadline
    on_output: OnOutput | None = None
    on_error: OnOutput | None = None
    stdin: bytes = b""
    idle: Idle | None = None
    lost: Lost | None = None
    keep: bool = True
    _out: io.BytesIO = field(default_factory=io.BytesIO)
    _err: io.BytesIO = field(default_factory=io.BytesIO)
    _ended_at: float | None = None

    def follow(self) -> tuple[bytes, bytes]:
        """Until the command and its output end; returns all of standard output and standard error.

        Raises `TransportTimeout` at the deadline or after more silence than `idle` grants, `TransportError` when the
        guest is lost or says too much, and what paramiko raises for a channel that breaks.
        """
        channel = self.channel
        silence = Silence(self.words, self.idle, lambda: ask_server(channel.get_transport()))
        wake = threading.Event()
        channel.in_buffer.set_event(wake)
        channel.in_stderr_buffer.set_event(wake)
        rest = memoryview(self.stdin)
        moved_at = time.monotonic()
        while True:
            wake.clear()
            sent = self._feed(rest)
            rest = rest[sent:]
            moved = self._take()
            if moved or sent:
                moved_at = time.monotonic()
                silence.broken()
            if self._over(moved, time.monotonic() - moved_at):
                return self._out.getvalue(), self._err.getvalue()
            self._look_at_clock()
            silence.look()
            if not moved:
                # Output wakes this at once; the end of a stream, and room for input, are looked for in short steps.
                wake.wait(0.005 if rest or channel.eof_received else self.deadline.slice(_POLL))

    def _look_at_clock(self) -> None:
        if self.deadline.expired:
            raise TransportTimeout(f"{self.words} did not end within {self.deadline.total:.0f} s")
        if self.lost is not None and self.lost():
            raise TransportError(f"the guest was lost while it ran {self.words}")

    def _over(self, moved: bool, quiet: float) -> bool:
        """Whether all is said: a process that the command left behind may hold the streams open for ever."""
        if self._ended_at is None and (
            self.channel.exit_status_ready() or self.channel in SignalTransport.exit_signals
        ):
            self._ended_at = time.monotonic()
        if self._ended_at is not None and time.monotonic() - self._ended_at > LEFT_OPEN_TOTAL:
            return True
        if moved:
            return False
        at_end = bool(self.channel.eof_received) or quiet > LEFT_OPEN_QUIET
        return self.channel.closed or (self._ended_at is not None and at_end)

    def _feed(self, rest: memoryview) -> int:
        """Send what the window takes now; closes the guest's standard input once all is sent. Returns the bytes."""
        sent = 0
        try:
            if rest and self.channel.send_ready():
                sent = self.channel.send(bytes(rest[:_CHUNK]))
            if sent == len(rest) and not self.channel.eof_sent:
                self.channel.shutdown_write()
        except OSError:
            # A command may well end without reading all its input.
            if not self.channel.closed:
                raise
        return sent

    def _take(self) -> bool:
        """Take what has arrived; whether there was anything."""
        moved = False
        if self.channel.recv_ready():
            data = self.channel.recv(_CHUNK)
            moved = bool(data)
            self._give(data, self._out if self.keep else None, self.on_output)
        if self.channel.recv_stderr_ready():
            data = self.channel.recv_stderr(_CHUNK)
            moved = moved or bool(data)
            self._give(data, self._err, self.on_error)
        return moved

    def _give(self, data: bytes, kept: io.BytesIO | None, listener: OnOutput | None) -> None:
        if kept is not None:
            if kept.tell() + len(data) > OUTPUT_LIMIT:
                raise TransportError(f"{self.words} printed more than {OUTPUT_LIMIT >> 20} MiB")
            kept.write(data)
        if listener is not None and data:
            listener(data)


def short(command: str) -> str:
    """A command's first line, quoted and cut, for an error."""
    line = command.strip().splitlines()[0] if command.strip() else command
    return repr(line if len(line) <= 80 else line[:77] + "...")
