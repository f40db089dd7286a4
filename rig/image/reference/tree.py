"""A file tree in memory: what a file system or an initramfs is to hold, free of the host's users, modes and times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from rig.errors import ImageError

_MERGED = ("bin", "sbin", "lib", "lib64")
"""Directories of the root that are links into /usr, as on every Debian of today."""


class Kind(Enum):
    """The file type bits of a mode (POSIX sys/stat.h)."""

    DIRECTORY = 0o040000
    FILE = 0o100000
    LINK = 0o120000
    CHARACTER = 0o020000


@dataclass(frozen=True)
class Node:
    """One entry. `data` is a file's content or a link's target; `device` is major and minor number."""

    kind: Kind
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


class Tree:
    """Entries by path (no leading slash). All belong to root; parents come before what is in them."""

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}

    def __iter__(self) -> Iterator[tuple[str, Node]]:
        """Every entry, parents first, otherwise by name: an order that depends on nothing else."""
        yield from sorted(self._nodes.items(), key=lambda item: PurePosixPath(item[0]).parts)

    def __contains__(self, path: str) -> bool:
        return path in self._nodes

    def __getitem__(self, path: str) -> Node:
        return self._nodes[path]

    def directory(self, path: str, mode: int = 0o755) -> None:
        """A directory with its parents; said again, the mode given last counts."""
        self._parents(path)
        if self._nodes.get(path, Node(Kind.DIRECTORY, 0)).kind is not Kind.DIRECTORY:
            raise ImageError(f"the image's {path} is to be a directory and something else")
        self._nodes[path] = Node(Kind.DIRECTORY, mode)

    def file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """A regular file."""
        self._add(path, Node(Kind.FILE, mode, data))

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._add(path, Node(Kind.LINK, 0o777, target.encode()))

    def character(self, path: str, major: int, minor: int, mode: int) -> None:
        """A character device."""
        self._add(path, Node(Kind.CHARACTER, mode, device=(major, minor)))

    def _add(self, path: str, node: Node) -> None:
        self._parents(path)
        if self._nodes.get(path, node) != node:
            raise ImageError(f"the image's {path} is to be two different things")
        self._nodes[path] = node

    def _parents(self, path: str) -> None:
        if not path or path.startswith("/") or any(c in path for c in " \t\n\"'") or ".." in path.split("/"):
            raise ImageError(f"not a path for an image: {path!r}")
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            node = self._nodes.setdefault(str(parent), Node(Kind.DIRECTORY, 0o755))
            if node.kind is not Kind.DIRECTORY:
                raise ImageError(f"the image's {parent} is no directory, but is to hold {path}")


def merged(path: str) -> str:
    """A path as it is with /bin, /sbin, /lib and /lib64 inside /usr."""
    return f"usr/{path}" if path.split("/", 1)[0] in _MERGED else path


def add_merged_links(tree: Tree) -> None:
    """The links /bin, /sbin, /lib and /lib64 and the directories they lead to."""
    for name in _MERGED:
        tree.directory(f"usr/{name}")
        tree.link(name, f"usr/{name}")


def cpio(tree: Tree, epoch: int) -> bytes:
    """The tree as a cpio archive of the "newc" kind (kernel Documentation/driver-api/early-userspace/buffer-format)."""
    parts: list[bytes] = []
    for number, (path, node) in enumerate(tree, start=1):
        parts.append(_member(path, node, number, epoch))
    parts.append(_member("TRAILER!!!", Node(Kind.FILE, 0), 0, 0, trailer=True))
    archive = b"".join(parts)
    return archive + b"\0" * (-len(archive) % 512)


def _member(path: str, node: Node, inode: int, epoch: int, *, trailer: bool = False) -> bytes:
    name = path.encode() + b"\0"
    mode = 0 if trailer else node.kind.value | node.mode
    links = 2 if node.kind is Kind.DIRECTORY else 1
    fields = (inode, mode, 0, 0, links, epoch, len(node.data), 0, 0, *node.device, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4) + node.data + b"\0" * (-len(node.data) % 4)
