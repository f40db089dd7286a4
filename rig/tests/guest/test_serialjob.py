"""The console as a line of frames: an agent's end is read whole, however its words come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rig.deadline import Deadline
from rig.guest.frames import Frame, encode
from rig.guest.serialjob import Line, SilentAgentError

END = b"Killed\r\nrig-agent ended 137\r\n# "
FRAME = Frame("o", 7, 1, b"rig-agent ended 5\n")
SOON = Deadline.after(60)


def line_of(*pieces: bytes) -> Line:
    coming = iter(pieces)
    console: Any = SimpleNamespace(take=lambda _: next(coming), watch=SimpleNamespace(panicked=False))
    return Line(console)


@pytest.mark.parametrize("at", range(1, len(END)))
def test_an_agents_end_in_two_pieces(at: int) -> None:
    line = line_of(END[:at], END[at:])
    with pytest.raises(SilentAgentError, match=r"has ended \(status 137\)$"):
        for _ in range(2):
            line.receive(SOON)


def test_what_a_command_prints_is_no_agents_end() -> None:
    line = line_of(encode(FRAME), b"./rig-agent $D;echo rig-agent\\ ended $?\r\n")
    assert line.receive(SOON) == [FRAME]
    assert line.receive(SOON) == []
