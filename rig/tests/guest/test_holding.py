"""A guest that is held, step by step: stopped, written down, and let go of only then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.errors import GuestDied, HangError, HostError, PanicError
from rig.guest.holding import hold, how_to_look, may_be_held
from rig.guest.registry import Registry
from rig.machine.qmp import MonitorTimeout


class Steps(Registry):
    """A registry that tells what is done, and to whom; `full` cannot write."""

    def __init__(self, root: Path, *, full: bool = False) -> None:
        super().__init__(root)
        self.told: list[str] = []
        self.full = full

    def add(self, name: str, guest: Any) -> Any:
        self.told.append(f"add {name}")
        if self.full:
            raise HostError("disk full")

    def guest(self, *, deaf: bool = False, **more: Any) -> Any:
        def pause(*, seconds: float) -> None:
            self.told.append("pause")
            if deaf:
                raise MonitorTimeout("QEMU did not answer stop")

        machine = SimpleNamespace(pause=pause, process=SimpleNamespace(alive=more.pop("alive", True)))
        return SimpleNamespace(
            machine=machine,
            stored=SimpleNamespace(spec=SimpleNamespace(name="reference")),
            options=SimpleNamespace(detached=more.pop("detached", True)),
            lost=more.pop("lost", PanicError("panicked")),
            leave=lambda: self.told.append("leave"),
        )


@pytest.mark.parametrize("deaf", [False, True])
def test_it_is_stopped_written_down_and_let_go_of(deaf: bool, tmp_path: Path) -> None:
    """Also where QEMU does not answer: one that hangs is what one wants to look into."""
    steps = Steps(tmp_path)
    name = hold(steps.guest(deaf=deaf), steps)
    assert (name, steps.told) == ("held-reference", ["pause", "add held-reference", "leave"])
    assert f"rig gdb {name}" in how_to_look(name)


def test_one_that_cannot_be_written_down_is_not_let_go_of(tmp_path: Path) -> None:
    steps = Steps(tmp_path, full=True)
    with pytest.raises(HostError, match="disk full"):
        hold(steps.guest(), steps)
    assert "leave" not in steps.told


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"lost": HangError("hangs")}, True),
        ({"lost": GuestDied("QEMU ended")}, False),
        ({"lost": None}, False),
        ({"alive": False}, False),
        ({"detached": False}, False),
    ],
)
def test_what_there_is_to_look_into(changes: dict[str, Any], may: bool, tmp_path: Path) -> None:
    assert may_be_held(Steps(tmp_path).guest(**changes)) is may
