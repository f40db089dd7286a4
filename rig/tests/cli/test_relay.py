"""A terminal joined to a stream: keys in, bytes out, and the terminal as it was afterwards."""

from __future__ import annotations

import os
import pty
import socket
import sys
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rig.cli.relay import relay
from rig.errors import InputError

PATIENCE = 60.0


class Joined:
    """`relay` under way: the far end of the stream, and of the user's two pipes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, keyboard: int | None = None) -> None:
        self.near, self.far = socket.socketpair()
        self.far.settimeout(PATIENCE)
        if keyboard is None:
            keyboard, self.keys = os.pipe()
        else:
            self.keys = -1
        self._stdin = os.fdopen(keyboard, "rb", buffering=0)
        self.screen, theirs = os.pipe()
        self._stdout = os.fdopen(theirs, "w")
        monkeypatch.setattr(sys, "stdin", self._stdin)
        monkeypatch.setattr(sys, "stdout", self._stdout)
        self.faults: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            relay(self.near)
        except BaseException as fault:
            self.faults.append(fault)

    def ended(self) -> bool:
        self._thread.join(PATIENCE)
        return not self._thread.is_alive() and self.faults == []

    def end_input(self) -> None:
        if self.keys >= 0:
            os.close(self.keys)
        self.keys = -1

    def close(self) -> None:
        self.end_input()
        self.far.close()
        self._thread.join(PATIENCE)
        self.near.close()
        self._stdin.close()
        self._stdout.close()
        os.close(self.screen)


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> Iterator[Joined]:
    made = Joined(monkeypatch)
    yield made
    made.close()


def test_bytes_go_both_ways_until_the_stream_ends(joined):
    joined.far.sendall(b"login: \xff\x1b[1m")
    assert os.read(joined.screen, 100) == b"login: \xff\x1b[1m"
    os.write(joined.keys, b"root\r")
    assert joined.far.recv(100) == b"root\r"
    joined.far.sendall(b"bye")
    joined.far.shutdown(socket.SHUT_WR)
    assert joined.ended()
    assert os.read(joined.screen, 100) == b"bye"


def test_what_was_typed_before_ctrl_bracket_is_sent(joined):
    os.write(joined.keys, b"ls\r\x1drest")
    assert joined.ended()
    assert joined.far.recv(100) == b"ls\r"


def test_the_end_of_input_leaves(joined):
    os.write(joined.keys, b"ls\r")
    joined.end_input()
    assert joined.ended()
    assert joined.far.recv(100) == b"ls\r"


def test_a_screen_that_takes_a_little_at_a_time_gets_everything(joined, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    joined.far.sendall(b"0123456789")
    joined.far.shutdown(socket.SHUT_WR)
    assert joined.ended()
    assert os.read(joined.screen, 100) == b"0123456789"


def until_raw(terminal: int) -> None:
    # What is typed before is the terminal's own: it may be thrown away, and Ctrl-C is a signal.
    end = time.monotonic() + PATIENCE
    while termios.tcgetattr(terminal)[3] & (termios.ECHO | termios.ISIG):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["leave", "fault"])
def test_the_terminal_is_raw_meanwhile_and_as_before_afterwards(monkeypatch, how):
    user, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    keep = os.dup(terminal)
    joined = Joined(monkeypatch, keyboard=terminal)
    until_raw(keep)
    # Ctrl-C is a byte for the guest, and comes at once, without a newline.
    os.write(user, b"\x03")
    assert joined.far.recv(10) == b"\x03"
    if how == "leave":
        os.write(user, b"\x1d")
        assert joined.ended()
    else:
        os.close(joined.screen)
        joined.screen = os.open(os.devnull, os.O_RDONLY)
        joined.far.sendall(b"x")
        assert not joined.ended() and isinstance(joined.faults[0], BrokenPipeError)
    assert termios.tcgetattr(keep) == before
    joined.close()
    os.close(keep)
    os.close(user)


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_without_a_keyboard_or_a_screen(monkeypatch, name):
    near, far = socket.socketpair()
    nothing: Any = None
    monkeypatch.setattr(sys, name, nothing)
    with near, far, pytest.raises(InputError, match="a pipe on both sides"):
        relay(near)
