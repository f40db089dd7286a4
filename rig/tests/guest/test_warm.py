"""What becomes of a template whose restore fails: doubted only where it can be at fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rig.errors import BootError, ImageError, LaunchError, PanicError
from rig.events import Event, Events
from rig.guest import GuestOptions, warm
from rig.guest.templates import Templates, key_of
from rig.machine.template import RAM, Template, write_meta
from rig.spec import Accel
from rig.tests.guest.fakes import FakeStored, make_spec


class Bench:
    """A kind of guest with its template; `restores` are what its restores come to, one after the other."""

    def __init__(self, place: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(warm, "qemu_version", lambda _: "7.2.0")
        self.heard: list[Event] = []
        events = Events()
        events.listen(self.heard.append)
        self.templates = Templates(place / "templates", events)
        stored: Any = FakeStored(make_spec(), place / "disk", key)
        self.kind = warm._Kind(stored, GuestOptions(place / "logs", accel=Accel.TCG), Accel.TCG, "", ())
        self.key = key_of(self.kind.facts())
        self.warm = warm._Warm(self.templates, events)
        self.restores: list[Callable[[], object]] = []
        self.made = 0
        monkeypatch.setattr(self.warm, "restore", lambda *_: self.restores.pop(0)())
        monkeypatch.setattr(self.warm, "fill", self.fill)
        self.warm.template(self.kind)

    def fill(self, kind: object, into: Path, below: Template | None) -> Template:
        self.made += 1
        (into / RAM).write_bytes(b"ram")
        return write_meta(into, key=self.key, facts={}, image="fake", made=1.0, took=2.0)

    def guest(self) -> tuple[object, str]:
        return self.warm.guest(self.kind)

    @property
    def there(self) -> bool:
        return self.templates.find(self.key) is not None


@pytest.fixture
def bench(home: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, key, monkeypatch)


def fail(fault: Exception) -> Callable[[], object]:
    def step() -> object:
        raise fault

    return step


def test_a_qemu_that_does_not_start_costs_no_template(bench: Bench) -> None:
    """A port that is taken, for example: it would not start from another template either."""
    bench.restores = [fail(LaunchError("QEMU did not start", command=["q"], exit_code=1, output="port taken"))]
    guest, why = bench.guest()
    assert guest is None and "port taken" in why
    assert bench.there and bench.made == 1


@pytest.mark.parametrize(
    "fault",
    [
        LaunchError("QEMU did not start", command=["q"], exit_code=1, output="no such file"),
        ImageError("cannot create an overlay: no such file"),
    ],
)
def test_a_template_that_somebody_removes_meanwhile_is_made_again(bench: Bench, fault: Exception) -> None:
    def removed() -> object:
        bench.templates.remove(bench.key, "asked for")
        raise fault

    bench.restores = [removed, lambda: "a guest"]
    assert bench.guest() == ("a guest", "")
    assert bench.made == 2


def test_an_image_that_is_gone_is_told_as_it_is(bench: Bench) -> None:
    bench.restores = [fail(ImageError("the disk is gone"))]
    with pytest.raises(ImageError, match="the disk is gone"):
        bench.guest()
    assert bench.there


def test_a_guest_that_is_lost_once_is_restored_again(bench: Bench) -> None:
    bench.restores = [fail(BootError("lost")), lambda: "a guest"]
    assert bench.guest() == ("a guest", "")
    assert bench.made == 1
    assert [event.name for event in bench.heard] == ["template.restore.failed"]


def test_a_template_that_gives_no_guest_twice_is_made_again_once(bench: Bench) -> None:
    bench.restores = [fail(BootError(f"lost {number}")) for number in range(4)]
    assert bench.guest() == (None, "lost 3")
    assert bench.made == 2 and not bench.there


class Panicked:
    """A guest whose kernel panics while it is made quiet."""

    stages = ()
    transport = None
    alive = False

    def death(self) -> PanicError:
        return PanicError("the guest's kernel panicked")

    def __enter__(self) -> Panicked:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_guest_that_panicked_is_not_saved(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU would save it; every guest restored from it would be dead."""
    monkeypatch.undo()
    monkeypatch.setattr(warm, "qemu_version", lambda _: "7.2.0")
    monkeypatch.setattr(warm, "boot_once", lambda *_, **__: Panicked())
    monkeypatch.setattr(warm, "save_state", lambda *_: pytest.fail("it was saved"))
    bench.templates.remove(bench.key, "for a test")
    with pytest.raises(PanicError):
        bench.warm.template(bench.kind)
    assert not bench.there
