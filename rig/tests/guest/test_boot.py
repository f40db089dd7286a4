"""Following a boot: each stage, and each way in which one is not reached."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rig.errors import BootError, GuestDied
from rig.events import Event, Events
from rig.guest.boot import Boot
from rig.machine.qmp import MonitorError, MonitorTimeout
from rig.spec import BootStage
from rig.tests.guest.fakes import BOOT, LINES, PANIC, FakeMachine, Step, console_of, make_spec

Make = Callable[..., tuple[Boot, FakeMachine]]


def not_ssh(stage: BootStage) -> bool:
    return stage.name != "ssh"


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def make(heard: list[Event], monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr("rig.guest.boot._STEP", 0.02)
    machines = []

    def build(
        *script: Step, factor: float = 1.0, patience: float = math.inf, **changes: Any
    ) -> tuple[Boot, FakeMachine]:
        spec = make_spec(**changes)
        machine = FakeMachine(script=script)
        events = Events()
        events.listen(heard.append)
        console = console_of(machine, spec)
        machines.append((machine, console))
        boot = Boot(spec.boot, machine, console, events, factor=factor, patience=patience)  # type: ignore[arg-type]
        boot.begin()
        return boot, machine

    yield build
    for machine, console in machines:
        machine.die()
        console.close()


def names(boot: Boot) -> list[tuple[str, bool]]:
    return [(stage.name, stage.seen) for stage in boot.reached]


def test_stages_are_reached_in_order(make: Make, heard: list[Event]) -> None:
    boot, _ = make(*BOOT)
    boot.follow(not_ssh)
    assert names(boot) == [("firmware", True), ("kernel", True), ("login", True)]
    assert [event.data["stage"] for event in heard if event.name == "boot.stage"] == ["firmware", "kernel", "login"]
    times = [stage.at for stage in boot.reached]
    assert times == sorted(times)
    assert sum(stage.took for stage in boot.reached) == pytest.approx(times[-1])


def test_a_stage_whose_line_was_missed_is_told_as_not_seen(make: Make) -> None:
    boot, _ = make(LINES["login"])
    boot.follow(not_ssh)
    assert names(boot) == [("firmware", False), ("kernel", False), ("login", True)]


def test_a_stage_in_pieces_is_one_stage(make: Make) -> None:
    boot, _ = make(*(bytes([byte]) for byte in b"".join(BOOT)))
    boot.follow(not_ssh)
    assert [name for name, _ in names(boot)] == ["firmware", "kernel", "login"]


def test_what_a_stage_sends_is_typed(make: Make) -> None:
    stages = [{"name": "loader", "pattern": "boot:", "deadline": 20, "send": "-v\n"}]
    boot, machine = make(b"boot: ", boot={"stages": stages})
    boot.follow()
    machine.theirs.settimeout(20)
    assert machine.theirs.recv(10) == b"-v\n"


def test_a_stuck_boot_is_told_in_words(make: Make) -> None:
    boot, _ = make(LINES["firmware"], b"initramfs: no root file system\r\n")
    with pytest.raises(BootError, match=r"'kernel' will not be reached: the kernel found no disk .*last .*: firmware"):
        boot.follow(not_ssh)


@pytest.mark.parametrize(
    ("cpus", "stopped", "words"),
    [
        ("the CPU is busy at 0x7c00", False, "; the CPU is busy at 0x7c00 "),
        ("", False, " "),
        (MonitorError("QEMU refused stop"), False, " "),
        (MonitorTimeout("QEMU did not answer"), False, "; QEMU's monitor does not answer either "),
        (MonitorTimeout("QEMU did not answer"), True, ", and QEMU's process is stopped "),
    ],
)
def test_silence_ends_a_boot(make: Make, cpus: Any, stopped: bool, words: str) -> None:
    boot, machine = make(LINES["firmware"], boot={"silence": 0.1})
    machine.cpus, machine.process.stopped = cpus, stopped
    silence = re.escape(f"'kernel' was not reached: no byte on the console for 0 s{words}(last stage")
    with pytest.raises(BootError, match=silence):
        boot.follow(not_ssh)


def test_a_stage_has_its_deadline_however_much_is_said(make: Make) -> None:
    stages = [{"name": "kernel", "pattern": "Darwin", "deadline": 0.05}]
    boot, _ = make(b"chatter\r\n" * 50, boot={"stages": stages})
    with pytest.raises(BootError, match=r"'kernel' was not reached in 0 s \(last stage reached: power on"):
        boot.follow()


def test_the_factor_scales_deadlines_and_silence(make: Make) -> None:
    stages = [{"name": "kernel", "pattern": "Darwin", "deadline": 0.001}]
    boot, _ = make(factor=2000, boot={"stages": stages, "silence": 0.0001})
    with pytest.raises(BootError, match="no byte on the console for 0 s"):
        boot.follow()


def test_a_trial_is_impatient_with_silence_and_with_stages(make: Make) -> None:
    quiet, _ = make(patience=0.05)
    with pytest.raises(BootError, match=r"no byte|was not reached in 0 s"):
        quiet.follow(not_ssh)


def test_a_panic_ends_a_boot_at_once(make: Make) -> None:
    boot, _ = make(LINES["firmware"], PANIC)
    with pytest.raises(BootError, match=r"'kernel' was not reached: kernel panic: .*not syncing: test"):
        boot.follow(not_ssh)


def test_qemu_that_ends(make: Make) -> None:
    boot, _ = make(LINES["firmware"], FakeMachine.die)
    with pytest.raises(GuestDied, match=r"QEMU ended \(killed by SIGKILL\) before boot stage 'kernel'"):
        boot.follow(not_ssh)


def test_a_guest_that_resets_itself(make: Make) -> None:
    boot, _ = make(LINES["firmware"], lambda machine: machine.powered.set())
    with pytest.raises(BootError, match="was not reached: the guest reset itself; the CPU is busy at 0x7c00"):
        boot.follow(not_ssh)


def test_stages_without_a_line_lend_their_time_to_the_next(make: Make) -> None:
    stages = [
        {"name": "firmware", "deadline": 20},
        {"name": "loader", "deadline": 30},
        {"name": "kernel", "pattern": "Darwin", "deadline": 5},
        {"name": "network", "deadline": 7},
        {"name": "ssh", "deadline": 10},
    ]
    boot, _ = make(boot={"stages": stages})
    assert (boot.allowance("kernel"), boot.allowance("ssh"), boot.allowance("shell")) == (55, 17, None)


SHELL = {"stages": [{"name": "shell", "pattern": "# ?$", "deadline": 2_000}], "silence": 80_000}


def test_a_prompt_that_was_swamped_is_asked_for_again(make: Make) -> None:
    def answer(machine: FakeMachine) -> None:
        def wait() -> None:
            if machine.theirs.recv(9) == b"\n":
                machine.say(b"\r\nbash-3.2# ")

        threading.Thread(target=wait, daemon=True).start()

    boot, _ = make(b"bash-3.2# AppleThing: link up\r\n", answer, factor=0.01, boot=SHELL)
    boot.follow()
    assert names(boot) == [("shell", True)]


def test_only_a_prompt_is_asked_for_and_not_for_ever(make: Make) -> None:
    stages = [{"name": name, "pattern": name, "deadline": 80_000} for name in ("userland", "shell")]
    typed = []
    for waited in (stages, stages[1:]):
        boot, machine = make(b"words", factor=0.002, patience=1, boot={"stages": waited, "silence": 80_000})
        with pytest.raises(BootError, match=f"'{waited[0]['name']}' was not reached"):
            boot.follow()
        machine.ours.sendall(b"END")
        typed.append(machine.theirs.recv(99))
    assert typed == [b"END", b"\n\n\n\nEND"]
