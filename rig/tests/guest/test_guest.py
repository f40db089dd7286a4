"""A guest in use: slow, dead, panicked or hanging are four different things."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.deadline import Deadline
from rig.errors import GuestDied, GuestError, HangError, PanicError, TransportError, TransportTimeout
from rig.events import Events
from rig.guest import Guest, GuestOptions
from rig.guest.patience import Patience
from rig.guest.transport import Lost, RunResult
from rig.spec import Accel
from rig.tests.guest.fakes import PANIC, FakeMachine, FakeStored, FakeTransport, console_of, make_spec

SLOW = TransportTimeout("'x' did not end within 60 s")


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    spec = make_spec()
    machine = FakeMachine()
    console = console_of(machine, spec)
    stored = FakeStored(spec, tmp_path / "disk", None)
    parts: Any = (stored, GuestOptions(tmp_path), machine, console, Accel.TCG, "", 5.0, Events())
    found = Guest(*parts)
    found.transport = FakeTransport()
    yield found
    machine.die()
    console.close()


def parts(guest: Guest) -> tuple[FakeMachine, FakeTransport]:
    machine, transport = guest.machine, guest.transport
    assert isinstance(machine, FakeMachine)
    assert isinstance(transport, FakeTransport)
    return machine, transport


def hear(guest: Guest, data: bytes) -> None:
    machine, _ = parts(guest)
    before = guest.console.watch.bytes_seen
    machine.say(data)
    patience = Deadline.after(20)
    while guest.console.watch.bytes_seen < before + len(data) and not patience.expired:
        time.sleep(0.01)


def test_deadlines_are_scaled(guest: Guest) -> None:
    _, transport = parts(guest)
    guest.run("x", seconds=10, idle=2)
    (command, deadline, idle) = transport.asked[0]
    assert (command, deadline.total) == ("x", 50.0)
    assert callable(idle)
    assert idle(0.0) == Patience(end=10.0)


def test_the_first_command_sets_a_stale_date_and_is_named_without_that(guest: Guest) -> None:
    _, transport = parts(guest)
    guest.clock_is_stale = True
    now = int(time.time())
    guest.run("x")
    guest.run("y")
    first, second = transport.befores
    found = re.match(r"{ date -u @(\d+) \|\| date -u \d+\.\d\d; } >/dev/null 2>&1\n$", first)
    assert found is not None and now <= int(found[1]) <= int(time.time())
    assert second == ""
    assert [command for command, _, _ in transport.asked] == ["x", "y"]


def test_a_slow_command_in_a_live_guest_is_slow(guest: Guest) -> None:
    _, transport = parts(guest)
    transport.fault = SLOW
    with pytest.raises(TransportTimeout) as caught:
        guest.run("x")
    assert caught.value is SLOW
    assert guest.alive


def test_a_guest_that_does_not_answer_hangs_and_stays_lost(guest: Guest) -> None:
    _, transport = parts(guest)
    guest.factor = 0.01
    transport.fault, transport.pings = SLOW, False
    with pytest.raises(HangError, match=r"no longer answers \('x' did not end") as caught:
        guest.run("x")
    assert caught.value.evidence.registers == "RIP=0"
    assert not guest.alive, "nobody may be handed a guest that hangs"
    assert guest.death() is caught.value


@pytest.mark.parametrize(
    ("state", "stopped", "words"),
    [
        ("running", False, "60 s); the CPU is busy at 0x7c00"),
        ("suspended", False, "60 s); QEMU's state: suspended"),
        ("", False, "60 s); nor does QEMU"),
        ("", True, "60 s); nor does QEMU: its process is stopped"),
    ],
)
def test_what_stands_between(
    state: str, stopped: bool, words: str, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, transport = parts(guest)
    guest.factor = 0.01
    transport.fault, transport.pings = SLOW, False
    machine.state, machine.process.stopped = state, stopped
    with pytest.raises(HangError) as caught:
        guest.run("x")
    assert caught.value.message.endswith(words)
    # A monitor that is silent is asked for nothing more: each question would cost its whole time-out.
    assert bool(caught.value.evidence.registers) is bool(state)


def test_a_machine_that_is_held_is_not_waited_for(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, transport = parts(guest)

    def run(command: str, deadline: Deadline, *, lost: Lost, **_: object) -> RunResult:
        assert not lost()
        machine.held = True
        assert lost()
        raise TransportError("the guest was lost while it ran 'x'")

    monkeypatch.setattr(transport, "run", run)
    transport.pings, machine.state = True, "paused"
    assert guest.alive, "QEMU runs"
    with pytest.raises(HangError, match=r"^the guest stands still; QEMU's state: paused\n") as caught:
        guest.run("x")
    assert "RIP" in caught.value.evidence.registers
    assert not guest.alive


def test_a_stopped_qemu_is_asked_for_nothing(guest: Guest) -> None:
    machine, transport = parts(guest)
    machine.held = machine.process.stopped = True
    transport.fault = TransportError("the guest was lost")
    with pytest.raises(HangError) as caught:
        guest.run("x")
    assert caught.value.message == "the guest stands still; QEMU's process is stopped"
    assert (caught.value.evidence.registers, caught.value.evidence.screenshot) == ("", None)


def test_a_warning_of_the_kernel_is_no_answer_of_the_console(guest: Guest) -> None:
    _, transport = parts(guest)
    guest.factor = 0.01
    transport.fault, transport.pings = SLOW, False
    transport.on_ping = lambda: hear(guest, b"\r\n[   84.0] rcu: INFO: rcu_sched self-detected stall on CPU\r\n")
    with pytest.raises(HangError, match="the CPU is busy at 0x7c00"):
        guest.run("x")


def test_a_console_that_still_answers(guest: Guest) -> None:
    machine, transport = parts(guest)
    transport.fault, transport.pings = SLOW, False

    def answer() -> None:
        machine.theirs.recv(1)
        machine.say(b"login: ")

    answering = threading.Thread(target=answer)
    answering.start()
    with pytest.raises(HangError, match="its console still answers, so its network or its SSH server is at fault"):
        guest.run("x")
    answering.join()


def test_a_disk_of_the_host_that_failed(guest: Guest) -> None:
    machine, transport = parts(guest)
    machine.disk_error = "write: No space left on device"
    assert not guest.alive
    transport.fault = TransportError("the guest was lost")
    with pytest.raises(
        GuestError, match=r"QEMU holds the guest, its disk failed on this host \(write: No space"
    ) as caught:
        guest.run("x")
    assert type(caught.value) is GuestError, "neither the guest's death nor a hang"
    assert "RIG_SCRATCH" in caught.value.hint


def test_a_panic_is_told_with_its_text(guest: Guest) -> None:
    _, transport = parts(guest)
    hear(guest, b"BUG: unable\r\n[    0.9] CPU: 0 PID: 7 Comm: probe Not tainted\r\n" + PANIC)
    transport.fault = TransportError("the guest was lost")
    with pytest.raises(PanicError, match=r"panicked in process probe: .*not syncing: test") as caught:
        guest.push(Path("/x"), "/y")
    assert "end Kernel panic" in caught.value.evidence.reason
    assert not guest.alive


def test_a_panic_that_comes_during_the_ping_is_a_panic(guest: Guest) -> None:
    _, transport = parts(guest)
    transport.fault, transport.pings = SLOW, False
    transport.on_ping = lambda: hear(guest, PANIC)
    with pytest.raises(PanicError):
        guest.run("x")


def test_qemu_that_was_killed(guest: Guest) -> None:
    machine, transport = parts(guest)
    machine.die()
    transport.fault = TransportError("connection reset")
    with pytest.raises(GuestDied, match="QEMU ended: killed by SIGKILL"):
        guest.pull("/x", Path("/y"))


def test_qemu_that_is_seen_to_end_a_moment_later(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its sockets close before the process can be reaped.
    machine, transport = parts(guest)
    transport.fault = TransportError("connection reset")
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        machine.die()
        return True

    monkeypatch.setattr(machine.process, "wait", wait)
    with pytest.raises(GuestDied):
        guest.run("x")
    assert waited


def test_a_guest_that_switched_itself_off(guest: Guest) -> None:
    machine, transport = parts(guest)
    machine.powered.set()
    transport.fault = TransportError("connection reset")
    with pytest.raises(GuestDied, match="the guest reset itself; the CPU is busy at 0x7c00"):
        guest.run("x")


def test_evidence_never_raises(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, _ = parts(guest)

    def refuse(*_: object) -> None:
        raise GuestDied("QEMU's monitor is closed")

    monkeypatch.setattr(machine, "screenshot", refuse)
    monkeypatch.setattr(machine, "registers", refuse)
    hear(guest, b"some words\r\n")
    evidence = guest.evidence("why", "login")
    assert (evidence.console, evidence.screenshot, evidence.registers) == ("some words", None, "")
    machine.die()
    assert guest.evidence().console == "some words"


def test_each_picture_is_kept(guest: Guest) -> None:
    pictures = {guest.evidence().screenshot, guest.evidence().screenshot}
    assert len(pictures) == 2
    assert all(picture is not None and picture.is_file() for picture in pictures)


def test_without_a_transport_a_guest_says_so(guest: Guest) -> None:
    guest.transport = None
    with pytest.raises(TransportError, match="fake has no transport for commands"):
        guest.run("x")
