"""The cache of compiled probes: content-addressed, written whole or not at all, safe under several processes.

    <cache>/probes/harness/<digest>/*.o     the harness, once a target
    <cache>/probes/bin/<digest>/<probe>     one executable
    <cache>/probes/agent/<digest>/          what serves the rig on a console
    <cache>/probes/bundle/<digest>/         what is pushed to a guest
    <cache>/probes/zig/                     the compiler's own two caches
    <cache>/probes/lock/                    lock files

An entry that is there is whole: it was renamed into place. So a reader needs no lock.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from rig import paths
from rig.errors import HostError

_DIGITS = 32
"""Hex digits of a SHA-256 that name an entry: 128 bits, and short enough to read."""


def digest_of(parts: Iterable[bytes]) -> str:
    """One digest of several byte strings; where one ends and the next begins counts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "little"))
        whole.update(part)
    return whole.hexdigest()[:_DIGITS]


class Cache:
    """The directory of all that; it is made when something is first put there."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = paths.cache_dir() / "probes" if root is None else root

    def entry(self, kind: str, digest: str) -> Path:
        """Where an entry is, or would be."""
        return self.root / kind / digest

    def publish(self, kind: str, digest: str, fill: Callable[[Path], None]) -> Path:
        """The entry, made by `fill(directory)` if it is not there; a `fill` that raises leaves nothing behind.

        Two that fill the same entry at once both succeed; the first stays. Raises `HostError` when the disk refuses.
        """
        at = self.entry(kind, digest)
        if at.is_dir():
            return at
        with self._told():
            at.parent.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix=".making-", dir=at.parent))
        try:
            with self._told():
                making.chmod(0o755)
                fill(making)
                with suppress(FileExistsError):
                    _move(making, at)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return at

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold a lock against other processes and threads; `waiting` is called once if another holds it.

        The system drops it when its holder dies. Raises `HostError` when the disk refuses.
        """
        with self._told():
            directory = paths.ensure(self.root / "lock")
            held = filelock.FileLock(directory / f"{name}.lock")
            try:
                held.acquire(blocking=False)
            except filelock.Timeout:
                waiting()
                held.acquire()
        try:
            yield
        finally:
            held.release()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            raise HostError(
                f"cannot write to the cache of compiled probes, {self.root}: {fault.strerror or fault}",
                hint="Free some space there, or set RIG_HOME (or XDG_CACHE_HOME) to a directory that you may write to.",
            ) from fault


def _move(making: Path, at: Path) -> None:
    """Rename into place. A directory with content in the way is another's finished entry."""
    try:
        making.rename(at)
    except OSError:
        if not at.is_dir():
            raise
        raise FileExistsError(at) from None
