"""What a transport can do by commands alone: files by tar or cat over a command's input and output, and the ping."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath

from rig.deadline import Deadline
from rig.errors import RigError, TransportError
from rig.guest.archive import Entry, entries, pack
from rig.guest.command import short
from rig.guest.copying import make_directories, received_file, received_tree, write_command
from rig.guest.patience import Idle
from rig.guest.transport import Lost, OnOutput, RunResult

_PING = "echo rig-ping"


class CommandTransport(ABC):
    """The part of a transport that does not depend on its kind. `tar`: whether the guest has it, where known."""

    def __init__(self, tar: bool | None = None) -> None:
        self._tar_works = tar

    @abstractmethod
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
        keep: bool = True,
        before: str = "",
    ) -> RunResult:
        """See `Transport.run`. With `keep` False standard output goes to `on_output` alone."""

    @abstractmethod
    def drop(self) -> None:
        """Let go of the connection, which may be stuck; the next call makes a new one."""

    def push(self, source: Path, destination: str, deadline: Deadline, *, lost: Lost | None = None) -> None:
        """See `Transport.push`."""
        if not source.exists():
            raise TransportError(f"{source}: nothing to push")
        tree = entries(source)
        whole = PurePosixPath(destination)
        if source.is_dir():
            placed = [(entry, str(whole / entry.inside)) for entry in tree]
            directories = [destination, *(target for entry, target in placed if entry.is_dir)]
        else:
            placed = [(tree[0], destination)]
            directories = [str(whole.parent)]
        if self._push_specially(placed, directories, deadline, lost):
            return
        if source.is_dir() and self._has_tar(deadline, lost):
            where = shlex.quote(destination)
            self._must(f"mkdir -p {where} && cd {where} && tar xf -", deadline, lost, pack(tree))
        else:
            self._push_cat(placed, directories, deadline, lost)

    def _push_specially(
        self,
        placed: list[tuple[Entry, str]],  # noqa: ARG002
        directories: list[str],  # noqa: ARG002
        deadline: Deadline,  # noqa: ARG002
        lost: Lost | None,  # noqa: ARG002
    ) -> bool:
        """Whether this kind of transport has a way of its own, and it took the files."""
        return False

    def _push_cat(
        self, placed: list[tuple[Entry, str]], directories: list[str], deadline: Deadline, lost: Lost | None
    ) -> None:
        self._make_directories(directories, deadline, lost)
        for entry, target in placed:
            if not entry.is_dir:
                try:
                    content = entry.path.read_bytes()
                except OSError as fault:
                    raise TransportError(f"{entry.path}: cannot be pushed: {fault.strerror}") from fault
                self._must(write_command(target, entry.mode), deadline, lost, content)

    def _make_directories(self, paths: list[str], deadline: Deadline, lost: Lost | None) -> None:
        for command in make_directories(paths):
            self._must(command, deadline, lost)

    def _has_tar(self, deadline: Deadline, lost: Lost | None) -> bool:
        if self._tar_works is None:
            self._tar_works = self.run("command -v tar >/dev/null", deadline, lost=lost).ok
        return self._tar_works

    def pull(self, source: str, destination: Path, deadline: Deadline, *, lost: Lost | None = None) -> None:
        """See `Transport.pull`. Raises `InputError` for a destination that cannot be written."""
        where = shlex.quote(source)
        if not self.run(f"test -d {where}", deadline, lost=lost).ok:
            with received_file(source, destination) as take:
                self._stream(f"cat {where}", deadline, lost, take)
            return
        if not self._has_tar(deadline, lost):
            raise TransportError(
                f"the guest has no tar, so the directory {source} cannot be fetched whole", hint="Fetch its files."
            )
        with received_tree(destination) as take:
            self._stream(f"cd {where} && tar cf - .", deadline, lost, take)

    def _stream(self, command: str, deadline: Deadline, lost: Lost | None, take: OnOutput) -> None:
        """Hand a command's output to `take`."""
        answer = self.run(command, deadline, lost=lost, on_output=take, keep=False)
        check(command, answer)

    def _must(self, command: str, deadline: Deadline, lost: Lost | None, stdin: bytes = b"") -> None:
        check(command, self.run(command, deadline, stdin=stdin, lost=lost))

    def ping(self, deadline: Deadline, *, lost: Lost | None = None) -> bool:
        """See `Transport.ping`."""
        if self._pong(deadline.within(deadline.remaining / 2), lost):
            return True
        # It may be the connection that is stuck, not the guest.
        self.drop()
        return self._pong(deadline, lost)

    def _pong(self, deadline: Deadline, lost: Lost | None) -> bool:
        try:
            return b"rig-ping" in self.run(_PING, deadline, lost=lost).stdout
        except RigError:
            return False


def whole_line(command: str) -> bytes:
    """What is sent: with a line after it the shell cannot give its process to the command, so it can tell a signal."""
    if "\0" in command:
        raise TransportError(f"a command cannot hold a NUL byte: {short(command)}")
    return f"{command}\nexit $?".encode("utf-8", "surrogateescape")


def check(command: str, answer: RunResult) -> None:
    """Raise `TransportError` for a command that failed."""
    if not answer.ok:
        words = answer.stderr.decode("utf-8", "replace").strip()[-1000:]
        raise TransportError(f"the guest could not do {short(command)} (status {answer.status}): {words}")
