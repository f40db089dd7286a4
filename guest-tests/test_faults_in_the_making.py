"""What strikes while a warm template is made, or restored: no half of one stays, and there is a guest all the same.

| fault                                     | what is seen                                                      |
| ----------------------------------------- | ----------------------------------------------------------------- |
| QEMU killed while it boots                | GuestDied, with the console; nothing is left                      |
| QEMU killed during the save               | GuestDied: while a warm template was made of it; nothing is left  |
| no room for a page of RAM                 | GuestDied: SIGBUS, and what that means                            |
| QEMU stopped during the save or behind it | booted cold, with the reason; another save may be tried           |
| host's disk full during the save          | booted cold: disk full; another save may be tried                 |
| QEMU killed or stopped during the restore | restored once more, of the same template                          |
| a file flipped, cut short, gone           | the template goes, with the reason; test_warm.py: is made anew    |
| template removed under a running guest    | the guest runs on                                                 |
| template cut short under a running guest  | GuestDied: SIGBUS, and what that means                            |

Several processes that make one template, and a maker that is killed: rig/tests/run/test_faults.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import Bench, bench_of, ended, own_templates

from rig.errors import GuestDied
from rig.events import Events
from rig.guest import Guest, GuestOptions, warm
from rig.guest.templates import Templates
from rig.guest.warm import Layer
from rig.image.status import StoredImage
from rig.machine import Machine
from rig.machine.sparse import copy_sparse
from rig.machine.template import DISK, META, RAM, STATE
from rig.tests.real import until

Save = Callable[[Machine, Path], None]


@pytest.fixture
def bench(guest: Guest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    templates = own_templates(guest, tmp_path_factory.mktemp("templates"))
    with bench_of(guest, templates, tmp_path / "logs") as found:
        yield found


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Guests that would have been booted, by the reason: a restore stands for each boot."""
    reasons: list[str] = []

    def restore_instead(stored, options, events, layers):  # type: ignore[no-untyped-def]
        reasons.append("cold")
        monkeypatch.setattr(warm, "_cold", real)
        return warm.ready_guest(stored, options, events, templates=Templates())

    real = warm._cold
    monkeypatch.setattr(warm, "_cold", restore_instead)
    return reasons


def put(guest: Guest) -> None:
    guest.run("echo here >/tmp/mark")


LAYER = Layer("mark", "1", put)
"""Its template is made out of a restored guest: all of a save, without a boot."""


def saving(monkeypatch: pytest.MonkeyPatch, before: Callable[[Machine, Path], object], **keywords: float) -> None:
    """Let something happen right before a save; `keywords` are the save's own."""
    real = warm.save_state

    def save(machine: Machine, to: Path) -> None:
        before(machine, to)
        real(machine, to, **keywords)

    monkeypatch.setattr(warm, "save_state", save)


def by_pid(number: signal.Signals) -> Callable[..., None]:
    return lambda machine, *_: os.kill(machine.process.pid, number)


def test_qemu_killed_while_it_boots(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = warm.boot_once

    def boot(stored: StoredImage, options: GuestOptions, events: Events, *rest: Any, **keywords: Any) -> Guest:
        own = Events()
        own.listen(lambda event: event.name == "boot.stage" and kill_children())
        return real(stored, options, own, *rest, **keywords)

    def kill_children() -> None:
        for one in set(children()) - before:
            one.kill()

    monkeypatch.setattr(warm, "boot_once", boot)
    before = set(children())
    with pytest.raises(GuestDied, match=r"QEMU ended \(killed by SIGKILL\)") as caught:
        bench.get(memory=300)
    assert "SeaBIOS" in caught.value.evidence.console
    assert bench.in_the_making == []
    assert [one.meta.key for one in bench.templates.all()] == [bench.like.template]


def children() -> list[psutil.Process]:
    """This process's QEMUs."""
    return [one for one in psutil.Process().children() if one.name().startswith("qemu-system")]


def memory_gone(machine: Machine, to: Path) -> None:
    os.truncate(to.parent / RAM, 0)
    # A guest that is stopped before it reads of its memory again would be saved, without a memory.
    until(lambda: ended(machine.process.pid), "QEMU's end")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (by_pid(signal.SIGKILL), "QEMU ended: killed by SIGKILL, while a warm template was made of it"),
        # What a page that the file system has no room for does: the kernel has no other way to tell it.
        (memory_gone, "killed by SIGBUS, as when the disk under its memory's"),
    ],
    ids=["killed", "no room for its memory"],
)
def test_qemu_ends_during_the_save(
    before: Callable[..., None], words: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving(monkeypatch, before)
    with pytest.raises(GuestDied, match=words) as caught:
        bench.get(LAYER)
    assert caught.value.evidence.command
    assert bench.in_the_making == []
    # The next try makes it, of the template below, which is as it was.
    monkeypatch.undo()
    assert bench.get(LAYER).run("cat /tmp/mark").text == "here"
    assert bench.told("template.removed") == []


def no_room(_: Machine, to: Path) -> None:
    to.symlink_to("/dev/full")


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (by_pid(signal.SIGSTOP), "QEMU did not save the machine: QEMU did not answer stop within 1 s"),
        (no_room, "disk full: cannot save a machine's state"),
    ],
    ids=["stopped", "disk full"],
)
def test_a_save_that_fails_by_chance(
    before: Callable[..., None], words: str, bench: Bench, cold: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    saving(monkeypatch, before, seconds=1)
    assert bench.get(LAYER).run("echo well").text == "well"
    assert len(cold) == 1
    (why,) = bench.told("template.unused")
    assert why.startswith(words)
    assert bench.in_the_making == []
    assert bench.templates.forget_failures() == 0, "this kind of guest can be saved"


def test_qemu_stopped_behind_the_save_has_not_written_all(
    bench: Bench, cold: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = warm.save_state

    def save(machine: Machine, to: Path) -> None:
        real(machine, to)
        os.kill(machine.process.pid, signal.SIGSTOP)

    monkeypatch.setattr(warm, "save_state", save)
    monkeypatch.setattr(warm, "_END_SECONDS", 1.0)
    assert bench.get(LAYER).run("echo well").text == "well"
    assert len(cold) == 1
    assert bench.told("template.unused") == ["QEMU did not end by itself within 1 s after the save: killed by SIGKILL"]
    assert (bench.in_the_making, len(bench.templates.all())) == ([], 1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("where", ["load", "resume"])
def test_a_restore_that_is_struck_is_done_once_more(
    where: str, number: signal.Signals, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    struck: list[int] = []
    load, resume = warm.load_state, Machine.resume

    def strike(machine: Machine) -> None:
        if not struck:
            struck.append(machine.process.pid)
            os.kill(machine.process.pid, number)

    def load_struck(machine: Machine, source: Path) -> None:
        if where == "load":
            strike(machine)
        load(machine, source, 2.0)

    def resume_struck(machine: Machine) -> None:
        if where == "resume":
            strike(machine)
            machine.monitor.execute("cont", seconds=1.0)
        else:
            resume(machine)

    monkeypatch.setattr(warm, "load_state", load_struck)
    monkeypatch.setattr(Machine, "resume", resume_struck)
    one = bench.get()
    assert one.run("echo well").text == "well"
    assert one.template == bench.like.template
    assert ended(struck[0])
    (why,) = bench.told("template.restore.failed")
    assert ("SIGKILL" if number is signal.SIGKILL else "did not answer") in why
    assert bench.told("template.removed") == []


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_a_file_that_is_not_what_was_saved(bench: Bench, tmp_path: Path) -> None:
    key = bench.like.template
    assert key is not None
    place, spare = bench.templates.root / key, tmp_path / "spare"
    place.rename(spare)
    bench.templates.events.listen(bench.heard.append)
    for name, damage, words in [
        *((name, flip, f"{name} is not what was saved") for name in (RAM, STATE, DISK)),
        *((name, cut, "were saved") for name in (RAM, STATE, DISK)),
        *((name, Path.unlink, f"{name}: No such file") for name in (RAM, STATE, DISK)),
        (META, cut, f"{META} cannot be read"),
        (META, Path.unlink, f"{META} cannot be read"),
    ]:
        place.mkdir()
        for file in spare.iterdir():
            if name in {file.name, META}:
                copy_sparse(file, place / file.name)
            else:
                (place / file.name).hardlink_to(file)
        damage(place / name)
        assert bench.templates.find(key) is None
        (why,) = bench.told("template.removed")
        assert words in why, (name, damage)
        assert not place.exists()
        bench.heard.clear()
    assert bench.in_the_making == []


def test_a_template_that_goes_under_its_guests(bench: Bench) -> None:
    one = bench.get()
    assert one.template is not None
    ram = (bench.templates.root / one.template / RAM).open("r+b")
    bench.templates.remove(one.template, "for a test")
    assert one.run("md5sum /bin/* >/dev/null && echo read").text == "read"
    # A page that the guest has not written yet lies in that file alone.
    with ram, pytest.raises(GuestDied, match=r"killed by SIGBUS, as when .* or that file was cut short"):
        ram.truncate(0)
        one.run("md5sum /bin/* /lib/*; sleep 600")
