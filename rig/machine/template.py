"""A warm template: a machine's RAM, device state and disk, as they were when its guest was ready.

    <root>/<key>/ram             RAM, sparse; every restored machine maps it privately, so its pages are shared
    <root>/<key>/state           device state
    <root>/<key>/disk.qcow2      the differences to the image; a restored machine gets an overlay of it
    <root>/<key>/variables.qcow2 UEFI variables, where the machine has them
    <root>/<key>/template.json   what it was made from, and the files' digests; written last

A directory that is there is whole: it was renamed into place. Its content may have been altered since, so it is
checked before use.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rig.errors import RigError
from rig.machine.sparse import digest
from rig.spec.base import Spec

RAM, STATE, DISK, VARIABLES, META = "ram", "state", "disk.qcow2", "variables.qcow2", "template.json"


class DamagedTemplateError(RigError):
    """A template's files are not what was saved."""


class FileFacts(Spec):
    """A file as it was saved; size in bytes."""

    size: int
    digest: str


class Stage(Spec):
    """A stage of the boot that led to it; seconds."""

    name: str
    seconds: float


class Meta(Spec):
    """template.json."""

    key: str
    facts: dict[str, str]
    """All that shapes it, by name."""
    image: str
    made: float
    """Seconds since the epoch."""
    took: float
    """Seconds from nothing to saved."""
    stages: tuple[Stage, ...] = ()
    host_key: str | None = None
    """The guest's SSH host key, `type base64`."""
    files: dict[str, FileFacts]


class Template:
    """One on disk."""

    _seen: dict[Path, tuple[int, ...]] = {}  # noqa: RUF012  (one a process: what was checked need not be read again)

    def __init__(self, directory: Path, meta: Meta) -> None:
        self.directory = directory
        self.meta = meta

    @classmethod
    def read(cls, directory: Path) -> Template:
        """Raises `DamagedTemplateError` when there is no readable template.json."""
        try:
            meta = Meta.model_validate_json((directory / META).read_bytes())
        except (OSError, ValidationError) as fault:
            raise DamagedTemplateError(f"{directory / META} cannot be read") from fault
        return cls(directory, meta)

    def file(self, name: str) -> Path:
        """One of its files."""
        return self.directory / name

    @property
    def size(self) -> int:
        """Bytes on disk; none for one that another process has removed meanwhile."""
        total = 0
        for path in self.directory.glob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_blocks * 512
        return total

    def check(self) -> None:
        """See that every file is what was saved: read whole once in a process, and again when it was touched since.

        Raises `DamagedTemplateError`.
        """
        for name, facts in self.meta.files.items():
            path = self.file(name)
            try:
                found = path.stat()
                if found.st_size != facts.size:
                    raise DamagedTemplateError(f"{path} has {found.st_size} bytes, {facts.size} were saved")
                mark = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
                if self._seen.get(path) == mark:
                    continue
                if digest(path) != facts.digest:
                    raise DamagedTemplateError(f"{path} is not what was saved: its digest differs")
            except OSError as fault:
                raise DamagedTemplateError(f"{path}: {fault.strerror}") from fault
            self._seen[path] = mark

    def used(self) -> None:
        """Note that it is in use now: the longest unused go first."""
        os.utime(self.file(META))

    @property
    def last_used(self) -> float:
        """Seconds since the epoch; 0 for one that another process has removed meanwhile."""
        try:
            return self.file(META).stat().st_mtime
        except OSError:
            return 0.0


def write_meta(directory: Path, **facts: Any) -> Template:
    """Close a new template's directory: digest what is in it, and write it down. Raises OSError."""
    names = [name for name in (RAM, STATE, DISK, VARIABLES) if (directory / name).is_file()]
    files = {name: FileFacts(size=(directory / name).stat().st_size, digest=digest(directory / name)) for name in names}
    meta = Meta(files=files, **facts)
    (directory / META).write_text(meta.model_dump_json(indent=1), encoding="utf-8")
    return Template(directory, meta)
