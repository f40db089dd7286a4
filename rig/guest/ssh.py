"""The SSH transport: commands with one deadline for each call, files by whatever the guest has."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import paramiko

from rig.deadline import Deadline
from rig.errors import TransportError, TransportTimeout
from rig.guest.archive import Entry
from rig.guest.command import Following, short
from rig.guest.commands import CommandTransport, whole_line
from rig.guest.copying import PutError, open_sftp, put_all
from rig.guest.patience import Idle, as_idle
from rig.guest.sshlink import FAULTS, SignalTransport, SshLink, retire
from rig.guest.transport import SIGNAL_BASE, Lost, OnOutput, RunResult
from rig.guest.watchdog import Watchdog

_BEGIN_TRIES = 3
_CLOSING_SECONDS = 0.5


class SshTransport(CommandTransport):
    """One guest's SSH. `sftp` and `tar` say whether the guest has them, where that is known."""

    name = "ssh"

    def __init__(
        self,
        port: int,
        user: str,
        key: Path,
        *,
        host: str = "127.0.0.1",
        sftp: bool | None = None,
        tar: bool | None = None,
    ) -> None:
        super().__init__(tar)
        self._link = SshLink(host, port, user, key)
        self._sftp_works = sftp

    @property
    def port(self) -> int:
        """The port on this host."""
        return self._link.port

    @property
    def key(self) -> Path:
        """The private key's file."""
        return self._link.key

    @property
    def phases(self) -> Mapping[str, float]:
        """Seconds that the parts of making the present connection took: `banner`, `keys`, `login`."""
        return self._link.phases

    @property
    def host_key(self) -> paramiko.PKey | None:
        """The server's key: pinned at the first login, or before it by whoever knows it."""
        return self._link.host_key

    @host_key.setter
    def host_key(self, key: paramiko.PKey | None) -> None:
        self._link.host_key = key

    def connect(self, deadline: Deadline, *, lost: Lost | None = None) -> None:
        """Wait for the server, agree on keys, log in.

        Raises `AuthError` (host key changed, key refused), `TransportTimeout`, `TransportError`, and `InputError` for
        a private key that cannot be read.
        """
        self._link.connect(deadline, lost)

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
        begun = time.monotonic()
        line = whole_line(before + command)
        silence = as_idle(idle)
        with Watchdog(self._link.drop, deadline, lost):
            # A guest that hangs must not be waited for longer to begin than it may be silent later.
            soon = deadline if silence is None else deadline.within(silence(0.0).longest)
            channel = self._begin(line, command, soon, lost)
            following = Following(channel, short(command), deadline, on_output, on_error, stdin, silence, lost, keep)
            try:
                stdout, stderr = following.follow()
                killed_by = SignalTransport.exit_signals.pop(channel, "")
                status = channel.recv_exit_status() if channel.exit_status_ready() else -1
            except FAULTS as fault:
                raise self._broken(command, deadline, lost, fault) from fault
            finally:
                # After its end the server closes the channel by itself, unless something that was left behind holds it.
                retire(channel, deadline.within(_CLOSING_SECONDS))
        seconds = time.monotonic() - begun
        if status >= 0:
            return RunResult(status, stdout, stderr, seconds)
        if killed_by:
            return RunResult(SIGNAL_BASE, stdout, stderr, seconds, killed_by)
        raise self._broken(command, deadline, lost, EOFError("it ended before the exit status came"))

    def _begin(self, line: bytes, command: str, deadline: Deadline, lost: Lost | None) -> paramiko.Channel:
        """A channel on which the command has been started. Tried again where the server closed it before that."""
        for tries_left in range(_BEGIN_TRIES - 1, -1, -1):
            channel = self._link.session(deadline, lost)
            try:
                with Watchdog(self._link.drop, deadline, lost):
                    channel.exec_command(line)
            except FAULTS as fault:
                channel.close()
                if not tries_left or deadline.expired or (lost is not None and lost()):
                    raise self._broken(command, deadline, lost, fault) from fault
            else:
                return channel
        raise AssertionError("the last try ends in a channel or an error")

    @staticmethod
    def _broken(command: str, deadline: Deadline, lost: Lost | None, fault: BaseException) -> TransportError:
        """The error for a connection that ended under a command, also where the watchdog has ended it."""
        if lost is not None and lost():
            return TransportError(f"the guest was lost while it ran {short(command)}")
        if deadline.expired:
            return TransportTimeout(f"{short(command)} did not end within {deadline.total:.0f} s")
        return TransportError(f"the SSH connection broke in {short(command)}: {fault or type(fault).__name__}")

    def shell(self, deadline: Deadline) -> paramiko.Channel:
        """An interactive shell on a terminal of the guest; the caller closes the channel."""
        channel = self._link.session(deadline)
        columns, rows = shutil.get_terminal_size()
        with Watchdog(self._link.drop, deadline):
            try:
                channel.get_pty(os.environ.get("TERM", "vt100"), columns, rows)
                channel.invoke_shell()
            except FAULTS as fault:
                channel.close()
                raise TransportError(f"the guest gave no shell: {fault}") from fault
        return channel

    def _push_specially(
        self, placed: list[tuple[Entry, str]], directories: list[str], deadline: Deadline, lost: Lost | None
    ) -> bool:
        """By SFTP, where the guest has it."""
        try:
            return self._sftp_works is not False and self._push_sftp(placed, directories, deadline, lost)
        except PutError:
            # The shell does it, or says why not.
            self._push_cat(placed, directories, deadline, lost)
            return True

    def _push_sftp(
        self, placed: list[tuple[Entry, str]], directories: list[str], deadline: Deadline, lost: Lost | None
    ) -> bool:
        """Whether the guest has SFTP, and so took the files."""
        channel = self._link.session(deadline, lost)
        with Watchdog(self._link.drop, deadline, lost):
            try:
                channel.settimeout(max(0.01, deadline.remaining))
                sftp = open_sftp(channel)
                self._sftp_works = sftp is not None
                if sftp is not None:
                    self._make_directories(directories, deadline, lost)
                    put_all(sftp, placed, deadline)
            except TransportError as fault:
                # Where the watchdog has ended the connection, the reason is not what SFTP made of it.
                if lost is not None and lost():
                    raise TransportError("the guest was lost while files were pushed to it") from fault
                if deadline.expired and not isinstance(fault, TransportTimeout):
                    raise TransportTimeout(f"the push did not end within {deadline.total:.0f} s") from fault
                raise
            finally:
                retire(channel, deadline)
        return self._sftp_works

    def drop(self) -> None:
        """See `CommandTransport.drop`."""
        self._link.drop()

    def close(self) -> None:
        """End the connection; no later call makes a new one."""
        self._link.close()
