"""Partition tables: MBR with its logical chain, GPT with its checksums and backup, hybrids, the Apple partition map.

Facts: UEFI Specification 2.10, sections 5.2 (MBR) and 5.3 (GPT). Disks have sectors of 512 bytes here, as QEMU's
emulated AHCI and IDE disks do.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass, field

from rig.image.inspect.blocks import Blocks, Damaged
from rig.image.inspect.text import clean

SECTOR = 512
_PROTECTIVE = 0xEE
_EXTENDED = {0x05, 0x0F, 0x85}
_MOST_LOGICAL = 64
_MOST_ENTRIES = 1024
_LINUX_NATIVE = "Linux file system"

MBR_TYPES = {
    0x01: "FAT12",
    0x04: "FAT16",
    0x06: "FAT16",
    0x07: "NTFS or exFAT",
    0x0B: "FAT32",
    0x0C: "FAT32",
    0x0E: "FAT16",
    0x82: "Linux swap",
    0x83: _LINUX_NATIVE,
    0xA8: "Darwin UFS",
    0xAB: "Darwin boot",
    0xAF: "Apple HFS",
    0xEF: "EFI system",
}
"""By the byte of the table."""
GPT_TYPES = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
    "48465300-0000-11aa-aa11-00306543ecac": "Apple HFS+",
    "7c3457ef-0000-11aa-aa11-00306543ecac": "Apple APFS",
    "55465300-0000-11aa-aa11-00306543ecac": "Apple UFS",
    "426f6f74-0000-11aa-aa11-00306543ecac": "Apple boot",
    "53746f72-6167-11aa-aa11-00306543ecac": "Apple CoreStorage",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": _LINUX_NATIVE,
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
}
"""By type GUID."""


@dataclass(frozen=True)
class Partition:
    """One entry of a table; `start` and `size` in bytes."""

    number: int
    type: str
    start: int
    size: int
    active: bool = False
    """Marked as the one that BIOS code boots."""
    name: str = ""


@dataclass
class Tables:
    """What the first sectors say."""

    scheme: str = "none"
    """none, MBR, GPT, GPT with hybrid MBR, Apple partition map."""
    partitions: list[Partition] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    boot_code: bytes = b""
    """The first sector's code, before the table; empty where it holds nothing or the disk has no boot signature."""


def read_tables(disk: Blocks) -> Tables:
    """Read a disk's tables. What is wrong with them goes to `damage`; raises ImageError and HostError of reading."""
    tables = Tables()
    if disk.size < 2 * SECTOR:
        tables.damage.append(f"{disk.size} bytes are too few for a disk")
        return tables
    first = disk.read(0, SECTOR)
    if first[:2] == b"ER" and disk.read(SECTOR, 2) == b"PM":
        tables.scheme = "Apple partition map"
        return tables
    signed = first[510:] == b"\x55\xaa"
    if signed and any(first[:440]):
        tables.boot_code = first[:440]
    entries = _entries(first) if signed else []
    if any(kind == _PROTECTIVE for _, kind, _, _ in entries) or (not entries and _has_gpt(disk)):
        others = [entry for entry in entries if entry[1] != _PROTECTIVE]
        tables.scheme = "GPT with hybrid MBR" if others else "GPT"
        _read_gpt(disk, tables)
        if any(active for active, *_ in entries) and tables.partitions:
            _mark_active(tables, entries)
    elif entries:
        tables.scheme = "MBR"
        _read_mbr(disk, entries, tables)
    for part in tables.partitions:
        if part.start + part.size > disk.size:
            tables.damage.append(
                f"partition {part.number} ends at byte {part.start + part.size}, the disk at {disk.size}: cut short"
            )
    return tables


def _entries(sector: bytes) -> list[tuple[bool, int, int, int]]:
    """(active, type, first sector, sectors) of a table's used entries; none when the bytes are no table."""
    found = []
    for at in range(446, 510, 16):
        status, kind = sector[at], sector[at + 4]
        start, count = struct.unpack_from("<II", sector, at + 8)
        if status not in (0x00, 0x80):
            return []  # a file system's own boot code reaches to here
        if kind and count:
            found.append((status == 0x80, kind, start, count))
    return found


def _has_gpt(disk: Blocks) -> bool:
    return disk.read(SECTOR, 8) == b"EFI PART"


def _read_mbr(disk: Blocks, entries: list[tuple[bool, int, int, int]], tables: Tables) -> None:
    number = 4
    for index, (active, kind, start, count) in enumerate(entries, 1):
        name = MBR_TYPES.get(kind, f"type {kind:#04x}")
        if kind not in _EXTENDED:
            tables.partitions.append(Partition(index, name, start * SECTOR, count * SECTOR, active))
            continue
        for at, size, inner in _logical(disk, start, tables.damage):
            number += 1
            named = MBR_TYPES.get(inner, f"type {inner:#04x}")
            tables.partitions.append(Partition(number, named, at * SECTOR, size * SECTOR))


def _logical(disk: Blocks, extended: int, damage: list[str]) -> list[tuple[int, int, int]]:
    """(first sector, sectors, type) along the chain of an extended partition."""
    found: list[tuple[int, int, int]] = []
    seen: set[int] = set()
    here = extended
    while here not in seen and len(seen) < _MOST_LOGICAL:
        seen.add(here)
        try:
            sector = disk.read(here * SECTOR, SECTOR)
        except Damaged:
            damage.append("the chain of logical partitions leads outside the disk")
            return found
        entries = _entries(sector) if sector[510:] == b"\x55\xaa" else []
        onward = [start for _, kind, start, _ in entries if kind in _EXTENDED]
        found += [(here + start, count, kind) for _, kind, start, count in entries if kind not in _EXTENDED]
        if not onward:
            return found
        here = extended + onward[0]
    damage.append("the chain of logical partitions runs in a circle")
    return found


def _read_gpt(disk: Blocks, tables: Tables) -> None:
    try:
        tables.partitions = _gpt_at(disk, 1)
    except Damaged as fault:
        if disk.size > 4096 + 8 and disk.read(4096, 8) == b"EFI PART":
            tables.damage.append("its GPT is for sectors of 4096 bytes; QEMU's disks have 512 here")
            return
        try:
            tables.partitions = _gpt_at(disk, disk.size // SECTOR - 1)
        except Damaged:
            tables.damage.append(f"the GPT is unusable: {fault}")
        else:
            tables.damage.append(f"the GPT at the disk's start is damaged ({fault}); its backup is sound")


def _gpt_at(disk: Blocks, sector: int) -> list[Partition]:
    header = disk.read(sector * SECTOR, SECTOR)
    if header[:8] != b"EFI PART":
        raise Damaged("no header there")
    (length, told) = struct.unpack_from("<II", header, 12)
    if not 92 <= length <= SECTOR:
        raise Damaged(f"its header claims {length} bytes")
    if zlib.crc32(header[:16] + bytes(4) + header[20:length]) != told:
        raise Damaged("its header's checksum is wrong")
    entries_at, count, each, checksum = struct.unpack_from("<QIII", header, 72)
    if count > _MOST_ENTRIES or each not in (128, 256, 512):
        raise Damaged(f"it claims {count} entries of {each} bytes")
    array = disk.read(entries_at * SECTOR, count * each)
    if zlib.crc32(array) != checksum:
        raise Damaged("the checksum of its entries is wrong")
    found = []
    for index in range(count):
        entry = array[index * each : (index + 1) * each]
        if not any(entry[:16]):
            continue
        first, last = struct.unpack_from("<QQ", entry, 32)
        if last < first:
            raise Damaged(f"its entry {index + 1} ends before it starts")
        kind = str(uuid.UUID(bytes_le=bytes(entry[:16])))
        name = clean(entry[56:128].decode("utf-16-le", "replace").partition("\0")[0])
        size = (last + 1 - first) * SECTOR
        found.append(Partition(index + 1, GPT_TYPES.get(kind, f"type {kind}"), first * SECTOR, size, name=name))
    return found


def _mark_active(tables: Tables, entries: list[tuple[bool, int, int, int]]) -> None:
    active = {start * SECTOR for on, _, start, _ in entries if on}
    tables.partitions = [
        Partition(p.number, p.type, p.start, p.size, p.start in active, p.name) for p in tables.partitions
    ]
