"""HFS+ and HFSX, read only: folders, and data forks with their overflow extents.

Facts: Apple Technical Note TN1150; compressed files (decmpfs) from xnu bsd/sys/stat.h (UF_COMPRESSED).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rig.image.inspect.blocks import Damaged, Part
from rig.image.inspect.btree import BTree, Key
from rig.image.inspect.files import Entry
from rig.image.inspect.text import clean

_ROOT, _EXTENTS, _CATALOG, _STARTUP = 2, 3, 4, 5
_DATA_FORK = 0
_FOLDER, _FILE = 1, 2
_MOST_EXTENTS = 10_000
_MOST_ENTRIES = 20_000
_RUN = 1 << 20
_COMPRESSED = 0x20
"""UF_COMPRESSED, in the byte of the owner's flags."""


@dataclass(frozen=True)
class _Fork:
    size: int
    extents: tuple[tuple[int, int], ...]
    """(first allocation block, blocks), the first eight at most."""
    owner: int
    """The file's number in the catalog."""


class HfsPlus:
    """One volume."""

    def __init__(self, part: Part) -> None:
        """Raises Damaged when the volume's header or its trees cannot be used."""
        header = part.read(1024, 512)
        if header[:2] not in (b"H+", b"HX"):
            raise Damaged("no HFS+ volume header")
        self.kind = "HFS+" if header[:2] == b"H+" else "HFSX"
        self._part = part
        (attributes,) = struct.unpack_from(">I", header, 4)
        self.journaled = bool(attributes & 0x2000)
        self._block, total = struct.unpack_from(">II", header, 40)
        if self._block < 512 or self._block & (self._block - 1) or self._block > 1 << 20:
            raise Damaged(f"its header claims blocks of {self._block} bytes")
        self.short = self._block * total > part.size
        """Whether the volume claims more than its partition holds."""
        self._overflow: BTree | None = None
        overflow = _fork(header[192:272], _EXTENTS)
        self._startup = _fork(header[432:512], _STARTUP)
        if overflow.size:
            self._overflow = self._tree(overflow, _extent_key)
        self._catalog = self._tree(_fork(header[272:352], _CATALOG), _catalog_key)
        self.label = self._volume_name()

    def root(self) -> Entry:
        """The root folder."""
        return Entry("", True, 0, _ROOT)

    def startup_file(self) -> Entry | None:
        """The startup file, in which PC loaders keep their second stage; None when there is none."""
        return Entry("startup file", False, self._startup.size, self._startup) if self._startup.size else None

    def entries(self, folder: Entry) -> list[Entry]:
        """What is in a folder. Raises Damaged."""
        found = []
        for seen, ((parent, name), data) in enumerate(self._catalog.records((folder.ref, ""))):
            if parent != folder.ref:
                break
            entry = _entry(name, data)
            if entry is not None:
                found.append(entry)
            if seen > _MOST_ENTRIES:
                raise Damaged("a folder has more entries than any real one")
        return found

    def stream(self, file: Entry) -> Iterator[bytes]:
        """A file's content in pieces. Raises Damaged."""
        fork = file.ref
        assert isinstance(fork, _Fork)
        left = fork.size
        for first, count in self._extents(fork):
            here, stop = first * self._block, (first + count) * self._block
            while here < stop and left:
                piece = self._part.read(here, min(_RUN, stop - here, left))
                yield piece
                here, left = here + len(piece), left - len(piece)
            if not left:
                return
        if left:
            raise Damaged(f"{file.name} has no blocks for its last {left} bytes")

    def _extents(self, fork: _Fork) -> Iterator[tuple[int, int]]:
        covered = 0
        for first, count in fork.extents:
            yield first, count
            covered += count
        needed = -(-fork.size // self._block)
        if covered >= needed or self._overflow is None or fork.owner == _EXTENTS:
            return
        following = self._overflow.records((fork.owner, _DATA_FORK, covered))
        for seen, ((owner, kind, begin), data) in enumerate(following):
            if (owner, kind) != (fork.owner, _DATA_FORK) or covered >= needed:
                return
            if begin != covered or len(data) < 64:
                raise Damaged("the overflow extents of a file have a gap")
            for first, count in _extents(data[:64]):
                yield first, count
                covered += count
            if seen > _MOST_EXTENTS:
                raise Damaged("a file is in more parts than any real one")

    def _tree(self, fork: _Fork, key: Callable[[bytes], Key]) -> BTree:
        where: list[tuple[int, int, int]] = []
        covered = 0
        for first, count in self._extents(fork):
            where.append((covered, first * self._block, count * self._block))
            covered += count * self._block

        def read(at: int, count: int) -> bytes:
            out = bytearray()
            for begin, disk_at, length in where:
                if count and begin <= at < begin + length:
                    some = min(count, begin + length - at)
                    out += self._part.read(disk_at + at - begin, some)
                    at, count = at + some, count - some
            if count:
                raise Damaged("a B-tree leads outside its file")
            return bytes(out)

        return BTree(read, key)

    def _volume_name(self) -> str:
        for (parent, name), _ in self._catalog.records((1, "")):
            return clean(name) if parent == 1 else ""
        return ""


def _extents(raw: bytes) -> tuple[tuple[int, int], ...]:
    pairs = [struct.unpack_from(">II", raw, at) for at in range(0, 64, 8)]
    return tuple((first, count) for first, count in pairs if count)


def _fork(raw: bytes, owner: int) -> _Fork:
    return _Fork(struct.unpack_from(">Q", raw)[0], _extents(raw[16:80]), owner)


def _catalog_key(raw: bytes) -> Key:
    """Parent and name. The order of names within a folder is not needed: folders are read whole."""
    if len(raw) < 6:
        raise Damaged("a catalog key is cut short")
    parent, length = struct.unpack_from(">IH", raw)
    return parent, raw[6 : 6 + 2 * length].decode("utf-16-be", "replace")


def _extent_key(raw: bytes) -> Key:
    if len(raw) < 10:
        raise Damaged("an extents key is cut short")
    kind, owner, begin = struct.unpack_from(">BxII", raw)
    return owner, kind, begin


def _entry(name: str, data: bytes) -> Entry | None:
    """A folder or file of the catalog; None for a thread record."""
    if len(data) < 2:
        raise Damaged("a catalog record is cut short")
    (kind,) = struct.unpack_from(">h", data)
    shown = clean(name)
    if kind == _FOLDER and len(data) >= 12:
        return Entry(shown, True, 0, struct.unpack_from(">I", data, 8)[0])
    if kind == _FILE and len(data) >= 168:
        fork = _fork(data[88:168], struct.unpack_from(">I", data, 8)[0])
        note = "compressed by the file system" if data[41] & _COMPRESSED and not fork.size else ""
        return Entry(shown, False, fork.size, fork, note)
    return None
