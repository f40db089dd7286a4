"""From a file as it came to the qcow2 that the store keeps: unpacked, looked through, converted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ImageError
from rig.image import bootsector, qemuimg, space
from rig.image.formats import ARCHIVES, FORMATS, Kind, sniff, wrong_kind
from rig.image.headers import vet_header
from rig.image.unpack import unpack
from rig.spec import ImageFormat, SourceSpec

Say = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """A file as a disk image whose format is known and whose header reaches nowhere else."""

    disk: Path
    """The file itself, or what was unpacked from it."""
    format: ImageFormat
    archive: str | None
    """What it was packed in."""


def open_disk(source: Path, declared: SourceSpec | None, work: Path, name: str, say: Say) -> Opened:
    """Unpack `source` into `work` where it is an archive, and vet what it is; parameters and errors as in `prepare`."""
    disk, archive = _unpacked(source, declared, work, name, say)
    fmt = _format(disk, declared, name)
    vet_header(disk, fmt, name)
    qemuimg.check(disk, fmt, name)
    return Opened(disk, fmt, archive)


def prepare(
    source: Path,
    declared: SourceSpec | None,
    work: Path,
    name: str,
    say: Say,
    opened: Opened | None = None,
) -> tuple[Path, ImageFormat]:
    """Make the store's qcow2 of `source`, in the directory `work`; returns it and the format the disk came in.

    `declared` says what the file must be; without it every archive and format that the rig knows is taken, by the
    file's own bytes. `source` is read only. `name` is how errors call the file. Raises ImageError (not what it must be,
    damaged, reaches outside itself, no disk a PC boots from) and HostError (disk full, qemu-img absent). `opened` is
    what `open_disk` made of the same file in the same directory, where that was done before.
    """
    ready = opened or open_disk(source, declared, work, name, say)
    disk, fmt = ready.disk, ready.format
    head = qemuimg.read_start(disk, bootsector.HEAD, fmt)
    bootsector.check_start(head, qemuimg.info(disk, fmt).virtual_size, name, whole=fmt is ImageFormat.RAW)
    out = work / "image.qcow2"
    if fmt is not ImageFormat.QCOW2:
        say(f"converting {name} from {fmt} to qcow2")
        qemuimg.convert(disk, fmt, out)
    elif disk == source:
        with space.explained(out, f"copy {name}"):
            space.require(out, source.stat().st_size, f"copy {name}")
            shutil.copyfile(source, out)
    else:
        disk.rename(out)
    if disk != source:
        disk.unlink(missing_ok=True)
    return out, fmt


def _unpacked(source: Path, declared: SourceSpec | None, work: Path, name: str, say: Say) -> tuple[Path, str | None]:
    kind = sniff(source)
    if kind is Kind.EMPTY:
        raise wrong_kind(name, kind, "a disk image")
    found = ARCHIVES.get(kind)
    if declared is not None:
        wanted = None if declared.archive == "none" else declared.archive
        if found != wanted:
            expected = f"a {wanted} archive" if wanted else f"a {declared.format} disk image"
            raise wrong_kind(name, kind, expected)
    if found is None:
        return source, None
    say(f"unpacking {name}")
    disk = work / "unpacked"
    unpack(source, found, disk, name)
    return disk, found


def _format(disk: Path, declared: SourceSpec | None, name: str) -> ImageFormat:
    kind = sniff(disk)
    fmt = FORMATS.get(kind)
    allowed = list(ImageFormat) if declared is None else [declared.format]
    if fmt is None or fmt not in allowed:
        raise wrong_kind(name, kind, f"a {' or '.join(allowed)} disk image")
    return fmt


def changed_since(source: Path, size: int, mtime_ns: int) -> None:
    """Raise ImageError when a file is not what it was: somebody wrote to it while it was read."""
    stat = source.stat()
    if (stat.st_size, stat.st_mtime_ns) != (size, mtime_ns):
        raise ImageError(
            f"{source}: was changed while it was read", hint="Wait until it is written in full, then call again."
        )
