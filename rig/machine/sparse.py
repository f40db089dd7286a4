"""Files with holes: copied with them, and known by what is in them, wherever a file system puts its holes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)
_AT_ONCE = 1 << 22


def extents(fd: int, size: int) -> list[tuple[int, int]]:
    """Where a file has data: (start, end) in bytes, in order. One that cannot tell has data everywhere."""
    found: list[tuple[int, int]] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
            stop = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError as fault:
            if fault.errno != errno.ENXIO:  # that one says that only a hole is left
                found.append((end, size))
            break
        found.append((start, min(stop, size)))
        end = stop
    return found


def copy_sparse(source: Path, to: Path) -> Path:
    """Copy a file, its holes left holes; returns `to`. Raises OSError; a part is removed then."""
    try:
        with source.open("rb") as old, to.open("wb") as new:
            size = os.fstat(old.fileno()).st_size
            for start, end in extents(old.fileno(), size):
                old.seek(start)
                new.seek(start)
                for at in range(start, end, _AT_ONCE):
                    new.write(old.read(min(_AT_ONCE, end - at)))
            new.truncate(size)
    except BaseException:
        with contextlib.suppress(OSError):
            to.unlink()
        raise
    return to


def digest(path: Path) -> str:
    """sha256 of a file's size and of its blocks that are not all zeros, each with its place; holes cost nothing.

    The same content has the same digest however it lies on the disk: a file system may find a hole later, or fill one.
    """
    whole = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        whole.update(f"{size};".encode())
        for at in _blocks(extents(file.fileno(), size)):
            file.seek(at)
            block = file.read(_BLOCK)
            if block != _ZEROS[: len(block)]:
                whole.update(f"{at};".encode())
                whole.update(block)
    return whole.hexdigest()


def _blocks(parts: list[tuple[int, int]]) -> Iterator[int]:
    """Where the blocks begin that hold any of these parts, each once."""
    behind = 0
    for start, end in parts:
        first = max(behind, start // _BLOCK * _BLOCK)
        behind = max(behind, -(-end // _BLOCK) * _BLOCK)
        yield from range(first, behind, _BLOCK)
