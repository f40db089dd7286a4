"""A shell on a terminal of this host, behind a line as bad as a test wants it: what stands for a guest's console."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import select
import socket
import subprocess
import threading
from pathlib import Path

from rig.console import Console, ConsoleShell, Watch
from rig.guest.disks import Disks
from rig.guest.serial import SerialTransport
from rig.spec import ConsoleSpec, Dialect, LoginSpec

NOISE = b"[   12.345678] usb 1-1: new device {found}\r\n"


class Terminal:
    """A context manager. `noise`: the chance that a piece gets a line woven in; `loss`: that one loses a byte."""

    def __init__(
        self,
        directory: Path,
        agent: Path,
        *,
        noise: float = 0.0,
        loss: float = 0.0,
        seed: int = 1,
        listen: Path | None = None,
    ) -> None:
        self.noise = noise
        self.loss = loss
        self.woven = 0
        self.lost = 0
        self.disks = Disks.create(directory, agent)
        self._random = random.Random(seed)
        self._directory = directory
        self._over = threading.Event()
        self._master, slave = pty.openpty()
        self.shell = subprocess.Popen(
            ["/bin/sh", "-i"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={"PS1": "# ", "PATH": os.environ["PATH"], "HOME": str(directory)},
        )
        os.close(slave)
        ours, self._theirs = socket.socketpair()
        steps = [self._outward, self._inward]
        self._listener = socket.socket(socket.AF_UNIX)
        if listen is not None:
            self._listener.bind(str(listen))
            self._listener.listen()
            steps = [self._outward, self._clients]
        self._threads = [threading.Thread(target=step, daemon=True) for step in steps]
        for thread in self._threads:
            thread.start()
        self.console = Console(ours, Watch(Dialect.LINUX))

    def _clients(self) -> None:
        """One after the other, as QEMU takes them; what comes while nobody is there is lost."""
        with contextlib.suppress(OSError):
            while True:
                self._theirs = self._listener.accept()[0]
                self._inward()

    def _outward(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                # A read that waits would keep the terminal open, and whoever sits there alive, beyond its close.
                if select.select([self._master], [], [], 0.05)[0]:
                    data = os.read(self._master, 4096)
                    with contextlib.suppress(BrokenPipeError):
                        self._theirs.sendall(self._spoil(data, self.noise))

    def _inward(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._theirs.recv(64):
                os.write(self._master, self._spoil(data, 0.0))

    def _spoil(self, data: bytes, noise: float) -> bytes:
        spoilt = b""
        for start in range(0, len(data), 100):
            piece = data[start : start + 100]
            at = self._random.randrange(len(piece))
            if self._random.random() < noise:
                self.woven += 1
                piece = piece[:at] + NOISE + piece[at:]
            if self._random.random() < self.loss:
                self.lost += 1
                piece = piece[:at] + piece[at + 1 :]
            spoilt += piece
        return spoilt

    def transport(self, *, tar: bool | None = None, input_rate: int | None = None) -> SerialTransport:
        """A transport over it."""
        spec = ConsoleSpec(shell_prompt="# ?$")
        names = (str(self.disks.scratch), str(self.disks.payload))
        return SerialTransport(
            self.console,
            self.disks,
            lambda: ConsoleShell(self.console, spec, LoginSpec(kind="shell"), 0.2),
            names,
            directory=str(self._directory / "agent"),
            tar=tar,
            input_rate=input_rate,
        )

    def hang_up(self) -> None:
        """End the line, as QEMU's end does."""
        with contextlib.suppress(OSError):
            self._theirs.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.shell.kill()
        self.shell.wait()
        self._over.set()
        self.hang_up()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.console.close()
        for thread in self._threads:
            thread.join()
        os.close(self._master)
        self._theirs.close()
