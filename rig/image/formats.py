"""What a file is, told by its own bytes and never by its name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from rig.errors import ImageError
from rig.spec import ImageFormat


class Kind(StrEnum):
    """A file's kind; the value is how an error names it."""

    EMPTY = "an empty file"
    QCOW2 = "a qcow2 disk image"
    VMDK = "a vmdk disk image"
    VMDK_TEXT = "a vmdk descriptor (text that names the files which hold the disk)"
    XZ = "an xz archive"
    GZ = "a gzip archive"
    ZIP = "a zip archive"
    BZ2 = "a bzip2 archive"
    ZSTD = "a zstd archive"
    SEVEN = "a 7z archive"
    VDI = "a VirtualBox (vdi) disk image"
    VHDX = "a Hyper-V (vhdx) disk image"
    VHD = "a Virtual PC (vhd) disk image"
    DMG = "an Apple disk image (dmg)"
    PAGE = "a web page, not a disk"
    TEXT = "text, not a disk"
    RAW = "a file without a known signature (a raw disk has none)"


ARCHIVES: dict[Kind, Literal["xz", "gz", "zip"]] = {Kind.XZ: "xz", Kind.GZ: "gz", Kind.ZIP: "zip"}
"""Kinds that the rig unpacks, as the catalogue's `archive` key names them."""
FORMATS = {Kind.QCOW2: ImageFormat.QCOW2, Kind.VMDK: ImageFormat.VMDK, Kind.RAW: ImageFormat.RAW}
"""Kinds that the rig takes as a disk."""

_HEADS = (
    (0, b"QFI\xfb", Kind.QCOW2),
    (0, b"KDMV", Kind.VMDK),
    (0, b"COWD", Kind.VMDK),
    (0, b"# Disk DescriptorFile", Kind.VMDK_TEXT),
    (0, b"\xfd7zXZ\x00", Kind.XZ),
    (0, b"\x1f\x8b", Kind.GZ),
    (0, b"PK\x03\x04", Kind.ZIP),
    (0, b"PK\x05\x06", Kind.ZIP),
    (0, b"BZh", Kind.BZ2),
    (0, b"\x28\xb5\x2f\xfd", Kind.ZSTD),
    (0, b"7z\xbc\xaf\x27\x1c", Kind.SEVEN),
    (64, b"\x7f\x10\xda\xbe", Kind.VDI),
    (0, b"vhdxfile", Kind.VHDX),
    (0, b"conectix", Kind.VHD),
)
_TAILS = ((b"conectix", Kind.VHD), (b"koly", Kind.DMG))
"""Signatures of the last 512 bytes: a fixed vhd and a dmg begin like a raw disk."""
_WAYS = {
    Kind.VMDK_TEXT: "Make one file of it: qemu-img convert -f vmdk -O raw FILE disk.raw, then import disk.raw.",
    Kind.BZ2: "Unpack it first: bunzip2 FILE.",
    Kind.ZSTD: "Unpack it first: unzstd FILE.",
    Kind.SEVEN: "Unpack it first: 7z x FILE.",
    Kind.VDI: "Convert it first: qemu-img convert -f vdi -O raw FILE disk.raw",
    Kind.VHDX: "Convert it first: qemu-img convert -f vhdx -O raw FILE disk.raw",
    Kind.VHD: "Convert it first: qemu-img convert -f vpc -O raw FILE disk.raw",
    Kind.DMG: "Convert it first: qemu-img convert -f dmg -O raw FILE disk.raw",
    Kind.PAGE: "Look at it: most often a login or error page that a server or proxy sent instead of the image.",
    Kind.TEXT: "Look at it: most often an error message or a pointer to a large file, sent instead of the image.",
    Kind.EMPTY: "The download or copy went wrong; get the file again.",
}


def sniff(path: Path) -> Kind:
    """What a file is. Raises ImageError when it cannot be read or is no regular file."""
    if path.exists() and not path.is_file():
        raise ImageError(f"{path}: is no regular file, so no disk image", hint="Name the image file itself.")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            size = path.stat().st_size
            file.seek(max(0, size - 512))
            tail = file.read(512)
    except OSError as fault:
        raise ImageError(f"{path}: cannot be read: {fault.strerror or fault}", hint="Check the path.") from fault
    if not head:
        return Kind.EMPTY
    for offset, magic, kind in _HEADS:
        if head[offset : offset + len(magic)] == magic:
            return kind
    for magic, kind in _TAILS:
        if tail.startswith(magic):
            return kind
    return _texty(head)


def _texty(head: bytes) -> Kind:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")):
        return Kind.PAGE
    printable = all(byte in b"\t\n\r\f" or 32 <= byte < 127 for byte in head[:512])
    return Kind.TEXT if printable else Kind.RAW


def wrong_kind(name: str, kind: Kind, wanted: str) -> ImageError:
    """The error for a file that is not what it must be, with the way out where one is known."""
    return ImageError(
        f"{name}: this is {kind.value}; expected {wanted}",
        hint=_WAYS.get(kind, "Check that it is the right file, and `archive` and `format` of the catalogue entry."),
    )
