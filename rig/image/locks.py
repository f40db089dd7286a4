"""Who is at work on what, between processes: locks that end with their process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from rig.image import space


@contextmanager
def exclusive(
    path: Path, *, waiting: Callable[[], object] | None = None, what: str = "lock the image store"
) -> Iterator[None]:
    """Hold the lock file `path`; `waiting` is called once when another process has it. Raises HostError.

    `what` is what cannot be done where it cannot be had.
    """
    with space.explained(path, what):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is not None:
                waiting()
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


class Claim:
    """A small file that says who uses something, true for as long as any process has its descriptor open.

    The descriptor may be handed to a child (`subprocess.Popen(pass_fds=(claim.fileno(),))`): then the claim lasts until
    the child ends too, even if this process goes first. A context manager.
    """

    def __init__(self, path: Path, text: str) -> None:
        """Make the file and claim it. Raises HostError."""
        self.path = path
        self._fd = -1
        with space.explained(path, f"write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Under its name only once it is claimed and says by whom: whoever looked before would take it for one that
            # a dead process left, and remove it.
            fresh = path.with_name(f"{path.name}.new")
            fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.write(fd, text.encode())
                fresh.rename(path)
            except BaseException:
                fresh.unlink(missing_ok=True)
                os.close(fd)
                raise
            self._fd = fd

    def fileno(self) -> int:
        """The descriptor that carries the claim."""
        return self._fd

    def release(self) -> None:
        """Close this process's part; the file goes when no other process has a part. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            claimed_by(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def claimed_by(path: Path) -> str | None:
    """What a claim's file says while somebody holds it; else None, and the file is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(fd, 4096).decode(errors="replace")
    else:
        path.unlink(missing_ok=True)
        return None
    finally:
        os.close(fd)
