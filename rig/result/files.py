"""Writing files so that a reader never sees half of one, and saying clearly when the disk is full."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rig.errors import HostError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def host_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a `HostError` that names `path` and the way out."""
    try:
        yield
    except OSError as fault:
        hint = "Free some space, or put the run elsewhere with --run-dir." if fault.errno in _FULL else ""
        reason = fault.strerror or str(fault)
        raise HostError(
            f"{path}: cannot be written: {reason}", hint=hint or "Check the path and its rights."
        ) from fault


def write_atomic(path: Path, content: str | bytes) -> Path:
    """Write a whole file: a reader, and a kill at any moment, sees the old one or the new one.

    Text is written as UTF-8. Raises `HostError` when it cannot be written; the old file is then untouched.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with host_errors(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    return path
