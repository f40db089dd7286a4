from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import HostError, ImageError
from rig.image.record import Disk, read_json, write_json, write_whole

DISK = Disk(sha256="0" * 64, size=1, virtual_size=2, mtime_ns=3)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_json(Disk, tmp_path / "a.json") is None
    write_json(DISK, tmp_path / "deep" / "a.json")
    assert read_json(Disk, tmp_path / "deep" / "a.json") == DISK


def test_a_later_rigs_keys_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(DISK.model_dump_json().replace("{", '{"new": 1, ', 1))
    assert read_json(Disk, tmp_path / "a.json") == DISK


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sha256": 1}', b"\xff"])
def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tiny.json").write_bytes(content)
    with pytest.raises(ImageError, match=r"tiny\.json: damaged") as caught:
        read_json(Disk, tmp_path / "tiny.json")
    assert "rig images rm tiny" in caught.value.hint


def test_a_write_that_fails_keeps_the_old_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(HostError, match="cannot write"):
        write_whole(tmp_path / "a", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_rights(tmp_path: Path) -> None:
    write_whole(tmp_path / "key", b"secret", 0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    write_whole(tmp_path / "record", b"for all")
    assert (tmp_path / "record").stat().st_mode & 0o777 == 0o644
