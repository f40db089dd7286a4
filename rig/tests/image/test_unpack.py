from __future__ import annotations

import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rig.errors import HostError, ImageError
from rig.image import space
from rig.image.unpack import Archive, unpack
from rig.tests.image.conftest import MIB, raw_disk


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        for name, content in members.items():
            box.writestr(name, content)
    return path


PACKERS: dict[Archive, Callable[[bytes], bytes]] = {"xz": lzma.compress, "gz": gzip.compress}


@pytest.mark.parametrize("archive", ["xz", "gz"])
def test_the_disk_comes_out_whole_and_sparse(tmp_path: Path, archive: Archive) -> None:
    disk = raw_disk(8 * MIB)
    source = tmp_path / "a"
    source.write_bytes(PACKERS[archive](disk))
    unpack(source, archive, tmp_path / "out", "a")
    assert (tmp_path / "out").read_bytes() == disk
    assert (tmp_path / "out").stat().st_blocks * 512 < 3 * MIB


@pytest.mark.parametrize("archive", ["xz", "gz"])
@pytest.mark.parametrize("harm", ["cut", "changed"])
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, archive: Archive, harm: str) -> None:
    content = bytearray(PACKERS[archive](raw_disk()))
    if harm == "cut":
        content = content[: len(content) // 2]
    else:
        content[-12] ^= 0xFF
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ImageError, match=f"the {archive} archive is damaged or cut short"):
        unpack(tmp_path / "a", archive, tmp_path / "out", "a")
    assert not (tmp_path / "out").exists()


def test_a_zip_gives_its_one_disk(tmp_path: Path) -> None:
    members = {"README.txt": b"x", "../../pd/disk.vmdk": raw_disk(), "__MACOSX/._disk.vmdk": b"y", "empty/": b""}
    unpack(_zip(tmp_path / "a.zip", members), "zip", tmp_path / "out", "a.zip")
    assert (tmp_path / "out").read_bytes() == raw_disk()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip", "out"]
    assert not (tmp_path.parent.parent / "pd").exists()


def test_a_zip_of_one_file_gives_it_whatever_its_name(tmp_path: Path) -> None:
    unpack(_zip(tmp_path / "a.zip", {"PureDarwin": raw_disk()}), "zip", tmp_path / "out", "a.zip")
    assert (tmp_path / "out").read_bytes() == raw_disk()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a.img": b"1", "b.img": b"2"}, "found 'a.img', 'b.img'"),
        ({"a.txt": b"1", "b.txt": b"2"}, "found 'a.txt', 'b.txt'"),
        ({}, "found nothing"),
    ],
)
def test_a_zip_must_hold_one_disk(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        unpack(_zip(tmp_path / "a.zip", members), "zip", tmp_path / "out", "a.zip")


def test_a_damaged_or_encrypted_zip(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.img": raw_disk()})
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(ImageError, match="damaged or cut short"):
        unpack(path, "zip", tmp_path / "out", "a.zip")
    central = good.index(b"PK\x01\x02")
    flagged = bytearray(good)
    flagged[6] |= 1
    flagged[central + 8] |= 1
    path.write_bytes(flagged)
    with pytest.raises(ImageError, match="encrypted"):
        unpack(path, "zip", tmp_path / "out", "a.zip")


def test_a_bomb_of_zeros_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(lzma.compress(bytes(32 * MIB)))
    with pytest.raises(ImageError, match=r"more than 16\.0 MiB"):
        unpack(tmp_path / "a", "xz", tmp_path / "out", "a", limit=16 * MIB)
    assert not (tmp_path / "out").exists()


def test_a_bomb_of_data_stops_at_the_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"\x01" * (200 * MIB), 1))
    left = iter([space.MARGIN + 64 * MIB + 2 * MIB])
    monkeypatch.setattr(space, "free_bytes", lambda _: next(left, space.MARGIN))
    with pytest.raises(HostError, match="disk full: cannot unpack a"):
        unpack(tmp_path / "a", "gz", tmp_path / "out", "a")
    assert not (tmp_path / "out").exists()


def test_nothing_that_exists_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(lzma.compress(raw_disk()))
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "out").symlink_to(victim)
    with pytest.raises(HostError, match="File exists"):
        unpack(tmp_path / "a", "xz", tmp_path / "out", "a")
    assert victim.read_bytes() == b"mine"
