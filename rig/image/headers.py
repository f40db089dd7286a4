"""The disk formats' own headers, read before any tool opens the file.

An image from elsewhere may name other files of this host: a qcow2 its backing or data file, a vmdk its parent or
extents. Whoever opens it then reads those into the guest. Such images are refused here, from their bytes, before
qemu-img sees them. Facts: QEMU docs/interop/qcow2.txt; QEMU block/vmdk.c (vmdk_open_vmdk4, vmdk_parent_open).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from rig.errors import ImageError
from rig.spec import ImageFormat

_SECTOR = 512
_DESCRIPTOR_AT = 0x200
"""Where QEMU reads a sparse vmdk's descriptor for its parent, whatever the header says."""
_DESCRIPTOR_BYTES = 20 * _SECTOR
_NO_PARENT = 0xFFFFFFFF
_FLATTEN = "Whoever made it can write it as one file: qemu-img convert -O qcow2 FILE flat.qcow2"


def vet_header(path: Path, fmt: ImageFormat, name: str) -> None:
    """Refuse an image whose header is damaged or reaches outside the file. Raises ImageError with the reason."""
    with path.open("rb") as file:
        head = file.read(_DESCRIPTOR_AT + _DESCRIPTOR_BYTES)
    if fmt is ImageFormat.QCOW2:
        _vet_qcow2(head, name)
    elif fmt is ImageFormat.VMDK:
        _vet_vmdk(head, name)
    elif path.stat().st_size % _SECTOR:
        raise ImageError(
            f"{name}: {path.stat().st_size} bytes are no whole number of {_SECTOR}-byte sectors: cut short, or no disk",
            hint="Get the file again and compare its size with the original's.",
        )


def _vet_qcow2(head: bytes, name: str) -> None:
    if len(head) < 104:
        raise ImageError(f"{name}: the qcow2 header is cut short ({len(head)} bytes)", hint="Get the file again.")
    version, backing_at, backing_len = struct.unpack_from(">IQI", head, 4)
    size, crypt = struct.unpack_from(">QI", head, 24)
    features = struct.unpack_from(">Q", head, 72)[0] if version >= 3 else 0
    if version not in (2, 3):
        raise ImageError(f"{name}: qcow2 version {version}; 2 and 3 are known", hint=_FLATTEN)
    if backing_at:
        other = head[backing_at : backing_at + min(backing_len, 1023)].decode("utf-8", "backslashreplace")
        raise ImageError(
            f"{name}: refused: this qcow2 is only the difference to another file of the host: {other!r}",
            hint=_FLATTEN,
        )
    if features & 4:
        raise ImageError(f"{name}: refused: this qcow2 keeps its data in another file of the host", hint=_FLATTEN)
    if crypt:
        raise ImageError(f"{name}: this qcow2 is encrypted", hint=_FLATTEN)
    if features & 2:
        raise ImageError(
            f"{name}: this qcow2 is marked corrupt", hint="Get another copy, or try qemu-img check -r all."
        )
    if not size:
        raise ImageError(f"{name}: this qcow2 holds a disk of 0 bytes", hint="Check that it is the right file.")


def _vet_vmdk(head: bytes, name: str) -> None:
    if not head.startswith(b"KDMV"):
        raise ImageError(f"{name}: refused: an ESX (COWD) vmdk is one of several files", hint=_FLATTEN)
    if len(head) < _DESCRIPTOR_AT:
        raise ImageError(f"{name}: the vmdk header is cut short ({len(head)} bytes)", hint="Get the file again.")
    (capacity,) = struct.unpack_from("<Q", head, 12)
    if not capacity:
        raise ImageError(
            f"{name}: refused: this vmdk holds no disk itself; it names other files of the host",
            hint=_FLATTEN,
        )
    # QEMU searches the bytes for these words, up to the first zero byte; the whole region is searched here.
    descriptor = head[_DESCRIPTOR_AT:]
    parent = re.search(rb"parentFileNameHint\W{0,2}([^\"\0]{0,200})", descriptor)
    if parent:
        raise ImageError(
            f"{name}: refused: this vmdk is only the difference to another file of the host: "
            f"{parent[1].decode('utf-8', 'backslashreplace')!r}",
            hint=_FLATTEN,
        )
    cid = re.search(rb"parentCID=([0-9a-fA-F]{1,8})", descriptor)
    if cid and int(cid[1], 16) != _NO_PARENT:
        raise ImageError(f"{name}: refused: this vmdk is only the difference to a parent disk", hint=_FLATTEN)
