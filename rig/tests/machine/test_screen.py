"""The screen: its text where the card is in text mode, else its picture; with a monitor that writes the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.deadline import Deadline
from rig.errors import TransportTimeout
from rig.machine.qmp import MonitorError
from rig.machine.screen import Screen


class FakeMachine:
    """A machine whose monitor writes what it is told to show."""

    def __init__(self, size: tuple[int, int] = (720, 400), shown: bytes = b"", dot: bytes = b"\0") -> None:
        self.size, self.shown, self.dot = size, shown, dot
        self.asked: list[str] = []

    @property
    def monitor(self) -> Any:
        return self

    def execute(self, command: str, arguments: dict[str, Any]) -> None:
        self.asked.append(command)
        path = Path(arguments["filename"])
        if command == "screendump":
            width, height = self.size
            path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + self.dot * (width * height * 3))
        else:
            assert arguments["val"] == 0xB8000
            cells = self.shown.ljust(arguments["size"] // 2)
            path.write_bytes(b"".join(bytes([byte, 0x07]) for byte in cells))


def screen_of(machine: FakeMachine, directory: Path) -> Screen:
    return Screen(machine, directory)  # type: ignore[arg-type]


def test_the_text_of_a_text_screen(tmp_path):
    machine = FakeMachine(shown=b"SeaBIOS".ljust(80) + b"boot: \xb3\0")
    view = screen_of(machine, tmp_path).look()
    assert view.rows is not None and len(view.rows) == 25 and {len(row) for row in view.rows} == {80}
    assert view.text == "SeaBIOS\nboot:"
    assert view.flow == "SeaBIOS" + 73 * " " + "boot:"
    assert list(tmp_path.iterdir()) == []


def test_a_blinking_cursor_is_no_change_in_text_mode_and_a_character_is(tmp_path):
    machine = FakeMachine(shown=b"a")
    screen = screen_of(machine, tmp_path)
    before = screen.look()
    machine.dot = b"\xff"
    assert screen.look() == before
    machine.shown = b"b"
    assert screen.changed(before, Deadline.after(20)).text == "b"


@pytest.mark.parametrize("size", [(640, 480), (1024, 768), (1280, 800), (720, 401), (9, 16)])
def test_graphics_are_only_seen_to_change_and_the_text_memory_is_left_alone(tmp_path, size):
    machine = FakeMachine(size=size, shown=b"not shown")
    screen = screen_of(machine, tmp_path)
    before = screen.look()
    assert before.rows is None and before.text == before.flow == ""
    assert "pmemsave" not in machine.asked
    machine.dot = b"\x01"
    assert screen.look().digest != before.digest


def test_what_is_never_shown_is_not_waited_for_without_end(tmp_path):
    screen = screen_of(FakeMachine(), tmp_path)
    with pytest.raises(TransportTimeout, match="in 0 s"):
        screen.changed(screen.look(), Deadline.after(0.05))


def test_a_picture_that_qemu_did_not_write(tmp_path):
    machine = FakeMachine()
    machine.execute = lambda command, arguments: None  # type: ignore[method-assign]
    with pytest.raises(MonitorError, match="no picture"):
        screen_of(machine, tmp_path).look()
