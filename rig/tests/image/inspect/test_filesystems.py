from __future__ import annotations

import struct

import pytest

from rig.image.inspect.blocks import Damaged, Part
from rig.image.inspect.fat import Fat
from rig.image.inspect.files import FileSystem, find
from rig.image.inspect.hfsplus import HfsPlus
from rig.image.inspect.volumes import volume_of
from rig.tests.image.inspect.disks import ext4
from rig.tests.image.inspect.fatfs import fat
from rig.tests.image.inspect.hfs import BLOCK, hfsplus
from rig.tests.image.inspect.test_partitions import Bytes

LONG = bytes(range(256)) * 40
FILES = {
    "/EFI/BOOT/BOOTX64.EFI": b"MZ loader",
    "/EFI/BOOT/A much longer name.text": LONG,
    "/EMPTY": b"",
    "/TOP.TXT": b"t",
}


def part(content: bytes | bytearray) -> Part:
    return Part(Bytes(content), 0, len(content))


def content(system: FileSystem, path: str) -> bytes:
    entry = find(system, path)
    assert entry is not None and not entry.folder
    return b"".join(system.stream(entry))


@pytest.mark.parametrize("bits", [12, 16, 32])
@pytest.mark.parametrize("step", [1, 2])
def test_fat(bits: int, step: int) -> None:
    system = Fat(part(fat(FILES, bits=bits, step=step)))
    assert (system.kind, system.label, system.short) == (f"FAT{bits}", "EFI", False)
    for path, expected in FILES.items():
        assert content(system, path.lower()) == expected
    assert {entry.name for entry in system.entries(system.root())} == {"EFI", "EMPTY", "TOP.TXT"}
    assert find(system, "EFI/nothing") is None and find(system, "TOP.TXT/x") is None


def test_a_fat_chain_that_runs_in_a_circle_or_ends_early() -> None:
    raw = bytearray(fat({"/A": bytes(5000)}, bits=16))
    fat_at = 512
    struct.pack_into("<H", raw, fat_at + 2 * 4, 2)  # the third cluster leads back to the first
    raw[_item_at(raw, b"A  ") + 28 : _item_at(raw, b"A  ") + 32] = b"\xff\xff\xff\x7f"
    with pytest.raises(Damaged, match="in a circle"):
        content(Fat(part(raw)), "A")
    struct.pack_into("<H", raw, fat_at + 2 * 4, 0xFFFF)
    with pytest.raises(Damaged, match=r"ends \d+ bytes early"):
        content(Fat(part(raw)), "A")


def _item_at(raw: bytearray, name: bytes) -> int:
    return raw.index(name)


def test_lower_case_by_the_two_bits_of_a_short_name() -> None:
    raw = bytearray(fat({"/KERNEL": b"k"}))
    raw[_item_at(raw, b"KERNEL  ") + 12] = 0x08
    assert [entry.name for entry in Fat(part(raw)).entries(Fat(part(raw)).root())] == ["kernel"]


def test_what_is_no_fat() -> None:
    for raw in (bytes(512), b"\xeb" + bytes(600), b"\xff" * 1024, b"x"):
        with pytest.raises(Damaged):
            Fat(part(raw))


MANY = {f"/System/Library/Kernels/file{index:03}": bytes([index]) * 700 for index in range(60)}


def test_hfsplus_with_a_deep_tree() -> None:
    files = {**MANY, "/mach_kernel": LONG, "/boot": b"b", "/Päth/Ωmega": b"unicode"}
    system = HfsPlus(part(hfsplus(files)))
    assert (system.kind, system.label, system.journaled, system.short) == ("HFS+", "PureDarwin", True, False)
    for path, expected in files.items():
        assert content(system, path) == expected
    assert content(system, "/SYSTEM/library/kernels/FILE007") == bytes([7]) * 700
    assert {entry.name for entry in system.entries(system.root())} == {"System", "mach_kernel", "boot", "Päth"}
    assert find(system, "/System/Library/Kernels/file060") is None


def test_hfsplus_overflow_extents() -> None:
    files = {"/mach_kernel": LONG, "/other": b"o"}
    system = HfsPlus(part(hfsplus(files, scattered="/mach_kernel")))
    assert len(LONG) // BLOCK > 16, "more than one overflow record is wanted"
    assert content(system, "/mach_kernel") == LONG


def test_hfsplus_without_its_overflow_records() -> None:
    raw = bytearray(hfsplus({"/mach_kernel": LONG}, scattered="/mach_kernel"))
    raw[1024 + 192 : 1024 + 272] = bytes(80)
    with pytest.raises(Damaged, match="no blocks for its last"):
        content(HfsPlus(part(raw)), "/mach_kernel")


def test_hfsplus_startup_file_and_compressed_file() -> None:
    system = HfsPlus(part(hfsplus({"/mach_kernel": b"k"}, startup=b"second stage", compressed="/mach_kernel")))
    startup, kernel = system.startup_file(), find(system, "/mach_kernel")
    assert startup is not None and b"".join(system.stream(startup)) == b"second stage"
    assert kernel is not None and "compressed" in kernel.note
    assert HfsPlus(part(hfsplus({"/a": b""}))).startup_file() is None


def _catalog(raw: bytearray) -> int:
    return int(struct.unpack_from(">I", raw, 1024 + 272 + 16)[0]) * BLOCK


def _damage(raw: bytearray, word: str) -> None:
    catalog = _catalog(raw)
    (root,) = struct.unpack_from(">I", raw, catalog + 16)
    root_at = catalog + root * 512
    if word == "to node":
        struct.pack_into(">I", raw, catalog + 16, 0x7FFFFFFF)
    elif word == "no header":
        raw[catalog + 8] = 9
    elif word == "claims":
        struct.pack_into(">H", raw, root_at + 10, 0xFFFF)
    elif word == "outside its node":
        struct.pack_into(">H", raw, root_at + 510, 500)
    elif word == "longer than its record":
        struct.pack_into(">H", raw, root_at + 14, 400)
    elif word == "deeper":
        first = struct.unpack_from(">H", raw, root_at + 510)[0]
        (length,) = struct.unpack_from(">H", raw, root_at + first)
        struct.pack_into(">I", raw, root_at + first + 2 + length, root)
    elif word == "circle":
        (leaf,) = struct.unpack_from(">I", raw, catalog + 24)
        onward = struct.unpack_from(">I", raw, catalog + leaf * 512)[0]
        struct.pack_into(">I", raw, catalog + onward * 512, onward)


@pytest.mark.parametrize(
    "word", ["to node", "no header", "claims", "outside its node", "longer than its record", "deeper", "circle"]
)
def test_a_damaged_catalog(word: str) -> None:
    raw = bytearray(hfsplus(MANY))
    _damage(raw, word)
    with pytest.raises(Damaged, match=word):
        find(HfsPlus(part(raw)), "/System/Library/Kernels/file059")


def test_an_hfsplus_header_with_absurd_blocks() -> None:
    raw = bytearray(hfsplus({"/a": b"a"}))
    struct.pack_into(">I", raw, 1024 + 40, 3)
    with pytest.raises(Damaged, match="3 bytes"):
        HfsPlus(part(raw))


def _marked(at: int, mark: bytes, size: int = 70_000) -> bytes:
    return bytes(at) + mark + bytes(size - at - len(mark))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (ext4(b"root"), "ext4"),
        (ext4(features=(4, 2)), "ext3"),
        (ext4(features=(0, 2)), "ext2"),
        (_marked(32, b"NXSB"), "APFS container"),
        (_marked(3, b"NTFS    "), "NTFS"),
        (_marked(3, b"EXFAT   "), "exFAT"),
        (_marked(88, b"CS\x01\x00"), "CoreStorage (encrypted or spread over disks)"),
        (_marked(32769, b"CD001"), "ISO9660"),
        (_marked(8192 + 1372, b"\x00\x01\x19\x54"), "UFS"),
        (_marked(65536 + 1372, b"\x19\x01\x54\x19"), "UFS2"),
        (_marked(1024, b"BD"), "HFS"),
        (hfsplus({"/a": b"a"}, case_sensitive=True), "HFSX, journaled"),
        (fat({"/A": b"a"}), "FAT12"),
        (bytes(70_000), None),
        (b"x" * 100, None),
    ],
)
def test_which_file_system(raw: bytes, kind: str | None) -> None:
    volume, _ = volume_of(part(raw), "here")
    assert (volume.kind if volume else None) == kind
