"""Disk space: asked for before it is used, and named in words when it runs out."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.errors import HostError

MARGIN = 64 << 20
"""Bytes that are left free: a disk filled to its last block takes other programs down."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


def human(count: int) -> str:
    """A number of bytes for a reader: `1.5 GiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def free_bytes(path: Path) -> int:
    """Free bytes on the disk that holds `path`, or that would hold it. Raises OSError."""
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


def require(path: Path, needed: int, what: str) -> None:
    """Raise HostError unless `needed` bytes, and a margin, are free where `path` lies."""
    if needed + MARGIN > free_bytes(path):
        raise full(path, what, needed)


def full(path: Path, what: str, needed: int | None = None) -> HostError:
    """The error for a full disk: what was tried, what is free and what is needed."""
    need = "" if needed is None else f", {human(needed + MARGIN)} needed"
    return HostError(
        f"disk full: cannot {what}: {human(free_bytes(path))} free at {path}{need}",
        hint="Free space on that disk, or let RIG_HOME name a directory on a larger one.",
    )


@contextmanager
def explained(path: Path, what: str, needed: int | None = None) -> Iterator[None]:
    """Turn an OSError of the block into a HostError that says what was tried and where."""
    try:
        yield
    except OSError as fault:
        if fault.errno is None:
            raise  # a library's own error that only wears the name
        if fault.errno in _FULL:
            raise full(path, what, needed) from fault
        where = fault.filename or path
        raise HostError(
            f"cannot {what}: {where}: {fault.strerror or fault}",
            hint="Check who owns that place and its rights; RIG_HOME names another place for all that the rig keeps.",
        ) from fault
