"""Bytes of a disk as a guest would read them, out of any format, with bounds on each read and on all together."""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rig.image import qemuimg
from rig.spec import ImageFormat

BUDGET = 1 << 30
"""Most bytes that are read of one disk to follow its structures, however often it sends the reader in circles."""
LARGEST = 64 << 20
"""Most bytes of one read."""
REACH = 32 << 30
"""How far into a disk `pieces` goes: a header may claim any size, and each stretch costs a call of qemu-img."""
_CHUNK = 4 << 20
_KEPT = 8
_PIECE = 64 << 20


class Damaged(Exception):
    """The disk's bytes contradict each other or lead outside it; the message says how, for a reader."""


class Blocks(Protocol):
    """A stretch of bytes that can be read anywhere."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, at: int, count: int) -> bytes:
        """Exactly `count` bytes from `at`. Raises Damaged."""
        ...


class Disk:
    """A whole disk. `read` counts against `BUDGET`, `pieces` does not."""

    def __init__(self, size: int, scratch: Path, path: Path, fmt: ImageFormat) -> None:
        self.size = size
        self._path, self._format = path, fmt
        self._out = scratch / "piece"
        self._file = path.open("rb") if fmt is ImageFormat.RAW else None
        self._chunks: OrderedDict[int, bytes] = OrderedDict()
        self._left = BUDGET

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def read(self, at: int, count: int) -> bytes:
        """Exactly `count` bytes from `at`. Raises Damaged (outside the disk, too much), ImageError, HostError."""
        if at < 0 or count < 0 or at + count > self.size:
            raise Damaged(f"bytes {at} to {at + count} are asked for, the disk ends at {self.size}")
        if count > LARGEST or count > self._left:
            raise Damaged("its structures ask for more reading than a sound disk of this kind needs")
        self._left -= count
        if self._file is not None:
            self._file.seek(at)
            found = self._file.read(count)
        else:
            first, last = at // _CHUNK, (at + count - 1) // _CHUNK
            begin = at - first * _CHUNK
            if first == last:
                found = self._chunk(first)[begin : begin + count]
            else:
                joined = b"".join(self._chunk(index) for index in range(first, last + 1))
                found = joined[begin : begin + count]
        if len(found) != count:
            raise Damaged(f"bytes {at} to {at + count} cannot be read")
        return found

    def _chunk(self, index: int) -> bytes:
        if index not in self._chunks:
            at = index * _CHUNK
            qemuimg.extract(self._path, self._format, at, min(_CHUNK, self.size - at), self._out)
            self._chunks[index] = self._out.read_bytes()
            while len(self._chunks) > _KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(index)
        return self._chunks[index]

    def pieces(self, limit: int, block: int = 1 << 20) -> Iterator[tuple[int, bytes]]:
        """The disk's content from its start, as (offset, bytes) of up to `block`, no holes, `limit` bytes at most.

        It ends at `REACH`.

        Raises ImageError, HostError.
        """
        for at, found in self._held(block):
            if limit <= 0 or at >= REACH:
                return
            limit -= len(found)
            yield at, found

    def _held(self, block: int) -> Iterator[tuple[int, bytes]]:
        if self._file is not None:
            yield from _data(self._path, 0, block)
            return
        for at in range(0, min(self.size, REACH), _PIECE):
            qemuimg.extract(self._path, self._format, at, min(_PIECE, self.size - at), self._out)
            yield from _data(self._out, at, block)


def _data(path: Path, shift: int, block: int) -> Iterator[tuple[int, bytes]]:
    with path.open("rb", buffering=0) as file:
        at, size = 0, os.fstat(file.fileno()).st_size
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
                end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            except OSError:
                return  # only a hole is left
            for here in range(begin, end, block):
                yield shift + here, os.pread(file.fileno(), min(block, end - here), here)
            at = end


@contextmanager
def opened(path: Path, fmt: ImageFormat) -> Iterator[Disk]:
    """A disk image for reading; formats other than raw go through qemu-img. Raises ImageError, HostError."""
    size = path.stat().st_size if fmt is ImageFormat.RAW else qemuimg.info(path, fmt).virtual_size
    with tempfile.TemporaryDirectory(prefix="rig-inspect-") as scratch:
        disk = Disk(size // 512 * 512, Path(scratch), path, fmt)
        try:
            yield disk
        finally:
            disk.close()


class Part:
    """A stretch of a disk, such as a partition, cut off where the disk ends."""

    def __init__(self, disk: Blocks, start: int, size: int) -> None:
        self._disk, self._start = disk, start
        self.size = max(0, min(size, disk.size - start))

    def read(self, at: int, count: int) -> bytes:
        """Exactly `count` bytes from `at`. Raises Damaged."""
        if at < 0 or count < 0 or at + count > self.size:
            raise Damaged(f"bytes {at} to {at + count} are asked for, the partition ends at {self.size}")
        return self._disk.read(self._start + at, count)

    def head(self, count: int) -> bytes:
        """The first `count` bytes, fewer from a smaller one."""
        return self.read(0, min(count, self.size))
