"""What the screen says of guests."""

from __future__ import annotations

import pytest

from rig.events import Events
from rig.report import LiveTable
from rig.run.telling import Teller
from rig.spec import Isolation
from rig.tests.report.screen import Screen


@pytest.fixture
def screen() -> Screen:
    return Screen(200, terminal=False)


def guest(events: Events, name: str, how: str = "the next one", *, routine: bool = True) -> None:
    events.emit("accel.chosen", guest=name, accel="tcg", reason="asked for")
    events.emit("guest.boot.started", guest=name)
    events.emit("boot.stage", guest=name, stage="ssh", seconds=0.25)
    events.emit("guest.boot.ended", guest=name, accel="tcg", seconds=0.5)
    events.emit("guest.ended", guest=name, how=how, routine=routine)


@pytest.mark.parametrize(("isolation", "told"), [(Isolation.SUITE, 12), (Isolation.PROBE, 8), (Isolation.CASE, 8)])
def test_of_many_guests_only_the_first_of_a_worker_is_followed(screen: Screen, isolation: Isolation, told: int) -> None:
    events = Events()
    events.listen(Teller(LiveTable(screen.console, {}, plain=True), isolation).hear)
    for name in ("gw0-1", "gw1-1", "gw0-2"):
        guest(events, name)
    lines = screen.text.splitlines()
    assert len([line for line in lines if "accelerator" not in line]) == told
    assert [line for line in lines if "accelerator" in line] == ["guest gw0-1: accelerator tcg: asked for"]


def test_what_goes_wrong_is_told_of_every_guest(screen: Screen) -> None:
    events = Events()
    events.listen(Teller(LiveTable(screen.console, {}, plain=True), Isolation.CASE).hear)
    guest(events, "gw0-7", "QEMU ended: killed by SIGKILL", routine=False)
    events.emit("guest.boot.failed", guest="gw0-8", fault="no loader\nand more")
    for name in ("gw0-9", "gw1-9"):
        events.emit("guest.waiting", guest=name, reason="no room")
    assert [line.partition(" (at")[0] for line in screen.text.splitlines()] == [
        "guest gw0-7: accelerator tcg: asked for",
        "guest gw0-7 ended: QEMU ended: killed by SIGKILL",
        "guest gw0-8 failed to boot: no loader",
        "guest gw0-9 waits: no room",
    ]
