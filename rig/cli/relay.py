"""A user's terminal joined to a byte stream (a console socket, an SSH channel) until either side ends."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Protocol

ESCAPE = b"\x1d"
"""Ctrl-] leaves, as in telnet and virsh console."""
_CHUNK = 4096


class Stream(Protocol):
    """What a socket and a paramiko channel have in common."""

    def fileno(self) -> int:
        """A descriptor to wait on."""

    def recv(self, size: int, /) -> bytes:
        """Bytes, or none at the end."""

    def sendall(self, data: bytes, /) -> object:
        """Send all of them."""


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    """The terminal passes each key on as it is; restored whatever happens. No terminal: nothing to do."""
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def relay(stream: Stream) -> None:
    """Join standard input and output to `stream` until it ends, input ends, or the user types Ctrl-]."""
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    open_input = True
    with _raw(keyboard):
        while True:
            ready, _, _ = select.select([stream, *([keyboard] if open_input else [])], [], [])
            if stream in ready:
                data = stream.recv(_CHUNK)
                if not data:
                    return
                os.write(screen, data)
            if keyboard in ready:
                typed = os.read(keyboard, _CHUNK)
                if ESCAPE in typed:
                    return
                if typed:
                    stream.sendall(typed)
                else:
                    if not os.isatty(keyboard):
                        return
                    open_input = False
