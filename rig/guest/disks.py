"""The two raw disks beside a guest's own: what is pushed lies on the one, what is fetched on the other.

Both are sparse files of a fixed size, in every start alike, so that a saved machine finds them as they were. The guest
reads and writes them past its caches; QEMU keeps nothing back either, so what one side has written the other reads.
"""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rig.errors import HostError, InputError, TransportError

SIZE = 4 << 30
"""Bytes of each disk. On the host it takes what was written to it."""
BLOCK = 4096
BOOT_BLOCK = 65536
"""Bytes that a guest's dd reads at once to get the agent."""
_DATA = 4 << 20
"""Where pushed data begins; the agent's archive lies before it and never changes."""
_RESULTS = 1 << 20
"""Where the agent begins to write: guest-tests/agent/disk.c."""
_SIGN = b"rig scratch disk\n"
_AGENT = "rig-agent"
_AROUND = 3 * tarfile.BLOCKSIZE
"""A header, and the two blocks of an archive's end."""
_PAYLOAD, _SCRATCH = "payload.raw", "scratch.raw"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Extent:
    """Bytes at a place of a disk, with their CRC-32."""

    at: int
    length: int
    crc: int

    def __str__(self) -> str:
        return f"{self.at:x},{self.length:x},{self.crc:x}"


@dataclass(frozen=True)
class Disks:
    """The files of the two disks."""

    payload: Path
    scratch: Path
    boot_blocks: int
    """How many of `BOOT_BLOCK` the agent's archive takes."""

    @classmethod
    def create(cls, directory: Path, agent: Path) -> Disks:
        """Make them in `directory`, with the agent where a guest's `dd | tar` finds it. Raises `HostError`."""
        archive = _archive(agent)
        if len(archive) > _DATA:
            raise HostError(f"{agent}: too large for the payload disk: {len(archive)} bytes, it has room for {_DATA}")
        found = cls(directory / _PAYLOAD, directory / _SCRATCH, -(-len(archive) // BOOT_BLOCK))
        for path, content in ((found.payload, archive), (found.scratch, _SIGN)):
            try:
                with path.open("wb") as file:
                    file.write(content)
                    file.truncate(SIZE)
            except OSError as fault:
                raise HostError(f"{path}: cannot be made: {fault.strerror or fault}") from fault
        return found

    @classmethod
    def open(cls, directory: Path) -> Disks:
        """Those that were made in `directory` before. Raises `HostError`."""
        payload = directory / _PAYLOAD
        try:
            with payload.open("rb") as file:
                member = tarfile.TarInfo.frombuf(file.read(tarfile.BLOCKSIZE), "ascii", "strict")
        except (OSError, tarfile.TarError) as fault:
            raise HostError(f"{payload}: is no payload disk of the rig: {fault}") from fault
        return cls(payload, directory / _SCRATCH, -(-(member.size + _AROUND) // BOOT_BLOCK))

    def put(self, *parts: bytes) -> list[Extent]:
        """Lay these on the payload disk for the guest to read; what lay there before is gone. Raises `HostError`."""
        at, extents = _DATA, []
        if sum(len(part) + BLOCK for part in parts) > SIZE - _DATA:
            raise TransportError(f"too much to push at once: the payload disk has room for {SIZE - _DATA >> 20} MiB")
        try:
            with self.payload.open("r+b", buffering=0) as file:
                for part in parts:
                    extents.append(Extent(at, len(part), zlib.crc32(part)))
                    _write_at(file.fileno(), part, at)
                    at += -(-len(part) // BLOCK) * BLOCK
        except OSError as fault:
            raise HostError(f"{self.payload}: cannot be written: {fault.strerror or fault}") from fault
        return extents

    def take(self, extent: Extent, take: Callable[[bytes], None]) -> None:
        """Hand what the guest has written to `take`, once it is known to be whole.

        Raises `TransportError` where it is not what the guest says that it has written.
        """
        if extent.at != _RESULTS or extent.length > SIZE - _RESULTS:
            raise TransportError(f"the guest says that it has written where it may not: {extent}")
        try:
            with self.scratch.open("rb") as file:
                crc = 0
                for piece in _pieces(file, extent):
                    crc = zlib.crc32(piece, crc)
                if crc != extent.crc:
                    raise TransportError(
                        f"of {extent.length} bytes that the guest wrote to its scratch disk not all have arrived"
                    )
                for piece in _pieces(file, extent):
                    take(piece)
        except OSError as fault:
            raise HostError(f"{self.scratch}: cannot be read: {fault.strerror or fault}") from fault


def _pieces(file: io.BufferedReader, extent: Extent) -> Iterator[bytes]:
    file.seek(extent.at)
    left = extent.length
    while left:
        piece = file.read(min(left, _CHUNK))
        if not piece:
            return
        left -= len(piece)
        yield piece


def _write_at(fd: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        done = os.pwrite(fd, rest[:_CHUNK], at)
        rest, at = rest[done:], at + done


def _archive(agent: Path) -> bytes:
    """The agent alone, as the first member: by its name the guest knows the disk."""
    buffer = io.BytesIO()
    try:
        content = agent.read_bytes()
    except OSError as fault:
        raise InputError(f"{agent}: cannot be read: {fault.strerror}") from fault
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(_AGENT)
        info.mode, info.size = 0o755, len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
