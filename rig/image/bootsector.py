"""The first sectors of a disk: is it one that a PC boots from, and is all of it there?

Facts: UEFI Specification 2.10, sections 5.2.1 (legacy MBR) and 5.3.2 (GPT header).
"""

from __future__ import annotations

import struct

from rig.errors import ImageError

SECTOR = 512
HEAD = 2 * SECTOR
"""Bytes that `check_start` wants."""
_PROTECTIVE = 0xEE


def check_start(head: bytes, size: int, name: str, *, whole: bool) -> None:
    """Look at a disk's first bytes (`HEAD` or more, unless it is smaller); `size` is the disk's, in bytes.

    `whole`: also hold the partition tables against the size. That finds a raw file that was cut short; formats with
    an index of their own are checked by it. Raises ImageError.
    """
    if len(head) < SECTOR or not any(head[:HEAD]):
        raise ImageError(
            f"{name}: the disk is blank: its first sectors hold nothing", hint="Check that it is the right file."
        )
    if head[510:512] != b"\x55\xaa":
        raise ImageError(
            f"{name}: no PC boots from this disk: its first sector ends in {head[510:512].hex(' ')}, not in 55 aa",
            hint="Check that it is the image of a whole disk, and that its format is the one named.",
        )
    if whole:
        needed = _sectors_named(head)
        if needed * SECTOR > size:
            raise ImageError(
                f"{name}: cut short: its partition table names {needed * SECTOR} bytes, the file holds {size}",
                hint="Get the file again and compare its size with the original's.",
            )


def _sectors_named(head: bytes) -> int:
    """Sectors that the partition tables need; 0 when there is none to be trusted."""
    entries = [head[at : at + 16] for at in range(446, 510, 16)]
    if any(entry[0] not in (0x00, 0x80) for entry in entries):
        return 0  # a bare file system's boot code, not a table
    if any(entry[4] == _PROTECTIVE for entry in entries):
        if head[SECTOR : SECTOR + 8] == b"EFI PART":
            (alternate,) = struct.unpack_from("<Q", head, SECTOR + 32)
            return int(alternate) + 1
        return 0
    ends = [sum(struct.unpack_from("<II", entry, 8)) for entry in entries if entry[4]]
    return max(ends, default=0)
