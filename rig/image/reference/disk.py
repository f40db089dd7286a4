"""The bootable disk: partition table, boot loader, file system, in one raw file, without root or loop devices.

GRUB's first sector (boot.img) loads the sector after it unless told otherwise, and its core image finds the length of
the rest in a list that grub-mkimage fills in (grub-core/boot/i386/pc/boot.S and diskboot.S); so a core image written
to the gap between the partition table and the first partition boots as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from rig.errors import ImageError
from rig.image.reference.archive import Archive
from rig.image.reference.recipe import Disk, Loader
from rig.image.reference.tools import run_tool

SECTOR = 512
FIRST_SECTOR = 2048
"""Of the one partition; what lies before it holds the boot loader."""
_MIB = 1 << 20
_CHUNK = 1 << 16
_GRUB = "usr/lib/grub/i386-pc"


def partition_bytes(disk: Disk) -> int:
    """Size of the one partition, in bytes."""
    return disk.size_mib * _MIB - FIRST_SECTOR * SECTOR


def unpack_loader(debs: Iterable[Path], scratch: Path) -> Path:
    """Put GRUB's parts and the program that joins them under a directory of `scratch`; returns that directory."""
    place = scratch / "grub"
    for deb in debs:
        with Archive(deb, scratch) as archive:
            wanted = [
                *archive.match(f"{_GRUB}/*.mod"),
                *archive.match(f"{_GRUB}/*.lst"),
                *archive.match(f"{_GRUB}/*.img"),
                *archive.match("usr/bin/grub-mkimage"),
                *archive.match("lib/*.so.*"),
            ]
            for file in archive.take(wanted):
                target = place / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                if file.link is not None:
                    target.symlink_to(file.link)
                    continue
                target.write_bytes(file.data)
                target.chmod(0o755)
    return place


def core_image(place: Path, loader: Loader) -> bytes:
    """GRUB's core with the modules that read the menu's file and draw it on a serial line."""
    target = place / "core.img"
    options = ["-d", str(place / _GRUB), "-O", "i386-pc", "-p", "(,msdos1)/boot/grub"]
    run_tool(
        [str(place / "usr/bin/grub-mkimage"), *options, "-o", str(target), *loader.modules],
        what="make the boot loader",
        env={"LD_LIBRARY_PATH": str(place / "lib/x86_64-linux-gnu")},
    )
    return target.read_bytes()


def first_sector(boot: bytes, disk: Disk) -> bytes:
    """The master boot record: GRUB's code, the disk's signature, and one active Linux partition to the disk's end."""
    if len(boot) != SECTOR:
        raise ImageError(f"GRUB's boot.img has {len(boot)} bytes, a boot sector has {SECTOR}")
    sectors = partition_bytes(disk) // SECTOR
    # Cylinder, head and sector numbers are past their range: readers use the sector numbers after them.
    beyond = b"\xfe\xff\xff"
    entry = b"\x80" + beyond + b"\x83" + beyond + struct.pack("<II", FIRST_SECTOR, sectors)
    return boot[:440] + bytes.fromhex(disk.signature) + b"\0\0" + entry + bytes(48) + b"\x55\xaa"


def write_disk(target: Path, disk: Disk, *, boot: bytes, core: bytes, filesystem: Path) -> None:
    """The raw disk, sparse where there is nothing. Raises ImageError when the boot loader does not fit."""
    room = (FIRST_SECTOR - 1) * SECTOR
    if len(core) > room:
        raise ImageError(f"the boot loader has {len(core)} bytes, before the first partition are {room}")
    target.unlink(missing_ok=True)
    with target.open("wb") as out, filesystem.open("rb") as source:
        out.truncate(disk.size_mib * _MIB)
        out.write(first_sector(boot, disk))
        out.write(core)
        position = FIRST_SECTOR * SECTOR
        while chunk := source.read(_CHUNK):
            if chunk.count(0) != len(chunk):
                out.seek(position)
                out.write(chunk)
            position += len(chunk)


def to_qcow2(raw: Path, target: Path) -> None:
    """The same disk as qcow2: what the file takes on any host's disk is what it holds."""
    target.unlink(missing_ok=True)
    run_tool(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(target)], what="write the qcow2 image")
