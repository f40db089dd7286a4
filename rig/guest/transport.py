"""The way into a guest, as a small protocol: push, run, pull, ping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rig.deadline import Deadline
from rig.guest.patience import Idle

OnOutput = Callable[[bytes], None]
Lost = Callable[[], bool]

SIGNAL_BASE = 128
"""A POSIX shell reports a command killed by signal n as 128 + n."""


@dataclass(frozen=True)
class RunResult:
    """How a command in the guest ended. `stdout` and `stderr` are whole and never mixed.

    `killed_by` is the signal's name (`SEGV`) where the guest's server told that the shell itself was killed; `status`
    is then 128. A command that the shell saw die has 128 + the guest's own number of the signal as status.
    """

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float
    killed_by: str = ""

    @property
    def ok(self) -> bool:
        """Whether the exit status was 0."""
        return self.status == 0

    @property
    def signal(self) -> int | None:
        """The guest's number of the signal that killed the command, or None."""
        return self.status - SIGNAL_BASE if SIGNAL_BASE < self.status < SIGNAL_BASE + 65 else None

    @property
    def text(self) -> str:
        """Standard output as text, its last newlines cut."""
        return self.stdout.decode("utf-8", "replace").rstrip("\r\n")


class Transport(Protocol):
    """What every way into a guest can do. All calls raise `TransportError` or its children.

    `lost` is asked now and then while a call waits: once it is true, waiting is useless (`TransportError`).
    """

    name: str

    def push(self, source: Path, destination: str, deadline: Deadline, *, lost: Lost | None = None) -> None:
        """Put a file, or a directory's content, at `destination` (a directory is made with its parents).

        Execute permission is kept; owners and times are not.
        """

    def run(
        self,
        command: str,
        deadline: Deadline,
        *,
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
        stdin: bytes = b"",
        idle: float | Idle | None = None,
        lost: Lost | None = None,
        before: str = "",
    ) -> RunResult:
        """Run `command` by the guest's sh. `on_output` gets standard output, `on_error` standard error, as they come.

        `before` is put in front of it, and is not what an error names.

        Raises `TransportTimeout` when the deadline passes, or after more silence than `idle` grants (see
        `rig.guest.patience`; a number: seconds without output); the command may run on in the guest then.
        """

    def pull(self, source: str, destination: Path, deadline: Deadline, *, lost: Lost | None = None) -> None:
        """Fetch a file, or a directory's content. What the guest sends is unpacked without trusting its paths."""

    def ping(self, deadline: Deadline, *, lost: Lost | None = None) -> bool:
        """Whether the guest runs a command before the deadline. Never raises."""

    def close(self) -> None:
        """Let go; safe to call twice."""
