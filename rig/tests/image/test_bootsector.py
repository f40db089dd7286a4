from __future__ import annotations

import struct

import pytest

from rig.errors import ImageError
from rig.image.bootsector import check_start
from rig.tests.image.conftest import MIB, raw_disk


def _gpt(last_lba: int) -> bytes:
    table = struct.pack("<B3xB3xII", 0, 0xEE, 1, 0xFFFFFFFF) + bytes(48)
    header = b"EFI PART" + bytes(24) + struct.pack("<Q", last_lba)
    return bytes(446) + table + b"\x55\xaa" + header.ljust(512, b"\0")


def test_a_whole_disk_passes() -> None:
    check_start(raw_disk()[:1024], MIB, "x", whole=True)
    check_start(_gpt(MIB // 512 - 1), MIB, "x", whole=True)


def test_a_disk_that_ends_before_its_partitions_was_cut_short() -> None:
    with pytest.raises(ImageError, match=f"cut short.*{MIB} bytes.*{MIB - 512}"):
        check_start(raw_disk()[:1024], MIB - 512, "x", whole=True)
    with pytest.raises(ImageError, match="cut short"):
        check_start(_gpt(MIB // 512 - 1), MIB - 512, "x", whole=True)


def test_formats_with_an_index_are_not_held_against_the_table() -> None:
    check_start(raw_disk()[:1024], MIB // 2, "x", whole=False)


def test_a_file_systems_boot_code_is_no_table() -> None:
    head = b"\xeb\x58\x90mkfs.fat" + b"\xf4" * 499 + b"\x55\xaa" + bytes(512)
    check_start(head, 4096, "x", whole=True)


@pytest.mark.parametrize(
    ("head", "words"),
    [(b"", "blank"), (bytes(1024), "blank"), (b"x" * 1024, "78 78, not in 55 aa"), (b"x" * 100, "blank")],
)
def test_what_no_pc_boots_from(head: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        check_start(head, MIB, "x", whole=True)
