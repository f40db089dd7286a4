"""`rig up`, called as a user calls it, with guests that are not there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.cli import guests
from rig.errors import BootError, Evidence, HostError
from rig.guest.registry import Registry
from rig.machine import Network
from rig.spec import Accel, BootFlags, Clock, PanicMode
from rig.tests.cli.calls import Rig
from rig.tests.guest.running import Sleepers


class Booted:
    """What `boot_guest` gives."""

    def __init__(self, start: Sleepers, **options: Any) -> None:
        self.asked = options
        self.options = SimpleNamespace(keep=options["keep"])
        self.one = start("fresh", pid=0)
        self.left = self.closed = self.on_time = False
        process = SimpleNamespace(pid=start.processes[-1].pid)
        launch = SimpleNamespace(directory=self.one.directory, logs=options["logs"])
        self.machine = SimpleNamespace(process=process, launch=launch)
        self.stored = options["stored"]
        self.transport = None
        self.accel, self.factor = options["accel"], 5.0

    def set_clock(self) -> None:
        self.on_time = True

    def leave(self) -> None:
        self.left = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def boots(start: Sleepers, monkeypatch: pytest.MonkeyPatch) -> list[Booted]:
    found: list[Booted] = []

    class Store:
        def ensure(self, spec: Any, say: Any) -> Any:
            return SimpleNamespace(spec=spec)

    def boot(stored: Any, options: Any, events: Any) -> Booted:
        events.emit("accel.chosen", accel="tcg", reason="[bold]asked[/bold] for", trial=False)
        events.emit("boot.stage", stage="login", seconds=1.0, took=1.0, seen=True)
        found.append(Booted(start, stored=stored, **options.__dict__))
        return found[-1]

    monkeypatch.setattr(guests, "Store", Store)
    monkeypatch.setattr(guests, "ready_guest", boot)
    return found


def test_up_leaves_a_guest_that_is_listed(rig: Rig, boots: list[Booted], home: Path) -> None:
    answer = rig("up", "--accel", "tcg", "--clock", "exact", "--net", "--memory", "300", "--ssh-port", "2022")
    assert answer.code == 0
    assert "accelerator tcg: [bold]asked[/bold] for" in answer.out
    assert "1.0 s  login" in answer.out
    assert "reference runs:" in answer.out
    (one,) = boots
    options = one.asked
    assert (one.left, one.closed, one.on_time, options["detached"]) == (True, False, True, True)
    assert options["cold"] is False
    assert (options["accel"], options["clock"], options["network"]) == (Accel.TCG, Clock.EXACT, Network.OPEN)
    assert (options["memory"], options["ssh_port"]) == (300, 2022)
    assert options["logs"].parent == home / "state" / "logs"
    assert [guest.name for guest in Registry().all()] == ["reference"]


def test_up_cold(rig: Rig, boots: list[Booted]) -> None:
    assert rig("up", "--cold").code == 0
    assert boots[0].asked["cold"] is True


def test_up_refuses_a_name_that_is_taken(rig: Rig, boots: list[Booted], start: Sleepers) -> None:
    start("mine")
    answer = rig("up", "--name", "mine")
    assert answer.code == 2
    assert "a guest 'mine' runs already" in answer.err
    assert boots == []


def test_up_that_fails_shows_the_console_and_leaves_nothing(
    rig: Rig, boots: list[Booted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BootError("boot stage 'kernel' was not reached", evidence=Evidence(console="No bootable device."))

    monkeypatch.setattr(guests, "ready_guest", fail)
    answer = rig("up")
    assert answer.code == 2
    assert "boot stage 'kernel' was not reached" in answer.err
    assert "| No bootable device." in answer.err
    assert "Traceback" not in answer.err
    assert Registry().all() == []


def test_up_that_cannot_be_written_down_ends_its_guest(
    rig: Rig, boots: list[Booted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise HostError("the disk is full")

    monkeypatch.setattr(Registry, "add", fail)
    assert rig("up").code == 2
    assert (boots[0].closed, boots[0].left) == (True, False)


def test_up_hands_on_kernel_flags_and_that_the_disk_is_kept(rig: Rig, boots: list[Booted]) -> None:
    answer = rig("up", "--panic", "reboot", "--boot-args", "-v a=1", "--keep")
    assert answer.code == 0
    assert boots[0].asked["flags"] == BootFlags(panic=PanicMode.REBOOT, boot_args="-v a=1")
    assert Registry().all()[0].keep is True


def test_flags_that_are_no_line_are_refused_in_words(rig: Rig, boots: list[Booted]) -> None:
    answer = rig("up", "--boot-args", "a\nb")
    assert answer.code == 2
    assert "one line of at most 1023" in answer.err
    assert boots == []
