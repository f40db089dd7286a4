"""One file of a FAT file system, read and written anew in place, by pyfatfs.

Of that library only its lower half is used: the upper needs PyFilesystem, which no longer loads on every Python.
"""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rig.errors import ImageError
from rig.image.inspect.blocks import Damaged, Part, opened
from rig.image.inspect.fat import Fat
from rig.image.inspect.files import find
from rig.spec import ImageFormat

if TYPE_CHECKING:
    from pyfatfs.FATDirectoryEntry import FATDirectoryEntry
    from pyfatfs.PyFat import PyFat

Range = tuple[int, int]
"""First byte, and the one behind the last."""
_WRONG = (
    struct.error,
    AttributeError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    ArithmeticError,
    RecursionError,
    UnicodeError,
)
_SECTOR = 512
_GAP = 1 << 16


class _Recorded(io.FileIO):
    """A file that knows where it was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb+")
        self.ranges: list[Range] = []

    def write(self, data: Any) -> int:
        """As a file does; of what is there already nothing is noted."""
        at = self.tell()
        there = self.read(len(data))
        if there == data:
            return len(data)
        self.seek(at)
        self.ranges.append((at, at + len(data)))
        return super().write(data)


class FatFile:
    """The file at `path` (in letters of either case, as FAT has it) of the file system that is the file `volume`.

    A context manager. What it leaves behind is whole only when it ends well.
    Raises `ImageError` for what is no FAT, is damaged, or has no such file.
    """

    def __init__(self, volume: Path, path: str) -> None:
        self.path = path
        self._volume = volume
        self._file = _Recorded(volume)
        self._fat: PyFat
        self._entry: FATDirectoryEntry

    def __enter__(self) -> FatFile:
        from pyfatfs.PyFat import PyFat

        self._fat = PyFat()
        try:
            self._check()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it was not unmounted cleanly is no reason not to read it
                self._guarded(lambda: self._fat.set_fp(self._file))
            self._entry = self._guarded(self._find)
        except BaseException:
            self._fat.initialized = False  # else it would be closed again when it is collected
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._guarded(self._fat.close)

    def _check(self) -> None:
        """The rig's own reader, which follows no chain in circles, must get to the file first: the library would."""
        try:
            with opened(self._volume, ImageFormat.RAW) as volume:
                found = find(Fat(Part(volume, 0, volume.size)), self.path)
        except (Damaged, *_WRONG) as fault:
            raise ImageError(f"the FAT file system with {self.path} is damaged: {fault}") from fault
        if found is not None and found.folder:
            raise ImageError(f"{self.path} of the FAT file system is a directory")

    def _guarded(self, work: Any) -> Any:
        from pyfatfs import PyFATException

        try:
            return work()
        except PyFATException as fault:
            raise ImageError(f"the FAT file system with {self.path}: {fault}") from fault
        except (OSError, *_WRONG) as fault:
            raise ImageError(f"the FAT file system with {self.path} is damaged: {fault!r}") from fault

    def _find(self) -> FATDirectoryEntry:
        entry = self._fat.root_dir
        for part in self.path.strip("/").split("/"):
            folders, files, _ = entry.get_entries() if entry.is_directory() else ([], [], [])
            found = {_name(one).casefold(): one for one in [*files, *folders]}
            if part.casefold() not in found:
                names = ", ".join(sorted(filter(None, map(_name, [*folders, *files])))) or "nothing"
                raise ImageError(
                    f"the FAT file system has no {self.path}: where {part} is looked for, there is {names}"
                )
            entry = found[part.casefold()]
        return entry

    def read(self) -> bytes:
        """The whole content."""
        return bytes(self._guarded(self._read))

    def _read(self) -> bytes:
        first, size = self._entry.get_cluster(), self._entry.filesize
        if first == 0 or size == 0:
            return b""
        data = b""
        for cluster in self._fat.get_cluster_chain(first):
            data += self._fat.read_cluster_contents(cluster)
            if len(data) >= size:
                break
        return data[:size]

    def write(self, data: bytes) -> None:
        """Put `data` in the place of the whole content. Raises `ImageError` where there is no room."""
        self._guarded(lambda: self._write(data))

    def _write(self, data: bytes) -> None:
        entry, first = self._entry, self._entry.get_cluster()
        if data and first == 0:
            first = self._fat.allocate_bytes(len(data))[0]
            entry.set_cluster(first)
        if data:
            # The chain grows where it must, and keeps what it no longer needs: a few flags never fill a cluster.
            self._fat.write_data_to_cluster(data, first, extend_cluster=True)
        entry.filesize = len(data)
        self._fat.update_directory_entry(entry.get_parent_dir())
        self._fat.flush_fat()

    @property
    def written(self) -> list[Range]:
        """The sectors that have changed, in order, near ones as one; whole only when the context has ended."""
        joined: list[Range] = []
        for first, behind in sorted(self._file.ranges):
            start, end = first // _SECTOR * _SECTOR, -(-behind // _SECTOR) * _SECTOR
            if joined and start <= joined[-1][1] + _GAP:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        return joined


def _name(entry: FATDirectoryEntry) -> str:
    from pyfatfs._exceptions import NotAnLFNEntryException

    try:
        return str(entry.get_long_name())
    except NotAnLFNEntryException:
        return str(entry.get_short_name())
