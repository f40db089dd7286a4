"""What stands on the guest's screen: its text where the card is in text mode, else whether the picture has changed.

In text mode nothing needs to be recognised: the characters lie in memory at 0xb8000 (VGA: odd bytes are colours).
Whether it is text mode the picture tells: QEMU draws such a screen with cells of 9 by 16 dots (hw/display/vga.c).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rig.deadline import Deadline
from rig.errors import TransportTimeout
from rig.machine.machine import Machine
from rig.machine.qmp import MonitorError

_TEXT_MEMORY = 0xB8000
_CELL = (9, 16)
_TEXT_SIZES = {(80, 25), (40, 25), (80, 50), (80, 43), (80, 28)}
"""Columns and rows that BIOS text modes have."""
_STEP = 0.1
_HEADER = 64


@dataclass(frozen=True)
class View:
    """One look. `rows` are a text screen's, each of full width; None for one in graphics mode."""

    digest: str
    rows: tuple[str, ...] | None

    @property
    def text(self) -> str:
        """The rows without the blanks at their ends; nothing in graphics mode."""
        return "\n".join(row.rstrip() for row in self.rows or ()).rstrip("\n")

    @property
    def flow(self) -> str:
        """The rows on end, as a line longer than the screen is broken; less the blanks at the end."""
        return "".join(self.rows or ()).rstrip()


class Screen:
    """Looks at a machine's screen. Scratch files lie in `directory`."""

    def __init__(self, machine: Machine, directory: Path) -> None:
        self._machine = machine
        self._picture = directory / "screen.ppm"
        self._memory = directory / "screen.text"

    def look(self) -> View:
        """What is there now. Raises `MonitorError`, `GuestDied`."""
        try:
            return self._look()
        except OSError as fault:
            raise MonitorError(f"QEMU wrote no picture of the screen: {fault}") from fault
        finally:
            self._picture.unlink(missing_ok=True)
            self._memory.unlink(missing_ok=True)

    def _look(self) -> View:
        monitor = self._machine.monitor
        monitor.execute("screendump", {"filename": str(self._picture)})
        picture = self._picture.read_bytes()
        cells = _cells(picture)
        if cells is None:
            return View(hashlib.sha256(picture).hexdigest(), None)
        # The picture itself would not do: its cursor blinks.
        columns, rows = cells
        size = columns * rows * 2
        monitor.execute("pmemsave", {"val": _TEXT_MEMORY, "size": size, "filename": str(self._memory)})
        shown = self._memory.read_bytes()[0:size:2]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else " " for byte in shown)
        return View(
            hashlib.sha256(shown).hexdigest(), tuple(text[at : at + columns] for at in range(0, len(text), columns))
        )

    def wait(self, enough: Callable[[View], bool], deadline: Deadline) -> View:
        """The first view that is `enough`. Raises `TransportTimeout` in time, `GuestDied` with QEMU, `MonitorError`."""
        while not enough(view := self.look()):
            if deadline.expired:
                raise TransportTimeout(f"the screen showed nothing of the kind in {deadline.total:.0f} s")
            time.sleep(deadline.slice(_STEP))
        return view

    def changed(self, since: View, deadline: Deadline) -> View:
        """The next view that differs from `since`. Raises as `wait` does."""
        return self.wait(lambda view: view.digest != since.digest, deadline)


def _cells(picture: bytes) -> tuple[int, int] | None:
    """Columns and rows of a picture of a text screen, a PPM (`P6 WIDTH HEIGHT 255`); None for any other."""
    words = picture[:_HEADER].split(maxsplit=4)
    if len(words) < 4 or words[0] != b"P6" or not (words[1] + words[2]).isdigit():
        return None
    width, height = int(words[1]), int(words[2])
    cells = (width // _CELL[0], height // _CELL[1])
    exact = width % _CELL[0] == 0 and height % _CELL[1] == 0
    return cells if exact and cells in _TEXT_SIZES else None
