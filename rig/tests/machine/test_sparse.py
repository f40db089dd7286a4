"""Files with holes: what a copy keeps, and what a digest sees."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.machine.sparse import copy_sparse, digest, extents

BLOCK = 1 << 16


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), max_size=8))
def test_a_sparse_copy_is_the_same(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[bool, int]]) -> None:
    place = tmp_path_factory.mktemp("sparse")
    with (place / "a").open("wb") as file:
        at = 0
        for data, blocks in parts:
            if data:
                file.seek(at)
                file.write(os.urandom(blocks * BLOCK))
            at += blocks * BLOCK
        file.truncate(at)
    copy_sparse(place / "a", place / "b")
    assert (place / "a").read_bytes() == (place / "b").read_bytes()
    assert digest(place / "a") == digest(place / "b")
    assert (place / "b").stat().st_blocks <= (place / "a").stat().st_blocks


def test_a_hole_costs_nothing_and_counts(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path, at in ((one, 0), (two, 1 << 30)):
        with path.open("wb") as file:
            file.seek(at)
            file.write(b"x" * BLOCK)
            file.truncate(1 << 31)
    with two.open("rb") as file:
        assert extents(file.fileno(), 1 << 31) == [(1 << 30, (1 << 30) + BLOCK)]
    assert digest(one) != digest(two)


def test_a_copy_that_fails_leaves_no_part(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        copy_sparse(tmp_path / "absent", tmp_path / "b")
    (tmp_path / "a").write_bytes(b"x" * BLOCK)
    (tmp_path / "b").symlink_to("/dev/full")
    with pytest.raises(OSError, match="space"):
        copy_sparse(tmp_path / "a", tmp_path / "b")
    assert not (tmp_path / "b").is_symlink()


def test_where_the_holes_are_makes_no_difference(tmp_path: Path) -> None:
    """A file system may find that a block of zeros is a hole, or fill one, behind the rig's back."""
    content = bytes(BLOCK) + b"x" * BLOCK + bytes(2 * BLOCK) + b"y" * 100
    (tmp_path / "filled").write_bytes(content)
    with (tmp_path / "holes").open("wb") as file:
        file.seek(BLOCK)
        file.write(b"x" * BLOCK)
        file.seek(4 * BLOCK)
        file.write(b"y" * 100)
    assert (tmp_path / "holes").read_bytes() == content
    assert digest(tmp_path / "holes") == digest(tmp_path / "filled")


def test_the_size_counts(tmp_path: Path) -> None:
    for name, size in (("one", BLOCK), ("two", 2 * BLOCK)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    assert digest(tmp_path / "one") != digest(tmp_path / "two")


@pytest.mark.parametrize("fault", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_file_system_that_knows_no_holes(fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are copied and looked at whole, not taken for empty ones."""
    (tmp_path / "a").write_bytes(b"x" * 1000)
    known = digest(tmp_path / "a")

    def refuse(*_: object) -> int:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr("rig.machine.sparse.os.lseek", refuse)
    copy_sparse(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"x" * 1000
    assert digest(tmp_path / "b") == known
