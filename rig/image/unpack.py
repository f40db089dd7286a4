"""Archives: one disk image out of an xz, gz or zip file, streamed.

No name inside an archive is trusted: what comes out goes to the one path that the caller gives.
"""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal, Protocol

from rig.errors import ImageError
from rig.image import space

Archive = Literal["xz", "gz", "zip"]
LIMIT = 1 << 40
"""Most bytes that an archive may hold, 1 TiB: no disk image of this kind is larger, a bomb is."""
_BLOCK = 1 << 20
_LOOK_EVERY = 64 << 20
_DISK_SUFFIXES = {".img", ".raw", ".vmdk", ".qcow2", ".iso", ".bin", ".dd"}
_BROKEN = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def unpack(source: Path, archive: Archive, out: Path, name: str, *, limit: int = LIMIT) -> None:
    """Write the disk image inside `source` to `out`, sparse. On failure `out` is gone.

    `name` is how errors call the archive. Raises ImageError (damaged, cut short, no or several disks inside, larger
    than `limit`) and HostError (the disk fills up).
    """
    try:
        with _opened(source, archive, name) as inner, space.explained(out, f"unpack {name}"), out.open("xb") as file:
            _copy(inner, file, out, name, limit)
    except _BROKEN as fault:
        out.unlink(missing_ok=True)
        raise ImageError(
            f"{name}: the {archive} archive is damaged or cut short: {fault}",
            hint="Get the file again and compare its size and sha256 with the original's.",
        ) from fault
    except BaseException:
        out.unlink(missing_ok=True)
        raise


@contextmanager
def _opened(source: Path, archive: Archive, name: str) -> Iterator[_Readable]:
    if archive == "xz":
        with lzma.open(source, "rb") as inner:
            yield inner
    elif archive == "gz":
        with gzip.open(source, "rb") as plain:
            yield plain
    else:
        with zipfile.ZipFile(source) as box:
            member = _only_disk(box, name)
            if member.flag_bits & 1:
                raise ImageError(f"{name}: {member.filename!r} in it is encrypted", hint="Unpack it by hand first.")
            with box.open(member) as chosen:
                yield chosen


def _only_disk(box: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    files = [m for m in box.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
    disks = [m for m in files if PurePosixPath(m.filename).suffix.lower() in _DISK_SUFFIXES]
    chosen = disks if len(disks) == 1 else files
    if len(chosen) == 1:
        return chosen[0]
    found = ", ".join(repr(m.filename) for m in (disks or files)[:6]) or "nothing"
    raise ImageError(
        f"{name}: the zip archive must hold one disk image; found {found}",
        hint=f"Unpack it by hand; a disk image ends in one of {' '.join(sorted(_DISK_SUFFIXES))}.",
    )


def _copy(inner: _Readable, file: IO[bytes], out: Path, name: str, limit: int) -> None:
    """Copy, leaving blocks of zeros as holes; free space is looked at every now and then."""
    total = written = looked = 0
    while block := inner.read(_BLOCK):
        total += len(block)
        if total > limit:
            raise ImageError(
                f"{name}: unpacks to more than {space.human(limit)}: no disk image of this kind is so large",
                hint="Check where the file comes from.",
            )
        if not any(block):
            file.seek(len(block), 1)
            continue
        if written >= looked:
            space.require(out, len(block), f"unpack {name}")
            looked = written + _LOOK_EVERY
        file.write(block)
        written += len(block)
    file.truncate(total)
