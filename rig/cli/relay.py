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

from rig.errors import InputError

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
    """Join standard input and output to `stream` until it ends, input ends, or the user types Ctrl-].

    Raises `InputError` where there is no standard input or output.
    """
    try:
        keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    except (AttributeError, ValueError, OSError) as fault:
        raise InputError("a terminal, or a pipe on both sides, is needed here") from fault
    sys.stdout.flush()
    with _raw(keyboard):
        while True:
            ready, _, _ = select.select([stream, keyboard], [], [])
            if stream in ready:
                data = stream.recv(_CHUNK)
                if not data:
                    return
                _write(screen, data)
            if keyboard in ready:
                typed, leave, _ = os.read(keyboard, _CHUNK).partition(ESCAPE)
                if typed:
                    stream.sendall(typed)
                if leave or not typed:
                    return


def _write(fd: int, data: bytes) -> None:
    """All of it: a pipe or a slow terminal may take a part at a time."""
    while data:
        data = data[os.write(fd, data) :]
