"""A text file of the EFI system partition, changed in a guest's own overlay: no mount, no root, nothing but the bytes.

The partition is copied out of the qcow2, the file changed in the copy, and the sectors that differ are copied back.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from rig.errors import ImageError
from rig.image import qemuimg
from rig.image.fatfile import FatFile
from rig.image.inspect.blocks import Damaged, opened
from rig.image.inspect.partitions import Partition, read_tables
from rig.spec import ImageFormat

LARGEST = 64 << 10
"""Bytes; a file of flags has a few hundred."""
_EFI = "EFI system"


def change_efi_file(disk: Path, path: str, change: Callable[[str], str]) -> str:
    """Let `change` make the file's new text of its old one; returns the new one.

    `disk` is a qcow2 that nobody uses, such as an overlay before its guest starts. What is not ASCII reads as `?`;
    a blank or a newline at the end of the file is not handed over. Raises `ImageError` (no EFI partition, no such
    file, no room), `HostError`.
    """
    part = _efi_partition(disk)
    # Beside the overlay: the host has room there.
    with tempfile.TemporaryDirectory(prefix="rig-efi-", dir=disk.parent) as scratch:
        copy = Path(scratch, "efi")
        qemuimg.extract(disk, ImageFormat.QCOW2, part.start, part.size, copy)
        with FatFile(copy, path) as file:
            data = file.read()
            if len(data) > LARGEST:
                raise ImageError(f"{path} of the EFI partition has {len(data)} bytes: that is no file of flags")
            text = change(data.decode("ascii", "replace").replace("\ufffd", "?").rstrip(" \t\r\n\0"))
            file.write(text.encode("ascii"))
        for start, end in file.written:
            qemuimg.implant(copy, start, end - start, disk, part.start + start)
    return text


def _efi_partition(disk: Path) -> Partition:
    with opened(disk, ImageFormat.QCOW2) as blocks:
        try:
            tables = read_tables(blocks)
        except Damaged as fault:
            raise ImageError(f"the disk's partition table is damaged: {fault}") from fault
    found = [part for part in tables.partitions if part.type == _EFI]
    if not found:
        types = ", ".join(part.type for part in tables.partitions) or "none"
        raise ImageError(
            f"the disk has no EFI system partition whose file could be changed; its partitions: {types}",
            hint="boot.loader in the image's entry says where the kernel's flags are kept.",
        )
    return found[0]
