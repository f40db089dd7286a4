"""Recorded consoles, and a console with its guest's end in the test's hand."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import rig
from rig.console import Console, Watch
from rig.spec import Dialect
from rig.tests.machine.conftest import place  # noqa: F401  (a fixture)

FIXTURES = Path(rig.__file__).parents[1] / "fixtures" / "console"
PATIENCE = 60.0
"""Seconds after which a test gives up; nothing is expected to take them."""


def recorded(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


class Wire:
    """A console and the guest's end of it."""

    def __init__(self, dialect: Dialect = Dialect.LINUX, *, input_rate: int | None = None) -> None:
        self.watch = Watch(dialect)
        ours, self.guest = socket.socketpair()
        self.console = Console(ours, self.watch, input_rate=input_rate)
        self.watch.on_alarm = self.console.alarm

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.guest.close()
        self.console.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()
