"""SSH by paramiko, with one deadline for each call and both output streams drained together.

paramiko's own recv_exit_status has no time-out and large output on both streams can block it, so a command is
followed here: one loop reads whatever is there and looks at the clock. Nothing is ever parsed from standard error,
into which some guests' servers write.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import socket
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import ClassVar

import paramiko
from paramiko.common import MSG_CHANNEL_REQUEST

from rig.deadline import Deadline
from rig.errors import AuthError, TransportError, TransportTimeout
from rig.guest.archive import pack, unpack_untrusted
from rig.guest.keys import load_key
from rig.guest.transport import SIGNAL_BASE, Lost, OnOutput, RunResult

KEEPALIVE_SECONDS = 15
_CHUNK = 1 << 16
_POLL = 0.5
_LEFT_OPEN = 1.0
_PING = "echo rig-ping"


class SignalTransport(paramiko.Transport):
    """paramiko's transport, which drops `exit-signal` (RFC 4254, 6.10), with that message kept."""

    exit_signals: ClassVar[weakref.WeakKeyDictionary[paramiko.Channel, str]] = weakref.WeakKeyDictionary()

    @staticmethod
    def _keep_signal(channel: paramiko.Channel, message: paramiko.Message) -> None:
        start = message.packet.tell()
        if message.get_text() == "exit-signal":
            message.get_boolean()
            SignalTransport.exit_signals[channel] = message.get_text()
        message.packet.seek(start)
        channel._handle_request(message)  # type: ignore[attr-defined]  # not in the stubs

    _channel_handler_table: ClassVar[dict[int, Callable[..., None]]] = {
        **paramiko.Transport._channel_handler_table,  # type: ignore[attr-defined]
        MSG_CHANNEL_REQUEST: _keep_signal,
    }


class SshTransport:
    """One SSH connection. `host_key` is pinned: learned at the first contact with this running guest, then held."""

    name = "ssh"

    def __init__(self, port: int, user: str, key: Path, *, host: str = "127.0.0.1", sftp: bool | None = None) -> None:
        self.host, self.port, self.user, self.key = host, port, user, key
        self.host_key: paramiko.PKey | None = None
        self._sftp_works = sftp
        self._transport: paramiko.Transport | None = None
        self._lock = threading.Lock()

    def connect(self, deadline: Deadline) -> None:
        """Wait for the server's banner, agree on keys, log in.

        Raises `AuthError` (host key changed, key refused), `TransportTimeout`, `TransportError`.
        """
        private = load_key(self.key)
        last = "no answer"
        while not deadline.expired:
            stream = self._banner(deadline)
            if stream is None:
                continue
            try:
                self._transport = self._open(stream, private, deadline)
                return
            except AuthError:
                raise
            except (paramiko.SSHException, OSError, EOFError) as fault:
                # A server that starts up may drop its first clients.
                last = str(fault) or type(fault).__name__
                time.sleep(deadline.slice(0.2))
        raise TransportTimeout(f"SSH on {self.host}:{self.port} was not reached in {deadline.total:.0f} s: {last}")

    def _banner(self, deadline: Deadline) -> socket.socket | None:
        """A connection whose server has begun to speak. QEMU accepts before the guest listens, so only that counts."""
        try:
            stream = socket.create_connection((self.host, self.port), deadline.slice(5))
        except OSError:
            time.sleep(deadline.slice(0.1))
            return None
        try:
            stream.settimeout(max(0.01, deadline.slice(20)))
            if stream.recv(4, socket.MSG_PEEK) == b"SSH-":
                return stream
        except OSError:
            pass
        stream.close()
        time.sleep(deadline.slice(0.05))
        return None

    def _open(self, stream: socket.socket, private: paramiko.PKey, deadline: Deadline) -> paramiko.Transport:
        transport = SignalTransport(stream)
        try:
            transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = deadline.remaining
            transport.start_client(timeout=deadline.remaining)
            found = transport.get_remote_server_key()
            if self.host_key is not None and found != self.host_key:
                raise AuthError(
                    f"the SSH host key of {self.host}:{self.port} changed while the guest ran "
                    f"(was {self.host_key.fingerprint}, is {found.fingerprint})",
                    hint="Another server answers on this port: rig down, then rig up.",
                )
            self.host_key = found
            try:
                transport.auth_publickey(self.user, private)
            except paramiko.AuthenticationException as fault:
                raise AuthError(
                    f"the guest refused the key {self.key} for {self.user}: {fault}",
                    hint="Import the image with the key it knows (rig images import --ssh-key), or let the rig put "
                    "its own key in place over the console.",
                ) from fault
            transport.set_keepalive(KEEPALIVE_SECONDS)
        except BaseException:
            transport.close()
            raise
        return transport

    def _session(self, deadline: Deadline) -> paramiko.Channel:
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                self.connect(deadline)
            assert self._transport is not None
            try:
                return self._transport.open_session(timeout=max(0.01, deadline.remaining))
            except (paramiko.SSHException, OSError, EOFError) as fault:
                if deadline.expired:
                    raise TransportTimeout(f"the guest opened no SSH channel in {deadline.total:.0f} s") from fault
                raise TransportError(f"the guest opened no SSH channel: {fault}") from fault

    def run(
        self,
        command: str,
        deadline: Deadline,
        *,
        on_output: OnOutput | None = None,
        stdin: bytes = b"",
        idle: float | None = None,
        lost: Lost | None = None,
    ) -> RunResult:
        """See `Transport.run`."""
        begun = time.monotonic()
        channel = self._session(deadline)
        try:
            # With a line after it the shell cannot give its process to the command, so it lives to tell a signal.
            channel.exec_command(f"{command}\nexit $?")
            stdout, stderr = self._follow(channel, command, deadline, on_output, stdin, idle, lost)
            killed_by = SignalTransport.exit_signals.pop(channel, "")
            status = channel.recv_exit_status() if channel.exit_status_ready() else -1
        except (paramiko.SSHException, OSError, EOFError) as fault:
            raise TransportError(f"the SSH connection broke in {_short(command)}: {fault}") from fault
        finally:
            channel.close()
        if status < 0 and killed_by:
            return RunResult(SIGNAL_BASE, stdout, stderr, time.monotonic() - begun, killed_by)
        if status < 0:
            raise TransportError(f"the SSH connection ended in {_short(command)} before its exit status came")
        return RunResult(status, stdout, stderr, time.monotonic() - begun)

    def _follow(
        self,
        channel: paramiko.Channel,
        command: str,
        deadline: Deadline,
        on_output: OnOutput | None,
        stdin: bytes,
        idle: float | None,
        lost: Lost | None,
    ) -> tuple[bytes, bytes]:
        out, err = io.BytesIO(), io.BytesIO()
        wake = threading.Event()
        channel.in_buffer.set_event(wake)
        channel.in_stderr_buffer.set_event(wake)
        rest = memoryview(stdin)
        moved_at = time.monotonic()
        while True:
            wake.clear()
            rest = self._feed(channel, rest)
            moved = self._take(channel, out, err, on_output)
            if moved:
                moved_at = time.monotonic()
            elif channel.closed or _ended(channel, time.monotonic() - moved_at):
                break
            if deadline.expired:
                raise TransportTimeout(f"{_short(command)} did not end within {deadline.total:.0f} s")
            if idle is not None and time.monotonic() - moved_at > idle:
                raise TransportTimeout(f"{_short(command)} said nothing for {idle:.0f} s")
            if lost is not None and lost():
                raise TransportError(f"the guest was lost while it ran {_short(command)}")
            if not moved:
                # Buffers wake this at once; the end of the stream is looked for in short steps.
                wake.wait(0.002 if rest or channel.eof_received else deadline.slice(_POLL))
        return out.getvalue(), err.getvalue()

    @staticmethod
    def _feed(channel: paramiko.Channel, rest: memoryview) -> memoryview:
        """Send what the window takes now; closes the guest's standard input once all is sent."""
        if rest and channel.send_ready():
            rest = rest[channel.send(bytes(rest[:_CHUNK])) :]
        if not rest and not channel.eof_sent:
            channel.shutdown_write()
        return rest

    @staticmethod
    def _take(channel: paramiko.Channel, out: io.BytesIO, err: io.BytesIO, on_output: OnOutput | None) -> bool:
        moved = False
        if channel.recv_ready():
            data = channel.recv(_CHUNK)
            out.write(data)
            moved = bool(data)
            if on_output is not None and data:
                on_output(data)
        if channel.recv_stderr_ready():
            data = channel.recv_stderr(_CHUNK)
            err.write(data)
            moved = moved or bool(data)
        return moved

    def shell(self, deadline: Deadline) -> paramiko.Channel:
        """An interactive shell on a terminal of the guest; the caller closes the channel."""
        channel = self._session(deadline)
        columns, rows = shutil.get_terminal_size()
        channel.get_pty(os.environ.get("TERM", "vt100"), columns, rows)
        channel.invoke_shell()
        return channel

    def push(self, source: Path, destination: str, deadline: Deadline) -> None:
        """See `Transport.push`. SFTP where the guest has it, else tar, else cat, over a command channel."""
        if not source.exists():
            raise TransportError(f"{source}: nothing to push")
        if self._sftp_works is not False and self._push_sftp(source, destination, deadline):
            return
        where = shlex.quote(destination)
        if source.is_dir():
            if self.run("command -v tar >/dev/null", deadline).ok:
                self._must(f"mkdir -p {where} && cd {where} && tar xf -", deadline, pack(source))
                return
            for path in sorted(path for path in source.rglob("*") if path.is_file()):
                inside = str(PurePosixPath(destination) / PurePosixPath(path.relative_to(source)))
                self._push_cat(path, inside, deadline)
        else:
            self._push_cat(source, destination, deadline)

    def _push_cat(self, path: Path, destination: str, deadline: Deadline) -> None:
        where, parent = shlex.quote(destination), shlex.quote(str(PurePosixPath(destination).parent))
        mode = "755" if path.stat().st_mode & 0o100 else "644"
        self._must(f"mkdir -p {parent} && cat >{where} && chmod {mode} {where}", deadline, path.read_bytes())

    def _push_sftp(self, source: Path, destination: str, deadline: Deadline) -> bool:
        """Whether the guest has SFTP and took the files."""
        channel = self._session(deadline)
        channel.settimeout(max(0.01, deadline.remaining))
        try:
            channel.invoke_subsystem("sftp")
            sftp = paramiko.SFTPClient(channel)
        except (paramiko.SSHException, OSError, EOFError):
            channel.close()
            self._sftp_works = False
            return False
        self._sftp_works = True
        try:
            files = sorted(source.rglob("*")) if source.is_dir() else [source]
            targets = {path: PurePosixPath(destination) / _inside(path, source) for path in files}
            parents = {str(target if path.is_dir() else target.parent) for path, target in targets.items()}
            quoted = " ".join(shlex.quote(parent) for parent in sorted(parents | {str(targets[files[0]].parent)}))
            self._must(f"mkdir -p {quoted}", deadline)
            for path, target in targets.items():
                if path.is_file():
                    sftp.put(str(path), str(target))
                    sftp.chmod(str(target), 0o755 if path.stat().st_mode & 0o100 else 0o644)
        except TimeoutError as fault:
            raise TransportTimeout(f"pushing {source} did not end within {deadline.total:.0f} s") from fault
        except (OSError, paramiko.SSHException, EOFError) as fault:
            raise TransportError(f"{source} could not be put at {destination} of the guest: {fault}") from fault
        finally:
            channel.close()
        return True

    def pull(self, source: str, destination: Path, deadline: Deadline) -> None:
        """See `Transport.pull`."""
        where = shlex.quote(source)
        if self.run(f"test -d {where}", deadline).ok:
            answer = self._must(f"cd {where} && tar cf - .", deadline)
            unpack_untrusted(io.BytesIO(answer.stdout), destination)
            return
        answer = self._must(f"cat {where}", deadline)
        target = destination / PurePosixPath(source).name if destination.is_dir() else destination
        fresh = target.with_name(target.name + ".part")
        fresh.write_bytes(answer.stdout)
        fresh.replace(target)

    def _must(self, command: str, deadline: Deadline, stdin: bytes = b"") -> RunResult:
        answer = self.run(command, deadline, stdin=stdin)
        if not answer.ok:
            words = answer.stderr.decode("utf-8", "replace").strip()
            raise TransportError(f"the guest could not do {_short(command)} (status {answer.status}): {words}")
        return answer

    def ping(self, deadline: Deadline) -> bool:
        """See `Transport.ping`."""
        try:
            return self.run(_PING, deadline).stdout.strip() == b"rig-ping"
        except TransportError:
            return False

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


def _ended(channel: paramiko.Channel, quiet: float) -> bool:
    """Whether the command is over: a process that it left behind may hold the streams open for ever."""
    return channel.exit_status_ready() and (bool(channel.eof_received) or quiet > _LEFT_OPEN)


def _inside(path: Path, source: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(source)) if source.is_dir() else PurePosixPath()


def _short(command: str) -> str:
    line = command.strip().splitlines()[0] if command.strip() else command
    return repr(line if len(line) <= 80 else line[:77] + "...")
