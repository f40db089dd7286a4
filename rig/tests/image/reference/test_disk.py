"""The raw disk: partition table, boot loader in its gap, file system at its place."""

import struct
from pathlib import Path

import pytest

from rig.errors import ImageError
from rig.image.reference.disk import FIRST_SECTOR, SECTOR, first_sector, partition_bytes, to_qcow2, write_disk
from rig.image.reference.recipe import Disk

DISK = Disk(size_mib=64, inodes=1024, journal_mib=4, uuid="5052a1d0-1bc0-4f0e-8e0c-52494752454d", signature="52494721")
BOOT = bytes(range(256)) * 2


def test_the_first_sector_keeps_the_loaders_code_and_names_one_active_partition():
    sector = first_sector(BOOT, DISK)
    assert len(sector) == SECTOR
    assert sector[:440] == BOOT[:440]
    assert sector[440:444] == b"RIG!"
    flag, kind = sector[446], sector[450]
    start, count = struct.unpack("<II", sector[454:462])
    assert (flag, kind) == (0x80, 0x83)
    assert (start + count) * SECTOR == 64 << 20
    assert start == FIRST_SECTOR
    assert sector[462:510] == bytes(48)
    assert sector[510:] == b"\x55\xaa"


def test_a_boot_image_of_another_size_is_refused():
    with pytest.raises(ImageError, match="has 100 bytes"):
        first_sector(bytes(100), DISK)


def write(where: Path, core: bytes) -> Path:
    filesystem = where / "fs"
    with filesystem.open("wb") as file:
        file.write(b"begin")
        file.seek(partition_bytes(DISK) - 3)
        file.write(b"end")
    target = where / "disk.raw"
    write_disk(target, DISK, boot=BOOT, core=core, filesystem=filesystem)
    return target


def test_everything_lies_where_the_loader_and_the_kernel_look(tmp_path):
    disk = write(tmp_path, b"core" * 300)
    content = disk.read_bytes()
    assert len(content) == 64 << 20
    assert content[SECTOR : SECTOR + 1200] == b"core" * 300
    assert content[FIRST_SECTOR * SECTOR :].startswith(b"begin")
    assert content.endswith(b"end")
    assert disk.stat().st_blocks * 512 < 1 << 20


def test_a_loader_too_big_for_the_gap_is_refused(tmp_path):
    with pytest.raises(ImageError, match="before the first partition are 1048064"):
        write(tmp_path, bytes(FIRST_SECTOR * SECTOR))


def test_the_qcow2_is_the_same_each_time(tmp_path):
    raw = write(tmp_path, b"core")
    images = [tmp_path / "one.qcow2", tmp_path / "two.qcow2"]
    for image in images:
        to_qcow2(raw, image)
    assert images[0].read_bytes() == images[1].read_bytes()
    assert images[0].read_bytes().startswith(b"QFI\xfb")
