"""The disks of the store, each under the sha256 of the file it was made from.

    disks/<sha256>/disk.qcow2   read-only
    disks/<sha256>/disk.json    its facts (`record.Disk`)
    holds/<sha256>/<claim>      one file for each user of it
    tmp/<random>/               work in progress, and what is being deleted

A disk appears by one rename of its whole directory, so half a disk never looks like one. Whoever changes what lies here
has the store's lock; long work is done in `tmp` without it.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rig.errors import HostError, ImageError
from rig.image import qemuimg, space
from rig.image.digest import sha256_file
from rig.image.locks import Claim, claimed_by, exclusive
from rig.image.record import Disk, read_json, write_json

_DISK = "disk.qcow2"
_FACTS = "disk.json"
_WORK_CLAIM = ".claim"


class Disks:
    """The disks below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock: for short work only."""
        with exclusive(self.root / "locks" / "store"):
            yield

    def path(self, digest: str) -> Path:
        """Where a disk lies, there or not."""
        return self._dir(digest) / _DISK

    def facts(self, digest: str) -> Disk | None:
        """What is known of a disk; None when the store has none. Raises ImageError when its facts are damaged."""
        return read_json(Disk, self._dir(digest) / _FACTS)

    def problem(self, digest: str, *, deep: bool = False) -> str:
        """What is wrong with a disk, in words; empty when nothing is.

        Quick, by size and time; the content is hashed when the time has changed, or when `deep`. The verdict is kept.
        """
        try:
            facts = self.facts(digest)
            stat = self.path(digest).stat()
        except ImageError as fault:
            return fault.message
        except OSError as fault:
            return f"{self.path(digest)}: {fault.strerror}"
        if facts is None:
            return f"{self._dir(digest)}: nothing is recorded of this disk"
        if stat.st_size != facts.size:
            return f"{self.path(digest)}: {stat.st_size} bytes, recorded {facts.size}"
        if not deep and (facts.damaged or stat.st_mtime_ns == facts.mtime_ns):
            return facts.damaged
        found = sha256_file(self.path(digest))
        verdict = "" if found == facts.sha256 else f"{self.path(digest)}: sha256 {found}, recorded {facts.sha256}"
        update = facts.model_copy(update={"damaged": verdict, "mtime_ns": stat.st_mtime_ns})
        if update != facts:
            with suppress(HostError):  # a store that this user may only read
                write_json(update, self._dir(digest) / _FACTS)
        return verdict

    @contextmanager
    def workdir(self) -> Iterator[Path]:
        """A directory on the store's disk for work in progress; gone afterwards, or swept up after a crash."""
        with self.locked(), space.explained(self.root, "make a directory for work"):
            work = self.root / "tmp" / secrets.token_hex(8)
            work.mkdir(parents=True)
            claim = Claim(work / _WORK_CLAIM, f"process {os.getpid()}")
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
            claim.release()

    def seal(self, disk: Path, *beside: Path) -> Path:
        """Make a finished qcow2 of a work directory ready for `install`: read-only, hashed, with its facts.

        `beside` are small files that go with it. Takes as long as reading the disk. Returns the sealed directory.
        """
        with space.explained(self.root, "put an image into the store"):
            sealed = disk.with_name("sealed")
            sealed.mkdir()
            for extra in beside:
                shutil.copyfile(extra, sealed / extra.name)
            target = disk.replace(sealed / _DISK)
            target.chmod(0o444)
            with target.open("rb") as file:
                os.fsync(file.fileno())
            stat = target.stat()
            facts = Disk(
                sha256=sha256_file(target),
                size=stat.st_size,
                virtual_size=qemuimg.info(target).virtual_size,
                mtime_ns=stat.st_mtime_ns,
            )
            write_json(facts, sealed / _FACTS)
        return sealed

    def install(self, digest: str, sealed: Path) -> None:
        """Move a sealed disk into its place, with the store's lock held. A sound disk that is there already stays.

        Raises ImageError when a damaged one is there and in use.
        """
        if not self.problem(digest):
            return
        self.remove(digest, f"replace the damaged {self.path(digest)}")
        with space.explained(self.root, "put an image into the store"):
            self._dir(digest).parent.mkdir(parents=True, exist_ok=True)
            sealed.replace(self._dir(digest))

    def hold(self, digest: str, user: str) -> Claim:
        """Say that `user` (words for an error) needs a disk, so that it stays. Raises ImageError, HostError."""
        with self.locked():
            if not self.path(digest).exists():
                raise ImageError(f"{self.path(digest)}: the disk is gone", hint="Get the image again: rig images list")
            return Claim(self.root / "holds" / digest / secrets.token_hex(8), user)

    def holders(self, digest: str) -> list[str]:
        """Who holds a disk now."""
        folder = self.root / "holds" / digest
        found = [claimed_by(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []
        return [who for who in found if who is not None]

    def remove(self, digest: str, what: str) -> None:
        """Remove a disk, with the store's lock held. Raises ImageError, naming who, when it is in use."""
        holders = self.holders(digest)
        if holders:
            raise ImageError(f"cannot {what}: in use by {'; '.join(holders)}", hint="Stop it first: rig ps, rig down")
        with space.explained(self.root, what):
            doomed = self.root / "tmp" / secrets.token_hex(8)
            doomed.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._dir(digest).replace(doomed)
            except FileNotFoundError:
                return
            shutil.rmtree(doomed)
            with suppress(OSError):
                (self.root / "holds" / digest).rmdir()

    def sweep(self, needed: Iterable[str]) -> None:
        """Remove what nobody needs, with the store's lock held: disks not in `needed` nor held, work of dead processes.

        What cannot be removed stays for the next time.
        """
        keep = set(needed)
        for folder in self._children("disks"):
            if folder.name not in keep and not self.holders(folder.name):
                with suppress(HostError):
                    self.remove(folder.name, f"remove {folder}")
        for work in self._children("tmp"):
            if claimed_by(work / _WORK_CLAIM) is None:
                shutil.rmtree(work, ignore_errors=True)

    def _children(self, name: str) -> list[Path]:
        folder = self.root / name
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def _dir(self, digest: str) -> Path:
        return self.root / "disks" / digest
