"""What the file systems here have in common: folders are listed, files are streamed, paths ignore case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """A file or folder. `ref` is where its file system finds it."""

    name: str
    folder: bool
    size: int
    ref: object
    note: str = ""
    """Why its content cannot be had."""


class FileSystem(Protocol):
    """A file system that is read here."""

    label: str

    def root(self) -> Entry:
        """The root folder."""
        ...

    def entries(self, folder: Entry) -> list[Entry]:
        """What is in a folder. Raises Damaged."""
        ...

    def stream(self, file: Entry) -> Iterator[bytes]:
        """A file's content in pieces. Raises Damaged."""
        ...


def find(system: FileSystem, path: str) -> Entry | None:
    """The entry at `path` (slashes between names); None when there is none. Raises Damaged."""
    here = system.root()
    for name in filter(None, path.split("/")):
        inside = system.entries(here) if here.folder else []
        named = [entry for entry in inside if entry.name.casefold() == name.casefold()]
        if not named:
            return None
        here = named[0]
    return here


def start(system: FileSystem, file: Entry, count: int) -> bytes:
    """A file's first `count` bytes, fewer of a shorter one. Raises Damaged."""
    found = bytearray()
    for piece in system.stream(file):
        found += piece
        if len(found) >= count:
            break
    return bytes(found[:count])
