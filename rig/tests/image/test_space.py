from __future__ import annotations

import errno
import gzip
from pathlib import Path

import pytest

from rig.errors import HostError
from rig.image import space


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes_for_a_reader(count: int, words: str) -> None:
    assert space.human(count) == words


def test_free_space_of_a_place_that_is_not_there_yet(tmp_path: Path) -> None:
    assert space.free_bytes(tmp_path / "a" / "b") > 0


def test_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda _: space.MARGIN + 10)
    space.require(tmp_path, 10, "do it")
    with pytest.raises(HostError, match=r"cannot do it: 64\.0 MiB free at .*, 64\.0 MiB needed") as caught:
        space.require(tmp_path, 11, "do it")
    assert "RIG_HOME" in caught.value.hint


def test_a_full_disk_is_told_from_a_forbidden_one(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="disk full: cannot do it"), space.explained(tmp_path, "do it"):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    with pytest.raises(HostError, match="cannot do it: /x: Permission denied"), space.explained(tmp_path, "do it"):
        raise PermissionError(errno.EACCES, "Permission denied", "/x")


def test_a_librarys_own_error_passes_through(tmp_path: Path) -> None:
    with pytest.raises(gzip.BadGzipFile), space.explained(tmp_path, "do it"):
        raise gzip.BadGzipFile("x")
