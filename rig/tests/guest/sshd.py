"""An SSH server on the loopback that runs commands by this host's sh, and misbehaves as told."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_PARTIALLY_SUCCESSFUL,
    AUTH_SUCCESSFUL,
    OPEN_SUCCEEDED,
    cMSG_CHANNEL_REQUEST,
)
from paramiko.sftp import SFTP_OK


@dataclass
class Sshd:
    """A context manager. The fields may be changed while it runs; they count for the next connection or command."""

    root: Path
    """Where commands run."""
    user_key: paramiko.PKey | None
    """The key that is let in; None: nobody is."""
    host_key: paramiko.PKey = field(default_factory=lambda: paramiko.RSAKey.generate(1024))
    path: str = os.environ["PATH"]
    """PATH of the commands."""
    sftp: str = "yes"
    """yes; no: the request is refused; gone: taken, but the server's program is not there; noise: it prints words."""
    before_banner: threading.Event | None = None
    """The banner waits for it."""
    drops: int = 0
    """So many connections are closed before a word."""
    drops_at_login: int = 0
    """So many connections are closed when a key is shown."""
    more_than_a_key: bool = False
    deaf_to: str = ""
    """`open`, `exec`, `global`: such requests are never answered."""
    greeting: bytes = b""
    """Sent before anything else."""
    logins: int = 0
    commands: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Global requests."""
    _transports: list[paramiko.Transport] = field(default_factory=list)
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        # A thread that waits in accept keeps the socket listening after close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for process in self._processes:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def hang_up(self) -> None:
        """Close every connection, as a server that was killed does."""
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream: socket.socket) -> None:
        if self.drops > 0:
            self.drops -= 1
            stream.close()
            return
        if self.before_banner is not None:
            self.before_banner.wait(60)
        if self.greeting:
            stream.sendall(self.greeting)
        transport = paramiko.Transport(stream)
        transport.add_server_key(self.host_key)
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files)
        self._transports.append(transport)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Server(self, transport))

    def run(self, channel: paramiko.Channel, command: str) -> None:
        self.commands.append(command)
        process = subprocess.Popen(
            ["sh", "-c", command],
            cwd=self.root,
            env={"PATH": self.path, "HOME": str(self.root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes.append(process)
        assert process.stdin and process.stdout and process.stderr
        pumps = [
            threading.Thread(target=_pump, args=(process.stdout, channel.sendall), daemon=True),
            threading.Thread(target=_pump, args=(process.stderr, channel.sendall_stderr), daemon=True),
        ]
        for pump in (threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True), *pumps):
            pump.start()
        code = process.wait()
        with contextlib.suppress(Exception):
            if code >= 0:
                channel.send_exit_status(code)
            else:
                send_exit_signal(channel, signal.Signals(-code).name.removeprefix("SIG"))
            for pump in pumps:
                pump.join()
            channel.close()


def _pump(source: IO[bytes], send: Any) -> None:
    with contextlib.suppress(Exception):
        while data := os.read(source.fileno(), 65536):
            send(data)


def _feed(channel: paramiko.Channel, target: IO[bytes]) -> None:
    with contextlib.suppress(Exception), target:
        while data := channel.recv(65536):
            target.write(data)


def send_exit_signal(channel: paramiko.Channel, name: str) -> None:
    """RFC 4254, 6.10; paramiko's server has no call for it."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exit-signal")
    message.add_boolean(False)
    message.add_string(name)
    message.add_boolean(False)
    message.add_string("")
    message.add_string("")
    channel.get_transport()._send_user_message(message)  # type: ignore[attr-defined]


class _Server(paramiko.ServerInterface):
    def __init__(self, sshd: Sshd, transport: paramiko.Transport) -> None:
        self.sshd = sshd
        self.transport = transport

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if self.sshd.drops_at_login > 0:
            self.sshd.drops_at_login -= 1
            self.transport.close()
            return AUTH_FAILED
        if self.sshd.user_key is None or key != self.sshd.user_key:
            return AUTH_FAILED
        self.sshd.logins += 1
        return AUTH_PARTIALLY_SUCCESSFUL if self.sshd.more_than_a_key else AUTH_SUCCESSFUL

    def check_global_request(self, kind: str, msg: paramiko.Message) -> bool:
        self.sshd.asked.append(kind)
        if self.sshd.deaf_to == "global":
            self.sshd.closing.wait(60)
        return False

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.sshd.deaf_to == "open":
            self.sshd.closing.wait(60)
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if self.sshd.deaf_to == "exec":
            self.sshd.closing.wait(60)
        threading.Thread(target=self.sshd.run, args=(channel, os.fsdecode(command)), daemon=True).start()
        return True

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        if self.sshd.sftp == "no":
            return False
        if self.sshd.sftp == "yes":
            return super().check_channel_subsystem_request(channel, name)
        words = b"malloc: *** set a breakpoint\n" if self.sshd.sftp == "noise" else b""

        def end() -> None:
            channel.sendall(words)
            channel.close()

        threading.Thread(target=end, daemon=True).start()
        return True


class _Files(paramiko.SFTPServerInterface):
    """As much of SFTP as a push needs, on this host's own files."""

    def open(self, path: str, flags: int, attr: paramiko.SFTPAttributes) -> Any:
        try:
            handle = paramiko.SFTPHandle(flags)
            handle.writefile = open(path, "wb")  # type: ignore[attr-defined]  # noqa: PTH123, SIM115
        except OSError as fault:
            return paramiko.SFTPServer.convert_errno(fault.errno or 0)
        return handle

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(Path(path).stat())
        except OSError as fault:
            return paramiko.SFTPServer.convert_errno(fault.errno or 0)

    def chattr(self, path: str, attr: paramiko.SFTPAttributes) -> int:
        Path(path).chmod(attr.st_mode or 0)
        return SFTP_OK
