"""File systems by their superblocks, each with the document that says where its mark stands.

HFS+ TN1150; FAT fatgen103; APFS "Apple File System Reference" (nx_superblock_t); ext Linux Documentation/filesystems/
ext4; ISO9660 ECMA-119 and El Torito 1.0; UFS the BSDs' ufs/ffs/fs.h; exFAT and NTFS their
OEM names; CoreStorage libfvde's description.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rig.image.inspect.blocks import Damaged, Part
from rig.image.inspect.fat import Fat
from rig.image.inspect.hfsplus import HfsPlus
from rig.image.inspect.text import clean

_UNREAD = "recognised, not read"
_MARKS = (
    (1024, b"BD", "HFS"),
    (32, b"NXSB", "APFS container"),
    (88, b"CS\x01\x00", "CoreStorage (encrypted or spread over disks)"),
    (3, b"EXFAT   ", "exFAT"),
    (3, b"NTFS    ", "NTFS"),
)
"""Where a mark stands, what it is, whose it is."""
_UFS = {0x00011954: "UFS", 0x19540119: "UFS2"}


@dataclass(frozen=True)
class Volume:
    """A file system, on one partition or on the whole disk."""

    kind: str
    where: str
    label: str = ""
    note: str = ""
    """For example that its content is not read here."""


def volume_of(part: Part, where: str) -> tuple[Volume | None, Fat | HfsPlus | None]:
    """What file system is there, and a reader where this rig has one. Raises Damaged for one that cannot be used."""
    head = part.head(4096)
    if len(head) < 4096:
        return None, None
    mark = head[1024:1026]
    if mark in (b"H+", b"HX"):
        hfs = HfsPlus(part)
        short = "it claims more than its partition holds" if hfs.short else ""
        return Volume(hfs.kind + (", journaled" if hfs.journaled else ""), where, hfs.label, short), hfs
    known = _recognised(part, head, where)
    if known is not None:
        return known, None
    try:
        fat = Fat(part)
    except Damaged:
        return None, None
    return Volume(fat.kind, where, fat.label, "it claims more than its partition holds" if fat.short else ""), fat


def _recognised(part: Part, head: bytes, where: str) -> Volume | None:
    """A file system that is told by its mark only."""
    for at, mark, kind in _MARKS:
        if head[at : at + len(mark)] == mark:
            around = " around HFS+" if kind == "HFS" and head[1148:1150] == b"H+" else ""
            return Volume(kind + around, where, "", _UNREAD)
    if head[1080:1082] == b"\x53\xef":
        label = clean(head[1144:1160].partition(b"\0")[0].decode("utf-8", "replace"))
        return Volume(_ext(head), where, label, _UNREAD)
    return _iso(part, where) or _ufs(part, where)


def _iso(part: Part, where: str) -> Volume | None:
    if part.size < 36864 or part.read(32769, 5) != b"CD001":
        return None
    label = clean(part.read(32808, 32).decode("ascii", "replace"))
    torito = part.read(34816 + 7, 23) == b"EL TORITO SPECIFICATION"
    return Volume("ISO9660", where, label, _UNREAD + ("; a CD that PCs boot from (El Torito)" if torito else ""))


def _ufs(part: Part, where: str) -> Volume | None:
    for at in (8192, 65536):
        raw = part.read(at + 1372, 4) if part.size >= at + 1376 else bytes(4)
        for order in "<>":
            kind = _UFS.get(struct.unpack(f"{order}I", raw)[0])
            if kind:
                return Volume(kind, where, "", _UNREAD)
    return None


def _ext(head: bytes) -> str:
    compatible, incompatible = struct.unpack_from("<II", head, 1024 + 92)
    if incompatible & 0x40:
        return "ext4"
    return "ext3" if compatible & 4 else "ext2"
