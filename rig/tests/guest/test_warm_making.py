"""A template's making and a restore, step by step, without QEMU: what is saved, of which guest, and what is told."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.errors import GuestDied
from rig.events import Events
from rig.guest import GuestOptions, warm
from rig.guest.boot import StageTime
from rig.guest.templates import Templates, key_of
from rig.guest.warm import Layer
from rig.machine.launch import MemoryFile
from rig.machine.migration import StateError, StateTimeout, UnsavableError
from rig.machine.template import DISK, RAM, STATE, Template
from rig.spec import Accel
from rig.tests.guest.fakes import FakeStored, make_spec


class Bench:
    """Boots and saves that only say what was asked of them."""

    def __init__(self, place: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.told: list[str] = []
        self.booted: list[GuestOptions] = []
        self.memory: list[MemoryFile | None] = []
        self.based: list[Path] = []
        self.reached: list[tuple[object, bool]] = []
        self.save: Exception | None = None
        self.stored: Any = FakeStored(make_spec(), place / "disk", key)
        self.options = GuestOptions(
            place / "logs", accel=Accel.TCG, detached=True, ssh_port=2222, keep=True, console_only=True
        )
        self.warm = warm._Warm(Templates(place / "templates"), Events())
        for name, step in {
            "qemu_version": lambda _: "7.2.0",
            "boot_once": self.boot,
            "attach": self.attach,
            "load_state": lambda *_: self.told.append("load"),
            "save_state": self.saved,
            "_end": lambda _: self.told.append("end"),
            "reach": lambda _, boot, known, restored: self.reached.append((known, restored)),
        }.items():
            monkeypatch.setattr(warm, name, step)
        monkeypatch.setattr("rig.guest.warm.qemuimg.differences", self.differences)

    def kind(self, *layers: Layer, **changes: Any) -> warm._Kind:
        return warm._Kind(self.stored, replace(self.options, **changes), Accel.TCG, "", layers)

    def guest(self, memory: MemoryFile | None) -> Any:
        self.memory.append(memory)
        if memory is not None and not memory.path.exists():
            memory.path.write_bytes(b"ram")
        launch = SimpleNamespace(disk=self.place / "overlay", firmware=None)
        found: Any = contextlib.nullcontext()
        for name, value in {
            "machine": SimpleNamespace(launch=launch, resume=lambda: None),
            "console": None,
            "factor": 1.0,
            "stages": [StageTime("login", 3.0, 3.0)],
            "transport": None,
            "alive": True,
            "clock_is_stale": False,
            "death": lambda: None,
            "own": lambda stack: stack.close(),
        }.items():
            setattr(found, name, value)
        return found

    def boot(self, stored: object, options: GuestOptions, *_: object, memory_file: MemoryFile) -> Any:
        self.told.append("boot")
        self.booted.append(options)
        return self.guest(memory_file)

    def attach(self, stack: object, stored: object, options: GuestOptions, *_: object, **given: Any) -> Any:
        self.told.append("restore")
        return self.guest(given["memory_file"])

    def saved(self, machine: object, to: Path) -> None:
        self.told.append("save")
        if self.save is not None:
            raise self.save
        to.write_bytes(b"state")

    def differences(self, source: Path, to: Path, base: Path, base_format: str = "qcow2") -> None:
        self.based.append(base)
        to.write_bytes(b"disk")


@pytest.fixture
def bench(home: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, key, monkeypatch)


def layer(bench: Bench) -> Layer:
    return Layer("probes", "1", lambda _: bench.told.append("layer"))


def test_one_is_made_of_a_boot(bench: Bench) -> None:
    template = bench.warm.template(bench.kind())
    assert bench.told == ["boot", "save", "end"]
    (options,) = bench.booted
    # This guest is nobody's: it ends with this process, on any port, and its disk is the template's.
    assert (options.detached, options.ssh_port, options.keep) == (False, 0, False)
    assert bench.memory[0] is not None and bench.memory[0].shared
    assert bench.based == [bench.stored.disk], "over the image itself"
    assert set(template.meta.files) == {RAM, STATE, DISK}
    assert template.meta.key == key_of(bench.kind().facts())
    assert [stage.name for stage in template.meta.stages] == ["login"]


def test_one_with_a_layer_is_made_of_the_one_below(bench: Bench) -> None:
    template = bench.warm.template(bench.kind(layer(bench)))
    assert bench.told == ["boot", "save", "end", "restore", "load", "layer", "save", "end"]
    below = bench.warm.templates.find(key_of(bench.kind().facts()))
    assert below is not None and below.meta.key != template.meta.key
    assert bench.based == [bench.stored.disk] * 2, "it does not need the one below"
    copied = bench.memory[1]
    assert copied is not None and copied.shared and copied.path.parent != below.directory
    assert template.meta.stages == below.meta.stages, "of the boot, not of the restore"


def test_a_restored_guest_is_known_and_its_clock_is_old(bench: Bench) -> None:
    kind = bench.kind(console_only=False)
    template = bench.warm.template(kind)
    guest: Any = bench.warm.restore(kind, template)
    assert (guest.template, guest.clock_is_stale) == (template.meta.key, True)
    memory = bench.memory[-1]
    assert memory == MemoryFile(template.file(RAM)) and not memory.shared
    assert bench.reached == [(None, True)]


@pytest.mark.parametrize(
    ("fault", "remembered"),
    [
        (UnsavableError("a device refuses"), True),
        (StateError("Too many open files"), False),
        (StateTimeout("not in time"), False),
    ],
)
def test_a_guest_that_cannot_be_saved(bench: Bench, fault: Exception, remembered: bool) -> None:
    """A time-out, or what the host lacks, says nothing of the next try; a device that refuses will refuse again."""
    bench.save = fault
    kind = bench.kind()
    assert bench.warm.guest(kind) == (None, str(fault))
    assert bool(bench.warm.templates.gave_up(key_of(kind.facts()))) == remembered
    assert bench.warm.templates.all() == []


def test_a_guest_that_dies_while_it_is_saved_is_told_of_as_dead(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.save = StateError("the pipe broke")
    real = bench.guest

    def dying(memory: MemoryFile | None) -> Any:
        found = real(memory)
        found.death = lambda: GuestDied("QEMU ended: killed by SIGKILL")
        return found

    monkeypatch.setattr(bench, "guest", dying)
    with pytest.raises(GuestDied, match="killed by SIGKILL, while a warm template was made of it"):
        bench.warm.template(bench.kind())


def test_nobody_has_a_connection_to_what_is_saved(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = bench.guest

    def reached(memory: MemoryFile | None) -> Any:
        found = real(memory)
        found.transport = SimpleNamespace(close=lambda: bench.told.append("close"))
        found.run = lambda command, seconds: bench.told.append(command)
        found.machine.monitor = SimpleNamespace(human=lambda _: "")
        return found

    monkeypatch.setattr(bench, "guest", reached)
    bench.warm.template(bench.kind())
    assert bench.told == ["boot", "sync", "close", "save", "end"]


@pytest.mark.parametrize("cold", [False, True])
def test_a_cold_boot_that_is_asked_for_uses_and_makes_no_template(
    bench: Bench, cold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "boot_guest", lambda *_: bench.told.append("cold"))
    options = replace(bench.options, cold=cold)
    warm.ready_guest(bench.stored, options, templates=bench.warm.templates)
    assert ("cold" in bench.told, bool(bench.warm.templates.all())) == (cold, not cold)


def test_a_template_is_read(bench: Bench) -> None:
    made = bench.warm.template(bench.kind())
    assert Template.read(made.directory).meta == made.meta
