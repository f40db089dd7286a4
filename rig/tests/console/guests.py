"""A guest's side of a console: a real sh on a real terminal, spoken to through a socket, with a kernel that interrupts.

Three habits of real consoles are added where a test asks for them: a login prompt, a line editor that redraws long
lines as the shell of the Darwin 20 fork does (see fixtures/console/darwin20-boot.log), and kernel messages that come
in the middle of something.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import socket
import subprocess
import termios
import threading
from collections.abc import Callable
from types import TracebackType

CHATTER = b"[   12.345678] e1000: eth0 NIC Link is Up 1000 Mbps\r\n"
WIDTH = 80
_READY = b"\x02ready\x02"
"""What the shell itself has as its prompt: turned into the guest's own on the way out."""

Change = Callable[[bytes], bytes]


class ShellGuest:
    """`changes` are tried in order on all that the guest sends, a whole burst of output at a time."""

    def __init__(
        self,
        *,
        prompt: bytes = b"# ",
        login: tuple[str, str | None] | None = None,
        redraws: bool = False,
        changes: tuple[Change, ...] = (),
    ) -> None:
        self.host, self._line = socket.socketpair()
        self.typed = b""
        self._prompt = prompt
        self._login = login
        self._redraws = redraws
        self._changes = changes
        self._shell: subprocess.Popen[bytes] | None = None
        self._terminal = -1
        self._pending = b""
        self._name: str | None = None
        self._edited = b""
        self._input = threading.Thread(target=self._read_keys, daemon=True)
        self._output: threading.Thread | None = None

    def __enter__(self) -> ShellGuest:
        if self._login is None:
            self._start_shell()
        self._input.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shell is not None:
            self._shell.kill()
            self._shell.wait()
        for end in (self._line, self.host):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._input.join()
        if self._output is not None:
            self._output.join()
        self._line.close()
        self.host.close()

    def say(self, data: bytes) -> None:
        """Send, after the changes."""
        for change in self._changes:
            data = change(data)
        with contextlib.suppress(OSError):
            self._line.sendall(data)

    def _read_keys(self) -> None:
        if self._login is not None:
            self.say(b"\r\nguest login: ")
        with contextlib.suppress(OSError):
            while keys := self._line.recv(4096):
                self.typed += keys
                if self._shell is None:
                    keys = self._log_in(keys)
                if self._shell is not None and keys:
                    if self._redraws:
                        self._edit(keys)
                    os.write(self._terminal, keys)

    def _log_in(self, keys: bytes) -> bytes:
        """Take lines until somebody is in; what follows is the shell's."""
        assert self._login is not None
        self._pending += keys
        while self._shell is None and b"\n" in self._pending:
            line, _, self._pending = self._pending.partition(b"\n")
            word = line.replace(b"\x03", b"").decode()
            name, password = self._login
            if self._name is None and word == name and password is None:
                self._let_in()
            elif self._name is None:
                self._name = word or None
                self.say(b"\r\nPassword: " if word else b"\r\nguest login: ")
            elif (self._name, word) == (name, password):
                self._let_in()
            else:
                self._name = None
                self.say(b"\r\nLogin incorrect\r\nguest login: ")
        if self._shell is None:
            return b""
        rest, self._pending = self._pending, b""
        return rest

    def _let_in(self) -> None:
        self.say(b"\r\nLast login: never\r\n")
        self._start_shell()

    def _start_shell(self) -> None:
        self._terminal, theirs = pty.openpty()
        if self._redraws:
            habits = termios.tcgetattr(theirs)
            habits[3] &= ~termios.ECHO
            termios.tcsetattr(theirs, termios.TCSANOW, habits)
        self._shell = subprocess.Popen(
            # Not by preexec_fn: what runs there after a fork in a process with threads may wait for ever.
            ["setsid", "--ctty", "/bin/sh", "-i"],
            env={"PS1": _READY.decode(), "PS2": "> ", "PATH": os.environ["PATH"]},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._output = threading.Thread(target=self._read_shell, daemon=True)
        self._output.start()

    def _read_shell(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._terminal, 65536):
                data = data.replace(_READY, self._prompt)
                self.say(data.replace(b"\r\n", b"\r\r\n") if self._redraws else data)
        os.close(self._terminal)

    def _edit(self, keys: bytes) -> None:
        """Echo as a line editor does: past the right edge the line is drawn anew, from further on."""
        for key in keys:
            if key == ord("\n"):
                self.say(b"\r\r\r\n")
                self._edited = b""
                continue
            self._edited += bytes([key])
            column = len(self._prompt) + len(self._edited)
            if column % (WIDTH - 1):
                self.say(bytes([key]))
            else:
                shown = self._edited[-(WIDTH // 2 + 16) :]
                blank = WIDTH - 2 - len(shown)
                self.say(b"\r" + shown + b" " * blank + b"<" + b"\b" * (blank + 1))


def once(pattern: bytes, replacement: bytes) -> Change:
    """A change of the first match of a regular expression, which must come in one burst."""
    done: list[bool] = []

    def change(data: bytes) -> bytes:
        if done:
            return data
        data, count = re.subn(pattern, replacement, data, count=1)
        done.extend([True] * count)
        return data

    return change
