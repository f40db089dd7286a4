"""The files inside a Debian package, read from its archive; nothing is unpacked with the host's users or modes."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Self

from rig.errors import ImageError
from rig.image.reference.tools import run_tool


@dataclass(frozen=True)
class PackedFile:
    """A regular file or a symbolic link of a package."""

    path: str
    mode: int
    data: bytes = b""
    link: str | None = None


class Archive:
    """One package, open for reading; a context manager. The plain archive lies in `scratch` meanwhile."""

    def __init__(self, deb: Path, scratch: Path) -> None:
        self._deb = deb
        self._plain = scratch / (deb.name + ".tar")

    def __enter__(self) -> Self:
        with self._plain.open("wb") as plain:
            run_tool(["dpkg-deb", "--fsys-tarfile", str(self._deb)], what=f"unpack {self._deb.name}", stdout=plain)
        self._tar = tarfile.open(self._plain)
        self._members = {m.name.removeprefix("./").rstrip("/"): m for m in self._tar}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()
        self._plain.unlink(missing_ok=True)

    def match(self, pattern: str) -> list[str]:
        """Paths (without leading slash) of files and links that a pattern matches, sorted; `*` spans directories."""
        return sorted(p for p, m in self._members.items() if fnmatchcase(p, pattern) and (m.isreg() or m.issym()))

    def read(self, path: str) -> PackedFile:
        """One file. Raises ImageError when the package does not hold it."""
        member = self._members.get(path)
        if member is None:
            raise ImageError(f"{self._deb.name} holds no {path}", hint="the recipe of the reference image asks for it")
        if member.issym():
            return PackedFile(path, 0o777, link=member.linkname)
        file = self._tar.extractfile(member)
        if file is None:
            raise ImageError(f"{self._deb.name}: {path} is neither a file nor a link")
        return PackedFile(path, member.mode & 0o7777, data=file.read())

    def take(self, patterns: Sequence[str]) -> list[PackedFile]:
        """All files that the patterns match, and what their symbolic links lead to inside the package, by path.

        Raises ImageError when a pattern matches nothing.
        """
        chosen: set[str] = set()
        for pattern in patterns:
            matches = self.match(pattern)
            if not matches:
                raise ImageError(
                    f"{self._deb.name} holds no {pattern}", hint="the recipe of the reference image asks for it"
                )
            for path in matches:
                chosen |= {path, *self._led_to(path)}
        return [self.read(path) for path in sorted(chosen)]

    def _led_to(self, path: str) -> set[str]:
        found: set[str] = set()
        while (member := self._members.get(path)) is not None and member.issym() and len(found) < 8:
            raw = member.linkname
            path = raw.lstrip("/") if raw.startswith("/") else os.path.normpath(f"{Path(path).parent}/{raw}")
            if path in self._members:
                found.add(path)
        return found
