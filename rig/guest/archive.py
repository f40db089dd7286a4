"""Trees of files to and from guests: what a push takes along, tar made plain, tar unpacked without trusting a byte."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tarfile import EOFHeaderError, HeaderError, ReadError  # type: ignore[attr-defined]  # the first: not in the stubs
from typing import IO, Self

from rig.errors import TransportError

_DAMAGE = (tarfile.TarError, EOFError, ValueError, OverflowError, IndexError, struct.error)
"""What tarfile lets through for bytes that are no archive."""


class _Strict(tarfile.TarInfo):
    """tarfile takes a damaged header behind the first member for the archive's end; here only the end is the end."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except EOFHeaderError:
            raise
        except HeaderError as fault:
            raise ReadError(str(fault)) from fault


@dataclass(frozen=True)
class Entry:
    """One file or directory of a tree that is pushed; `inside` is its place below the destination."""

    path: Path
    inside: PurePosixPath
    is_dir: bool
    mode: int
    """0o755 for directories and executables, else 0o644."""


def entries(source: Path) -> list[Entry]:
    """What a push of `source` takes along, parents first: the file itself, or the directory's content.

    A link to a file is taken as that file. Raises `TransportError` for anything that is neither file nor directory,
    for a link that leads to a directory or nowhere, and for what cannot be read: nothing is left out silently.
    """
    try:
        if source.is_dir():
            return [_entry(path, PurePosixPath(path.relative_to(source))) for path in sorted(_below(source))]
        return [_entry(source, PurePosixPath(source.name))]
    except OSError as fault:
        raise TransportError(f"{fault.filename or source}: cannot be pushed: {fault.strerror}") from fault


def _below(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)


def _entry(path: Path, inside: PurePosixPath) -> Entry:
    mode = path.stat().st_mode  # of what a link leads to
    if stat.S_ISDIR(mode):
        if path.is_symlink():
            raise TransportError(f"{path}: is a link to a directory, which is not pushed", hint="Push that directory.")
        return Entry(path, inside, True, 0o755)
    if not stat.S_ISREG(mode):
        raise TransportError(f"{path}: is neither file nor directory, so it cannot be pushed")
    return Entry(path, inside, False, 0o755 if mode & 0o100 else 0o644)


def pack(tree: list[Entry]) -> bytes:
    """A ustar archive: root-owned, no times, execute permission kept.

    ustar without extensions is what every small tar reads (toybox, busybox, BSD). Raises `TransportError` for a name
    or a file too large for it, and for a file that cannot be read.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for entry in tree:
            info = tarfile.TarInfo(str(entry.inside))
            info.mode = entry.mode
            info.uname = info.gname = "root"
            try:
                if entry.is_dir:
                    info.type = tarfile.DIRTYPE
                    archive.addfile(info)
                else:
                    with entry.path.open("rb") as content:
                        info.size = entry.path.stat().st_size
                        archive.addfile(info, content)
            except ValueError as fault:  # ustar: 155 + 1 + 100 bytes of name, split at a slash; 8 GiB of content
                raise TransportError(f"{entry.path}: does not fit into a tar archive: {fault}") from fault
            except OSError as fault:
                raise TransportError(f"{entry.path}: cannot be pushed: {fault.strerror or fault}") from fault
    return buffer.getvalue()


def unpack_untrusted(stream: IO[bytes], destination: Path) -> None:
    """Unpack regular files and directories below `destination`; anything else in the archive is an error.

    Raises `TransportError` for a path that leads outside, a link, a device, a torn archive, and for what this host's
    file system does not take.
    """
    try:
        destination.mkdir(parents=True, exist_ok=True)
        root = destination.resolve()
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Strict) as archive:
            for member in archive:
                _unpack_one(archive, member, root)
    except _DAMAGE as fault:
        raise TransportError(f"the guest's archive is damaged: {fault}") from fault
    except OSError as fault:
        raise TransportError(
            f"{fault.filename or destination}: the guest's files cannot be put here: {fault.strerror or fault}"
        ) from fault


def _unpack_one(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise TransportError(f"the guest's archive holds a path that leads outside: {member.name!r}")
    target = root.joinpath(*name.parts)
    # No link is made here, but one may have been there before; nothing is written through it.
    if target != root and (target.is_symlink() or not target.parent.resolve().is_relative_to(root)):
        raise TransportError(f"{target}: a link stands where the guest's archive has {member.name!r}")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.isreg() and not member.issparse():  # a sparse file of a few bytes can claim an exabyte
        content = archive.extractfile(member)
        assert content is not None
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)
    else:
        raise TransportError(f"the guest's archive holds {member.name!r}, which is neither plain file nor directory")
