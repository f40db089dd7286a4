from __future__ import annotations

import struct

import pytest

from rig.image.inspect.blocks import Damaged
from rig.image.inspect.partitions import Tables, read_tables
from rig.tests.image.inspect.disks import BOOT0, EFI, HFS, SECTOR, gpt, mbr


class Bytes:
    """Bytes as `Blocks`."""

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = bytes(content)
        self.size = len(content)

    def read(self, at: int, count: int) -> bytes:
        if at + count > self.size:
            raise Damaged("outside")
        return self.content[at : at + count]


def tables(content: bytes | bytearray) -> Tables:
    return read_tables(Bytes(content))


@pytest.fixture
def disk() -> bytearray:
    return gpt([(EFI, b"e" * SECTOR, "ESP"), (HFS, b"h" * 3 * SECTOR, "Darwin")])


def test_mbr() -> None:
    found = tables(mbr([(0xAF, 64, 10, True), (0x83, 74, 26, False)], BOOT0).ljust(100 * SECTOR, b"\0"))
    assert (found.scheme, found.damage) == ("MBR", [])
    assert [(p.number, p.type, p.start, p.size, p.active) for p in found.partitions] == [
        (1, "Apple HFS", 64 * SECTOR, 10 * SECTOR, True),
        (2, "Linux file system", 74 * SECTOR, 26 * SECTOR, False),
    ]
    assert found.boot_code.startswith(BOOT0)


def test_logical_partitions() -> None:
    disk = bytearray(100 * SECTOR)
    disk[:SECTOR] = mbr([(0x0F, 10, 60, False)])
    disk[10 * SECTOR : 11 * SECTOR] = mbr([(0xAF, 1, 5, False), (0x05, 20, 30, False)])
    disk[30 * SECTOR : 31 * SECTOR] = mbr([(0x83, 2, 4, False)])
    found = tables(disk)
    assert [(p.number, p.start // SECTOR, p.size // SECTOR) for p in found.partitions] == [(5, 11, 5), (6, 32, 4)]
    assert not found.damage


def test_a_chain_of_logical_partitions_that_runs_in_a_circle() -> None:
    disk = bytearray(100 * SECTOR)
    disk[:SECTOR] = mbr([(0x05, 10, 60, False)])
    disk[10 * SECTOR : 11 * SECTOR] = mbr([(0xAF, 1, 5, False), (0x05, 0, 30, False)])
    assert "in a circle" in tables(disk).damage[0]
    disk[10 * SECTOR : 11 * SECTOR] = mbr([(0x05, 1_000_000, 30, False)])
    assert "outside the disk" in tables(disk).damage[0]


def test_a_partition_that_ends_after_the_disk() -> None:
    found = tables(mbr([(0xAF, 64, 100, True)]).ljust(100 * SECTOR, b"\0"))
    assert "cut short" in found.damage[0] and len(found.partitions) == 1


def test_gpt(disk: bytearray) -> None:
    found = tables(disk)
    assert (found.scheme, found.damage, found.boot_code) == ("GPT", [], b"")
    assert [(p.type, p.name, p.start, p.size) for p in found.partitions] == [
        ("EFI system", "ESP", 64 * SECTOR, SECTOR),
        ("Apple HFS+", "Darwin", 65 * SECTOR, 3 * SECTOR),
    ]


def test_hybrid_gpt() -> None:
    found = tables(gpt([(HFS, b"h" * SECTOR, "")], code=BOOT0, hybrid=[(0xAF, 64, 1, True)]))
    assert found.scheme == "GPT with hybrid MBR"
    assert [(p.type, p.active) for p in found.partitions] == [("Apple HFS+", True)]
    assert found.boot_code.startswith(BOOT0)


@pytest.mark.parametrize(
    ("at", "words"),
    [(SECTOR + 80, "header's checksum"), (2 * SECTOR + 60, "checksum of its entries"), (SECTOR, "no h")],
)
def test_a_damaged_gpt_is_read_from_its_backup(disk: bytearray, at: int, words: str) -> None:
    whole = tables(disk).partitions
    disk[at] ^= 0xFF
    found = tables(disk)
    assert found.partitions == whole
    assert words in found.damage[0] and "backup is sound" in found.damage[0]
    disk[-SECTOR:] = bytes(SECTOR)
    assert "unusable" in tables(disk).damage[0] and not tables(disk).partitions


def test_a_gpt_without_its_protective_mbr(disk: bytearray) -> None:
    disk[:SECTOR] = bytes(SECTOR)
    assert tables(disk).scheme == "GPT"


def test_sectors_of_4096_bytes_are_named(disk: bytearray) -> None:
    disk[4096:4104] = disk[SECTOR : SECTOR + 8]
    disk[SECTOR : SECTOR + 8] = bytes(8)
    assert "4096" in tables(disk).damage[0]


def test_huge_claims_are_refused(disk: bytearray) -> None:
    import zlib

    for at in (SECTOR, len(disk) - SECTOR):
        struct.pack_into("<I", disk, at + 80, 0x7FFFFFFF)
        header = bytearray(disk[at : at + 92])
        header[16:20] = bytes(4)
        struct.pack_into("<I", disk, at + 16, zlib.crc32(header))
    assert "2147483647 entries" in tables(disk).damage[0]


def test_no_table_at_all() -> None:
    assert tables(bytes(4096)) == Tables()
    assert tables(b"\xeb\x3c" + b"\xff" * 508 + b"\x55\xaa" + bytes(4096)).scheme == "none"
    assert "too few" in tables(b"x").damage[0]


def test_an_apple_partition_map() -> None:
    assert tables(b"ER".ljust(SECTOR, b"\0") + b"PM".ljust(SECTOR, b"\0")).scheme == "Apple partition map"
