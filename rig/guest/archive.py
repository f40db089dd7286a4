"""Tar streams to and from guests: made plain, and unpacked without trusting a byte of them."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from rig.errors import TransportError


def pack(source: Path) -> bytes:
    """A ustar archive of a file or of a directory's content: root-owned, no times, execute permission kept.

    ustar without extensions is what every small tar reads (toybox, busybox, BSD).
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        paths = sorted(source.rglob("*")) if source.is_dir() else [source]
        root = source if source.is_dir() else source.parent
        for path in paths:
            info = archive.gettarinfo(str(path), str(PurePosixPath(path.relative_to(root))))
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mtime = 0
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.isreg():
                with path.open("rb") as content:
                    archive.addfile(info, content)
            elif info.isdir():
                archive.addfile(info)
    return buffer.getvalue()


def unpack_untrusted(stream: io.BufferedIOBase, destination: Path) -> None:
    """Unpack regular files and directories below `destination`; anything else in the archive is an error.

    Raises `TransportError` for a path that leads outside, a link, a device, or a torn archive.
    """
    destination.mkdir(parents=True, exist_ok=True)
    root = destination.resolve()
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                _unpack_one(archive, member, root)
    except (tarfile.TarError, EOFError) as fault:
        raise TransportError(f"the guest's archive is damaged: {fault}") from fault


def _unpack_one(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name:
        raise TransportError(f"the guest's archive holds a path that leads outside: {member.name!r}")
    target = root.joinpath(*name.parts)
    # No link is ever made here, so no part of a path below the root can be one.
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)
    else:
        raise TransportError(f"the guest's archive holds {member.name!r}, which is neither file nor directory")
