"""What is seen of a machine from outside, by a clock that a test turns; then of real CPUs that halt, spin and wait."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.machine import Machine, vitals
from rig.machine.cpus import read_states
from rig.machine.qmp import MonitorTimeout
from rig.machine.vitals import Vitals
from rig.tests.machine.conftest import PATIENCE
from rig.tests.machine.test_cpus import LONG, OFF

PID, THREAD = 40, 41


class FakeMachine:
    """Its threads are files below `proc`."""

    def __init__(self, proc: Path) -> None:
        self.process = SimpleNamespace(pid=PID)
        self.flags, self.halted = 0x246, 0
        self.deaf = False
        self.asked: list[str] = []
        self.status_file = proc / str(PID) / "task" / str(THREAD) / "status"
        self.status_file.parent.mkdir(parents=True)
        self.thread()

    def thread(self, state: str = "S (sleeping)", switches: int = 7) -> None:
        self.status_file.write_text(
            f"Name:\tqemu\nState:\t{state}\nvoluntary_ctxt_switches:\t{switches}\nnonvoluntary_ctxt_switches:\t2\n"
        )

    def cpu_threads(self, *, seconds: float) -> list[int]:
        return [THREAD]

    def registers(self, *, seconds: float) -> str:
        self.asked.append("registers")
        if self.deaf:
            raise MonitorTimeout("QEMU did not answer")
        return LONG.format(number=0, ip=0xFFFFFFFF81000000, flags=self.flags, halted=self.halted, ring=0)


class Watched:
    """A machine with its vitals, and a clock."""

    def __init__(self, proc: Path) -> None:
        self.machine = FakeMachine(proc)
        self.now = 500.0
        machine: Any = self.machine
        self.vitals = Vitals(machine, lambda: self.now)

    def look(self, seconds: float, into: bool = False, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Every quarter of a second, as a transport does."""
        for _ in range(int(seconds * 4)):
            meanwhile()
            self.vitals.look()
            if into:
                self.vitals.look_into()
            self.now += 0.25


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(vitals, "_PROC", tmp_path)
    return Watched(tmp_path)


def test_cpus_that_do_not_run(watched: Watched) -> None:
    watched.look(6)
    assert 4 <= watched.vitals.asleep <= 6
    watched.machine.thread(switches=8)
    watched.look(1.25)
    assert watched.vitals.asleep <= 1
    watched.look(6)
    watched.machine.thread("R (running)", switches=8)
    watched.look(1.25)
    assert watched.vitals.asleep <= 1, "runnable is awake, even where a busy host does not let it run"


def test_a_thread_that_cannot_be_seen_is_awake(watched: Watched) -> None:
    watched.look(6)
    watched.machine.status_file.unlink()
    watched.look(6)
    assert watched.vitals.asleep <= 1


def test_sleep_is_not_held_to_have_lasted_while_nobody_looked(watched: Watched) -> None:
    watched.look(2)
    watched.now += 60
    watched.look(1)
    assert watched.vitals.asleep <= 1


def test_a_halted_cpu_without_interrupts(watched: Watched) -> None:
    watched.machine.flags, watched.machine.halted = OFF, 1
    watched.look(2.25, into=True)
    assert watched.vitals.still == ""
    watched.look(2, into=True)
    assert watched.vitals.still == (
        "the CPU is halted for good, its interrupts off, at 0xffffffff81000000 (in the kernel)"
    )


def test_a_cpu_that_spins_without_interrupts(watched: Watched) -> None:
    watched.machine.flags = OFF
    watched.look(8, into=True)
    assert not watched.vitals.deaf
    watched.look(3, into=True)
    assert watched.vitals.deaf
    assert watched.vitals.still == "", "it may go on"
    watched.machine.flags = 0x246
    watched.look(2, into=True)
    assert not watched.vitals.deaf


def test_a_cpu_that_takes_interrupts_is_looked_into_now_and_then(watched: Watched) -> None:
    watched.machine.halted = 1
    watched.look(30, into=True)
    assert (watched.machine.asked, watched.vitals.still) == (["registers"] * 3, "")


def test_a_monitor_that_does_not_answer_is_left_alone(watched: Watched) -> None:
    watched.machine.deaf = True
    watched.look(29, into=True)
    assert watched.machine.asked == ["registers"]


def test_nothing_is_looked_into_unasked(watched: Watched) -> None:
    watched.look(60)
    assert watched.machine.asked == []


BOOT = {
    "halts": b"\xfa\xf4\xeb\xfd",  # cli; hlt; jmp to hlt
    "spins": b"\xfa\xeb\xfe",  # cli; jmp to itself
    "waits": b"\xfb\xf4\xeb\xfd",  # sti; hlt; jmp to hlt: the timer wakes it 18 times a second
    "works": b"\xfb\xeb\xfe",  # sti; jmp to itself
    # The timer stopped (port 0x43), all interrupts masked (0x21, 0xA1); sti; hlt; jmp to hlt
    "dozes": b"\xfa\xb0\x30\xe6\x43\xb0\xff\xe6\x21\xe6\xa1\xfb\xf4\xeb\xfd",
}


@pytest.fixture
def machine(launch, place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine whose boot sector is that of the parameter, and runs; looks come fast."""
    monkeypatch.setattr(vitals, "_APART", 0.2)
    monkeypatch.setattr(vitals, "_RELIEF", 0.2)
    raw = place / "raw"
    raw.write_bytes(BOOT[request.param].ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, place / "disk.qcow2"], check=True)
    with Machine(launch()) as found:
        found.resume()
        until = time.monotonic() + PATIENCE
        while not any(0x7C00 <= state.address < 0x7E00 for state in read_states(found.registers())):
            assert time.monotonic() < until
            time.sleep(0.05)
        yield found


def seen(machine: Machine, done: Callable[[Vitals], object]) -> Vitals:
    found = Vitals(machine)
    until = time.monotonic() + PATIENCE
    while not done(found):
        assert time.monotonic() < until
        time.sleep(0.05)
        found.look()
        found.look_into()
    return found


@pytest.mark.qemu
@pytest.mark.parametrize("machine", ["halts"], indirect=True)
def test_a_machine_that_halts(machine: Machine) -> None:
    found = seen(machine, lambda one: one.still)
    assert found.still == "the CPU is halted for good, its interrupts off, at 0x7c02 (in firmware or loader)"


@pytest.mark.qemu
@pytest.mark.parametrize("machine", ["spins"], indirect=True)
def test_a_machine_that_spins(machine: Machine) -> None:
    found = seen(machine, lambda one: one.deaf)
    assert (found.still, found.asleep < 2) == ("", True)


@pytest.mark.qemu
@pytest.mark.parametrize("machine", ["dozes"], indirect=True)
def test_a_machine_that_dozes(machine: Machine) -> None:
    found = seen(machine, lambda one: one.asleep > 2)
    assert (found.still, found.deaf) == ("", False)


@pytest.mark.qemu
@pytest.mark.parametrize("machine", ["waits", "works"], indirect=True)
def test_a_machine_that_lives(machine: Machine) -> None:
    found = Vitals(machine)
    for _ in range(30):
        time.sleep(0.1)
        found.look()
        found.look_into()
        assert (found.still, found.deaf, found.asleep < 2) == ("", False, True)
