"""What is pushed to a guest: one directory with the probes' executables, named by its content."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ToolchainError
from rig.probe.cache import Cache, digest_of


@dataclass(frozen=True)
class Bundle:
    """A directory ready to push. It is shared by all who push the same probes: read it, never write to it."""

    dir: Path
    digest: str
    """Of names and content: a guest that has this digest has these probes."""
    names: tuple[str, ...]
    """The executables in `dir`, sorted."""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum((self.dir / name).stat().st_size for name in self.names)


def make_bundle(executables: Mapping[str, Path], *, cache: Cache | None = None) -> Bundle:
    """Lay these executables, by name, into one directory of the cache.

    Raises `ToolchainError` for an executable that is not there, `HostError` when the disk refuses.
    """
    names = tuple(sorted(executables))
    parts: list[bytes] = []
    for name in names:
        try:
            content = executables[name].read_bytes()
        except OSError as fault:
            raise ToolchainError(f"probe {name}: {executables[name]}: {fault.strerror}") from fault
        parts += [name.encode(), hashlib.sha256(content).digest()]
    digest = digest_of(parts)

    def fill(into: Path) -> None:
        for name in names:
            shutil.copyfile(executables[name], into / name)
            (into / name).chmod(0o755)

    return Bundle((cache or Cache()).publish("bundle", digest, fill), digest, names)
