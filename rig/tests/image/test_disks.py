from __future__ import annotations

import os
from pathlib import Path

import pytest

from rig.errors import HostError, ImageError
from rig.image.disks import Disks
from rig.image.locks import claimed_by
from rig.tests.image.conftest import MIB, as_format

KEY = "ab" * 32


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    return Disks(tmp_path / "store")


def put(disks: Disks, raw: Path, digest: str = KEY) -> Path:
    """A disk in its place; returns it."""
    with disks.workdir() as work:
        extra = work / "manifest.json"
        extra.write_text("{}")
        sealed = disks.seal(as_format(raw, "qcow2").rename(work / "x"), extra)
        with disks.locked():
            disks.install(digest, sealed)
    return disks.path(digest)


def test_a_disk_in_its_place_is_read_only_and_known(disks: Disks, raw: Path) -> None:
    path = put(disks, raw)
    assert path.stat().st_mode & 0o777 == 0o444
    assert (path.parent / "manifest.json").exists()
    facts = disks.facts(KEY)
    assert facts is not None
    assert (facts.size, facts.virtual_size) == (path.stat().st_size, MIB)
    assert disks.problem(KEY) == "" == disks.problem(KEY, deep=True)
    assert list((disks.root / "tmp").iterdir()) == []


def test_a_sound_disk_is_not_replaced(disks: Disks, raw: Path) -> None:
    before = put(disks, raw).stat().st_ino
    assert put(disks, raw).stat().st_ino == before


@pytest.mark.parametrize("keep_time", [True, False])
def test_a_changed_byte_is_found(disks: Disks, raw: Path, keep_time: bool) -> None:
    path = put(disks, raw)
    stat = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    if keep_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert disks.problem(KEY) == ""
    assert "sha256" in disks.problem(KEY, deep=keep_time)
    assert "sha256" in disks.problem(KEY), "the verdict is kept"


def test_a_touched_disk_is_hashed_once_and_found_sound(disks: Disks, raw: Path) -> None:
    path = put(disks, raw)
    os.utime(path, ns=(1, 1))
    assert disks.problem(KEY) == ""
    facts = disks.facts(KEY)
    assert facts is not None and facts.mtime_ns == 1


def test_a_disk_that_was_cut_or_lost_or_whose_facts_were(disks: Disks, raw: Path) -> None:
    path = put(disks, raw)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.truncate(1000)
    assert "1000 bytes, recorded" in disks.problem(KEY)
    (path.parent / "disk.json").write_text("{")
    assert "damaged" in disks.problem(KEY)
    (path.parent / "disk.json").unlink()
    assert "nothing is recorded" in disks.problem(KEY)
    path.unlink()
    assert "No such file" in disks.problem(KEY)
    assert disks.problem("cd" * 32) != ""


def test_a_damaged_disk_is_replaced_unless_it_is_in_use(disks: Disks, raw: Path) -> None:
    path = put(disks, raw)
    with disks.hold(KEY, "guest one"):
        path.unlink()
        with pytest.raises(ImageError, match=r"cannot replace the damaged.*guest one"):
            put(disks, raw)
    put(disks, raw)
    assert disks.problem(KEY, deep=True) == ""


def test_a_disk_in_use_is_not_removed(disks: Disks, raw: Path) -> None:
    put(disks, raw)
    with disks.hold(KEY, "guest one"), disks.hold(KEY, "guest two"):
        assert sorted(disks.holders(KEY)) == ["guest one", "guest two"]
        with disks.locked(), pytest.raises(ImageError, match=r"cannot remove it: in use by .*guest two") as caught:
            disks.remove(KEY, "remove it")
        assert "rig down" in caught.value.hint
        with disks.locked():
            disks.sweep(set())
        assert disks.problem(KEY) == ""
    with disks.locked():
        disks.remove(KEY, "remove it")
        disks.remove(KEY, "remove it")
    assert not disks.path(KEY).exists()
    assert list((disks.root / "tmp").iterdir()) == []
    with pytest.raises(ImageError, match="the disk is gone"):
        disks.hold(KEY, "guest three")


def test_a_sweep_takes_what_nobody_needs(disks: Disks, raw: Path) -> None:
    put(disks, raw)
    put(disks, raw, "cd" * 32)
    dead = disks.root / "tmp" / "dead"
    dead.mkdir()
    (dead / "half.qcow2").write_bytes(b"half")
    with disks.workdir() as work:
        with disks.locked():
            disks.sweep({KEY})
        assert work.exists()
        assert claimed_by(work / ".claim")
    assert [p.name for p in (disks.root / "disks").iterdir()] == [KEY]
    assert not dead.exists()


def test_a_work_directory_goes_with_its_block(disks: Disks) -> None:
    with pytest.raises(KeyError), disks.workdir() as work:
        (work / "x").write_text("")
        raise KeyError
    assert not work.exists()


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(HostError, match="store"), Disks(tmp_path / "store").workdir():
        pass
