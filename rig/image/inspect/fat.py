"""FAT12, FAT16 and FAT32, read only. Facts: Microsoft's fatgen103 (FAT: General Overview of On-Disk Format, 1.03)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rig.image.inspect.blocks import Damaged, Part
from rig.image.inspect.files import Entry
from rig.image.inspect.text import clean

_LARGEST_FOLDER = 2 << 20
"""65,536 entries, as the format allows."""
_RUN = 1 << 20
_FOLDER, _VOLUME, _LONG = 0x10, 0x08, 0x0F


class Fat:
    """One FAT volume."""

    def __init__(self, part: Part) -> None:
        """Raises Damaged when the bytes are no FAT."""
        head = part.read(0, 512)
        sector, per, reserved, tables, roots, small = struct.unpack_from("<HBHBHH", head, 11)
        fat_size, large = struct.unpack_from("<H", head, 22)[0], struct.unpack_from("<I", head, 32)[0]
        if head[0] not in (0xEB, 0xE9) or sector not in (512, 1024, 2048, 4096) or not reserved:
            raise Damaged("no FAT parameter block")
        if not per or per & (per - 1) or tables not in (1, 2):
            raise Damaged("no FAT parameter block")
        fat_size = fat_size or struct.unpack_from("<I", head, 36)[0]
        sectors = small or large
        root_sectors = (roots * 32 + sector - 1) // sector
        data = reserved + tables * fat_size + root_sectors
        if not fat_size or data >= sectors:
            raise Damaged("no FAT parameter block")
        self._part, self._sector = part, sector
        self._cluster = per * sector
        self._count = (sectors - data) // per
        self._bits = 12 if self._count < 4085 else 16 if self._count < 65525 else 32
        self._fat_at, self._data_at = reserved * sector, data * sector
        self._root_at, self._root_size = (reserved + tables * fat_size) * sector, roots * 32
        self._root = struct.unpack_from("<I", head, 44)[0] if self._bits == 32 else 0
        self.kind = f"FAT{self._bits}"
        self.short = sectors * sector > part.size
        """Whether the volume claims more than its partition holds."""
        at = 71 if self._bits == 32 else 43
        self.label = clean(head[at : at + 11].decode("cp437"))
        self.boot_sector = head

    def root(self) -> Entry:
        """The root folder."""
        return Entry("", True, 0, self._root)

    def entries(self, folder: Entry) -> list[Entry]:
        """What is in a folder, by long name where there is one. Raises Damaged."""
        if folder.ref == 0:
            raw = self._part.read(self._root_at, self._root_size)
        else:
            raw = b"".join(self._chain(folder.ref, _LARGEST_FOLDER))
        found: list[Entry] = []
        long: dict[int, str] = {}
        for at in range(0, len(raw) - 31, 32):
            item = raw[at : at + 32]
            if item[0] == 0:
                break
            if item[11] & 0x3F == _LONG:
                part = item[1:11] + item[14:26] + item[28:32]
                long[item[0] & 0x1F] = part.decode("utf-16-le", "replace")
                continue
            name, long = self._name(item, long), {}
            if item[0] == 0xE5 or item[11] & _VOLUME or name in (".", ".."):
                continue
            first = struct.unpack_from("<H", item, 26)[0] | struct.unpack_from("<H", item, 20)[0] << 16
            is_folder = bool(item[11] & _FOLDER)
            if self._bits != 32:
                first &= 0xFFFF
            if is_folder and not first:
                continue
            found.append(Entry(name, is_folder, struct.unpack_from("<I", item, 28)[0], first))
        return found

    @staticmethod
    def _name(item: bytes, long: dict[int, str]) -> str:
        if long:
            joined = "".join(long[index] for index in sorted(long))
            return clean(joined.partition("\0")[0].rstrip("\uffff"))
        stem, suffix = item[:8].decode("cp437").rstrip(), item[8:11].decode("cp437").rstrip()
        # Two bits by which Windows NT and Linux spare a long name for one in lower case.
        stem, suffix = stem.lower() if item[12] & 8 else stem, suffix.lower() if item[12] & 16 else suffix
        return clean(f"{stem}.{suffix}" if suffix else stem)

    def stream(self, file: Entry) -> Iterator[bytes]:
        """A file's content in pieces. Raises Damaged."""
        left = file.size
        for piece in self._chain(file.ref, file.size):
            yield piece[:left]
            left -= len(piece[:left])
        if left:
            raise Damaged(f"the file {file.name} ends {left} bytes early")

    def _chain(self, first: object, most: int) -> Iterator[bytes]:
        """The content of a chain of clusters, up to `most` bytes and the rest of a cluster."""
        assert isinstance(first, int)
        here, read, seen = first, 0, 0
        while read < most and 2 <= here < self._count + 2:
            run, following = 1, self._next(here)
            while following == here + run and run * self._cluster < min(_RUN, most - read):
                run, following = run + 1, self._next(following)
            yield self._part.read(self._data_at + (here - 2) * self._cluster, run * self._cluster)
            read, seen, here = read + run * self._cluster, seen + run, following
            if seen > self._count:
                raise Damaged("a chain of clusters runs in a circle")

    def _next(self, cluster: int) -> int:
        """The cluster after this one; 0 at the end of a chain."""
        if self._bits == 12:
            pair = struct.unpack("<H", self._part.read(self._fat_at + cluster * 3 // 2, 2))[0]
            value = int(pair >> 4 if cluster & 1 else pair & 0xFFF)
        elif self._bits == 16:
            value = int(struct.unpack("<H", self._part.read(self._fat_at + cluster * 2, 2))[0])
        else:
            value = int(struct.unpack("<I", self._part.read(self._fat_at + cluster * 4, 4))[0]) & 0x0FFFFFFF
        return value if 2 <= value < self._count + 2 else 0
