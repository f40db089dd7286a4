"""From a stored image to a ready guest, without QEMU: accelerators tried, failures named, nothing left behind."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rig.console import Console
from rig.deadline import Deadline
from rig.errors import AuthError, BootError, GuestDied, HostError, InputError, LaunchError, PanicError, TransportError
from rig.events import Event, Events
from rig.guest import GuestOptions, accel, boot_guest, bringup, reaching
from rig.guest.accel import Verdicts
from rig.guest.keys import public_line, user_key
from rig.machine import Launch
from rig.spec import Accel, Clock, GuestOS
from rig.tests.guest.fakes import BOOT, LINES, PANIC, FakeMachine, FakeStored, FakeTransport, Step, make_spec

Script = tuple[Step, ...]


@dataclass
class Bench:
    """Boots with machines that are not there; `scripts` holds what the next ones say, by accelerator."""

    stored: FakeStored
    options: GuestOptions
    scratch: Path
    scripts: dict[Accel, Script] = field(default_factory=lambda: dict.fromkeys(Accel, BOOT))
    machines: list[FakeMachine] = field(default_factory=list)
    transport: FakeTransport = field(default_factory=FakeTransport)
    events: list[Event] = field(default_factory=list)

    def boot(self, **options: Any) -> Any:
        events = Events()
        events.listen(self.events.append)
        return boot_guest(self.stored, replace(self.options, **options), events)  # type: ignore[arg-type]

    def machine(self, launch: Launch, *, detached: bool = False) -> FakeMachine:
        found = FakeMachine(launch, self.scripts[launch.accel], detached=detached)
        self.machines.append(found)
        return found

    @property
    def tried(self) -> list[Accel]:
        return [machine.launch.accel for machine in self.machines]

    def nothing_is_left(self) -> bool:
        return all(one.stopped for one in self.machines) and not list(self.scratch.iterdir()) and not self.stored.held


@pytest.fixture
def bench(home: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    disk = tmp_path / "disk.qcow2"
    disk.touch()
    scratch = tmp_path / "s"
    scratch.mkdir()
    found = Bench(FakeStored(make_spec(), disk, key), GuestOptions(tmp_path / "logs", accel=Accel.TCG), scratch)
    monkeypatch.setenv("RIG_SCRATCH", str(scratch))
    monkeypatch.setattr(bringup, "Machine", found.machine)
    monkeypatch.setattr(bringup, "create_overlay", lambda base, at, **_: at)
    monkeypatch.setattr(bringup, "qemu_version", lambda _: "7.2.0")
    monkeypatch.setattr(reaching, "SshTransport", lambda *_, **__: found.transport)
    monkeypatch.setattr(accel, "present", lambda: [(Accel.KVM, "seen"), (Accel.TCG, "everywhere")])

    def connect(_: Path, watch: Any, **__: Any) -> Console:
        return Console(found.machines[-1].ours, watch)

    monkeypatch.setattr(Console, "connect", connect)
    return found


def verdict(which: Accel = Accel.KVM) -> Any:
    return Verdicts("7.2.0").get(which, GuestOS.LINUX)


def test_a_boot_to_ready(bench: Bench) -> None:
    with bench.boot() as guest:
        assert [stage.name for stage in guest.stages] == ["firmware", "kernel", "login", "ssh"]
        assert guest.alive
        assert guest.run("x").text == "out"
        assert (guest.accel, guest.accel_reason, guest.factor) == (Accel.TCG, "asked for", 5.0)
        assert bench.stored.held == 1
    assert bench.nothing_is_left()
    assert bench.transport.closed
    guest.close()


def test_its_directory_is_guarded_from_its_making_until_it_is_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before QEMU is started: making overlays takes time, and a kill may come at any."""
    told: list[tuple[str, bool]] = []

    class Told:
        def add(self, directory: Path) -> None:
            told.append(("add", directory.is_dir() and not list(directory.iterdir())))

        def drop(self, directory: Path) -> None:
            told.append(("drop", not directory.exists()))

    monkeypatch.setattr(bringup, "guard", Told())
    bench.boot().close()
    assert told == [("add", True), ("drop", True)]


def test_a_host_where_no_directory_can_be_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rig.guest.bringup.tempfile.mkdtemp", full)
    with pytest.raises(HostError, match=r"no directory for a guest can be made there: No space left") as caught:
        bench.boot()
    assert "RIG_SCRATCH" in caught.value.hint


@pytest.mark.parametrize(
    ("network", "address"), [({}, ""), ({"by": "dhcp"}, ""), ({"by": "static", "address": "10.0.2.99"}, "10.0.2.99")]
)
def test_the_port_leads_to_the_address_that_is_set(bench: Bench, network: dict[str, str], address: str) -> None:
    """Also to another than the one that QEMU would give."""
    bench.stored = replace(bench.stored, spec=make_spec(network=network))
    options = replace(bench.options, console_only=True)
    launch = bringup.launch_of(bench.stored, options, Accel.TCG, bench.scratch, 0)  # type: ignore[arg-type]
    assert launch.guest_address == address


def test_console_only_asks_for_no_transport(bench: Bench) -> None:
    with bench.boot(console_only=True) as guest:
        assert guest.transport is None
        with pytest.raises(TransportError, match="no transport for commands"):
            guest.run("x")


def test_auto_falls_back_says_why_and_remembers(bench: Bench) -> None:
    bench.scripts[Accel.KVM] = (LINES["firmware"], FakeMachine.die)
    with bench.boot(accel=Accel.AUTO) as guest:
        assert guest.accel is Accel.TCG
        assert guest.accel_reason.startswith("kvm was tried and failed: QEMU ended")
    assert bench.tried == [Accel.KVM, Accel.TCG]
    assert [event.data["accel"] for event in bench.events if event.name == "accel.failed"] == ["kvm"]
    assert verdict().works is False
    with bench.boot(accel=Accel.AUTO) as guest:
        assert "kvm was tried and failed: QEMU ended" in guest.accel_reason
    assert bench.tried == [Accel.KVM, Accel.TCG, Accel.TCG]
    assert bench.nothing_is_left()


def test_a_trial_that_stands_still_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringup, "_TRIAL_PATIENCE", 0.1)
    bench.scripts[Accel.KVM] = (LINES["firmware"],)
    with bench.boot(accel=Accel.AUTO, time_factor=1000.0) as guest:
        assert guest.accel is Accel.TCG


def test_an_accelerator_that_works_is_remembered(bench: Bench) -> None:
    for _ in range(2):
        with bench.boot(accel=Accel.AUTO) as guest:
            assert guest.accel is Accel.KVM
            assert guest.factor == 1.0
    assert bench.tried == [Accel.KVM, Accel.KVM]
    assert verdict().works is True
    assert [event.data["trial"] for event in bench.events if event.name == "accel.chosen"] == [True, False]


@pytest.mark.parametrize("script", [(FakeMachine.die,), (PANIC,)], ids=["dies", "panics"])
def test_an_image_that_boots_nowhere_says_nothing_of_the_accelerator(bench: Bench, script: Script) -> None:
    bench.scripts = dict.fromkeys(Accel, script)
    with pytest.raises((GuestDied, PanicError)):
        bench.boot(accel=Accel.AUTO)
    assert bench.tried == [Accel.KVM, Accel.TCG]
    assert verdict() is None
    assert bench.nothing_is_left()


def test_the_exact_clock_chooses_emulation(bench: Bench) -> None:
    with bench.boot(accel=Accel.AUTO, clock=Clock.EXACT) as guest:
        assert (guest.accel, guest.accel_reason, guest.factor) == (Accel.TCG, "the exact clock needs emulation", 10.0)


def test_an_accelerator_asked_for_is_not_doubted_but_named(bench: Bench) -> None:
    bench.scripts[Accel.KVM] = (FakeMachine.die,)
    with pytest.raises(GuestDied) as caught:
        bench.boot(accel=Accel.KVM)
    assert "--accel tcg boots" in caught.value.hint
    assert bench.tried == [Accel.KVM]


def test_verdicts_that_cannot_be_kept_cost_no_guest(bench: Bench, home: Path) -> None:
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "accelerators.json").mkdir()
    with bench.boot(accel=Accel.AUTO) as guest:
        assert guest.accel is Accel.KVM
    assert bench.nothing_is_left()


def test_a_panic_during_boot(bench: Bench) -> None:
    bench.scripts[Accel.TCG] = (LINES["firmware"], PANIC)
    with pytest.raises(PanicError, match=r"panicked during boot, after stage 'firmware'.*not syncing: test") as caught:
        bench.boot()
    evidence = caught.value.evidence
    assert "end Kernel panic" in evidence.reason
    assert evidence.panic is not None
    assert (evidence.panic["message"], evidence.panic["complete"]) == ("test", True)
    assert "SeaBIOS" in evidence.console
    assert (evidence.stage, evidence.registers, evidence.command) == ("firmware", "RIP=0", ("qemu-system-x86_64",))
    assert evidence.screenshot is not None
    assert bench.nothing_is_left()


def test_a_stage_that_is_not_reached_shows_the_console(bench: Bench) -> None:
    bench.stored.spec = make_spec(boot={"silence": 0.01})
    bench.scripts[Accel.TCG] = (LINES["firmware"], b"last words\r\n")
    with pytest.raises(BootError, match="'kernel' was not reached") as caught:
        bench.boot()
    assert "last words" in str(caught.value)
    assert bench.nothing_is_left()


def test_a_key_that_is_refused(bench: Bench) -> None:
    bench.transport.fault = AuthError("the guest refused the key", hint="Import it with the key.")
    with pytest.raises(BootError, match="booted to 'login' but cannot be reached: the guest refused the key") as caught:
        bench.boot()
    assert caught.value.hint == "Import it with the key."
    assert "guest login:" in str(caught.value)
    assert bench.nothing_is_left()


@pytest.mark.parametrize(
    ("happening", "error"),
    [
        (lambda machine: machine.say(PANIC), PanicError),
        (FakeMachine.die, GuestDied),
        (lambda machine: machine.powered.set(), BootError),
    ],
    ids=["panic", "death", "power off"],
)
def test_what_happens_while_ssh_is_awaited(
    happening: Callable[[FakeMachine], object], error: type[Exception], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: Any, lost: Callable[[], bool], **__: Any) -> None:
        happening(bench.machines[-1])
        patience = Deadline.after(20)
        while not lost() and not patience.expired:
            time.sleep(0.01)
        raise TransportError("the guest was lost before it answered by SSH")

    monkeypatch.setattr(bench.transport, "connect", connect)
    with pytest.raises(error):
        bench.boot()
    assert bench.nothing_is_left()


def test_a_console_without_input_and_no_key_is_told_before_the_boot(bench: Bench) -> None:
    bench.stored = FakeStored(make_spec(login={"kind": "none"}), bench.stored.disk, None)
    with pytest.raises(InputError, match="takes no input"):
        bench.boot()
    assert bench.machines == []


def test_a_key_that_cannot_be_read_is_told_before_the_boot(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_text("no key")
    bench.stored.key = tmp_path / "rubbish"
    with pytest.raises(InputError, match="rubbish: not a private key"):
        bench.boot()
    assert bench.machines == []


def test_qemu_that_does_not_start_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(machine: FakeMachine) -> None:
        machine.stopped = True
        raise LaunchError("QEMU did not start", command=["qemu"], exit_code=1, output="bad option")

    monkeypatch.setattr(FakeMachine, "start", refuse)
    with pytest.raises(LaunchError, match="bad option"):
        bench.boot()
    assert bench.nothing_is_left()


def test_an_interrupt_during_boot_leaves_nothing(bench: Bench) -> None:
    def interrupt(_: FakeMachine) -> None:
        raise KeyboardInterrupt

    bench.scripts[Accel.TCG] = (LINES["firmware"], interrupt)
    with pytest.raises(KeyboardInterrupt):
        bench.boot()
    assert bench.nothing_is_left()


def test_a_guest_that_may_stay_is_left_as_it_is(bench: Bench) -> None:
    guest = bench.boot(detached=True)
    (machine,) = bench.machines
    assert machine.detached
    guest.leave()
    assert machine.left
    assert not machine.stopped
    guest.close()
    assert machine.launch.directory.is_dir()
    machine.die()


def test_memory_and_processors_may_be_asked_for(bench: Bench) -> None:
    with bench.boot(memory=777, cpus=3) as guest:
        spec = guest.machine.launch.spec
    assert (spec.memory, spec.cpus) == (777, 3)


def test_the_rigs_own_key_goes_in_over_the_console(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.stored.key = None
    lines: list[str] = []
    monkeypatch.setattr(reaching, "_install_key", lambda _, line: lines.append(line))
    with bench.boot() as guest:
        assert [stage.name for stage in guest.stages][-2:] == ["key", "ssh"]
    assert lines == [public_line(user_key())]


@pytest.mark.parametrize("fails", ["mkdir", "write"])
def test_a_key_that_cannot_be_put_in_place(fails: str, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.stored.key = None

    def fail(*_: Any, where: str) -> None:
        raise TransportError(f"read-only file system ({where})")

    monkeypatch.setattr(reaching, "_install_key", functools.partial(fail, where=fails))
    with pytest.raises(BootError, match="cannot be reached: read-only file system"):
        bench.boot()
    assert bench.nothing_is_left()
