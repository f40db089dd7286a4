"""A guest's disk that is kept, with real qemu-img, and by a real QEMU whose guest is ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.errors import ImageError
from rig.events import Event, Events
from rig.guest import boot_guest
from rig.guest.keeping import keep_disk
from rig.guest.registry import Registry, RunningGuest
from rig.image import qemuimg
from rig.image.overlay import create_overlay
from rig.spec import ImageFormat
from rig.tests.fakeguest.disk import Bench


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A guest's directory whose disk lies over a template's, that over the image; a sector differs in each."""
    found = tmp_path / "rig-x"
    (tmp_path / "logs").mkdir()
    found.mkdir()
    sectors = tmp_path / "sectors"
    sectors.write_bytes(b"i" * 512 + b"t" * 512 + b"g" * 512)
    qemuimg.create(tmp_path / "image.qcow2", 1 << 20)
    qemuimg.implant(sectors, 0, 512, tmp_path / "image.qcow2", 0)
    template = create_overlay(tmp_path / "image.qcow2", tmp_path / "template.qcow2")
    qemuimg.implant(sectors, 512, 512, template, 65536)
    disk = create_overlay(template, found / "disk.qcow2")
    qemuimg.implant(sectors, 1024, 512, disk, 131072)
    return found


def sector(disk: Path, at: int) -> bytes:
    out = disk.with_suffix(".sector")
    qemuimg.extract(disk, ImageFormat.QCOW2, at, 512, out)
    return out.read_bytes()[:1]


def test_a_kept_disk_lies_over_the_image_and_has_all_of_the_guests_changes(directory: Path, tmp_path: Path) -> None:
    kept = keep_disk(directory, tmp_path / "logs")
    (tmp_path / "template.qcow2").unlink()
    assert qemuimg.info(kept).backing == str(tmp_path / "image.qcow2")
    assert [sector(kept, at) for at in (0, 65536, 131072)] == [b"i", b"t", b"g"]
    again = directory.parent / "logs" / "disk-2.qcow2"
    with pytest.raises(ImageError):
        keep_disk(directory, tmp_path / "logs")  # its template is gone
    assert not again.exists()


def test_one_kept_before_is_not_overwritten(directory: Path, tmp_path: Path) -> None:
    names = [keep_disk(directory, tmp_path / "logs").name for _ in range(3)]
    assert names == ["disk.qcow2", "disk-2.qcow2", "disk-3.qcow2"]


def running(directory: Path, **changes: Any) -> RunningGuest:
    """A guest whose process has ended."""
    facts = {"name": "x", "image": "i", "pid": 2**22 + 1, "started": 0.0, "accel": "tcg"}
    return RunningGuest(**facts, directory=directory, logs=directory.parent / "logs", **changes)


def test_a_guest_of_rig_up_is_kept_or_not_as_was_asked(directory: Path, tmp_path: Path) -> None:
    kept = running(directory, keep=True).stop()
    assert kept == tmp_path / "logs" / "disk.qcow2" and not directory.exists()
    assert running(directory, keep=True).stop() is None


def test_a_guest_of_rig_up_that_is_not_kept_leaves_nothing(directory: Path, tmp_path: Path) -> None:
    assert running(directory).stop() is None
    assert not directory.exists() and not list((tmp_path / "logs").iterdir())


def test_a_disk_that_cannot_be_kept_is_not_removed(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "template.qcow2").unlink()
    with pytest.raises(ImageError):
        running(directory, keep=True).stop()
    Registry(tmp_path / "guests").forget(running(directory, keep=True))
    assert (directory / "disk.qcow2").exists()


@pytest.mark.qemu
@pytest.mark.parametrize("keep", [True, False])
def test_the_disk_of_a_guest_that_ran_is_kept_and_nothing_else_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    scratch = tmp_path / "s"
    scratch.mkdir()
    monkeypatch.setenv("RIG_SCRATCH", str(scratch))
    heard: list[Event] = []
    events = Events()
    events.listen(heard.append)
    bench = Bench(tmp_path)
    stored = bench.stored(bench.script("good-17.4"))
    boot_guest(stored, bench.options(keep=keep), events).close()
    kept = [Path(event.data["path"]) for event in heard if event.name == "guest.kept"]
    assert kept == [tmp_path / "logs" / "disk.qcow2"] * keep
    assert [qemuimg.info(disk).backing for disk in kept] == [str(stored.disk)] * keep
    assert list(scratch.iterdir()) == []
