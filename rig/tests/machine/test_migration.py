"""A machine's state saved and loaded: real QEMU on a disk that nothing boots from."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.errors import GuestDied, HostError
from rig.machine import Machine
from rig.machine.launch import MemoryFile
from rig.machine.migration import StateError, UnsavableError, load_state, save_state
from rig.machine.qmp import MonitorError
from rig.machine.sparse import digest
from rig.spec import Clock


def saved(launch, place: Path, **keywords) -> None:
    """A machine that ran for a moment, in `place`: ram and state."""
    made = launch(memory_file=MemoryFile(place / "ram", shared=True), **keywords)
    with Machine(made) as machine:
        machine.resume()
        machine.monitor.human("xp /1xw 0xb8000")
        save_state(machine, place / "state", 60)
        machine.stop(soft_seconds=30)


@pytest.mark.qemu
@pytest.mark.parametrize("clock", list(Clock))
def test_what_was_saved_goes_on_in_two_others(launch, disk, place, clock) -> None:
    saved(launch, place, clock=clock)
    ram = digest(place / "ram")
    for name in ("one", "two"):
        directory = place / name
        directory.mkdir()
        made = launch(memory_file=MemoryFile(place / "ram"), incoming=True, clock=clock)
        with Machine(replace(made, directory=directory)) as machine:
            load_state(machine, place / "state", 60)
            assert machine.monitor.execute("query-status")["status"] == "paused"
            assert "EIP=0000fff0" not in machine.registers()  # not the reset vector: nothing was booted
            machine.resume()
            assert machine.monitor.execute("query-status")["status"] == "running"
            machine.monitor.human("xp /1xw 0xb8000")
    assert digest(place / "ram") == ram


@pytest.mark.qemu
def test_a_device_that_cannot_be_saved_is_named(launch, disk, place) -> None:
    # QEMU's own NVMe controller says that it is unmigratable in every version.
    nvme = ["-blockdev", "driver=null-co,size=1048576,read-zeroes=on,node-name=n", "-device", "nvme,serial=x,drive=n"]
    with pytest.raises(UnsavableError, match=r"could not save the machine: .*nvme"):
        saved(launch, place, spec={"extra_args": nvme})


@pytest.mark.qemu
def test_a_state_that_is_none_is_told_in_qemus_words(launch, disk, place) -> None:
    saved(launch, place)
    (place / "state").write_bytes(b"no state" * 1000)
    made = launch(memory_file=MemoryFile(place / "ram"), incoming=True)
    with Machine(made) as machine, pytest.raises(StateError, match=r"could not load the machine's state: .*migration"):
        load_state(machine, place / "state", 60)


@pytest.mark.qemu
def test_no_room_for_the_state(launch, disk, place) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (place / "state").symlink_to("/dev/full")
    with pytest.raises(HostError, match="disk full: cannot save a machine's state"):
        saved(launch, place)


@pytest.mark.qemu
def test_qemu_killed_before_the_save(launch, disk, place) -> None:
    made = launch(memory_file=MemoryFile(place / "ram", shared=True))
    with Machine(made) as machine:
        os.kill(machine.process.pid, signal.SIGKILL)
        machine.process.wait(30)
        with pytest.raises(GuestDied):
            save_state(machine, place / "state", 30)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("State blocked by non-migratable device '0000:00:04.0/nvme'", UnsavableError),
        ("The vvfat (rw) format used by node 'n' does not support live migration", UnsavableError),
        ("Migration is disabled when VirtFS export path '/' is mounted", UnsavableError),
        ("Too many open files", StateError),
        ("Cannot allocate memory", StateError),
        ("Unable to write to command: Broken pipe", StateError),
    ],
)
@pytest.mark.parametrize("when", ["at once", "later"])
def test_what_the_host_lacks_is_told_apart_from_what_the_machine_is(when, said, kind, tmp_path):
    def execute(command, *_, **__):
        if command == "migrate" and when == "at once":
            raise MonitorError(f"QEMU refused migrate: {said}")
        return {"status": "failed", "error-desc": said}

    machine: Any = SimpleNamespace(monitor=SimpleNamespace(execute=execute), process=SimpleNamespace(output=""))
    with pytest.raises(StateError) as caught:
        save_state(machine, tmp_path / "state")
    assert type(caught.value) is kind and said in str(caught.value)
