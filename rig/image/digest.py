"""sha256 of files: what an image is known by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rig.errors import ImageError


def sha256_file(path: Path) -> str:
    """sha256 of a file's content, hexadecimal. Raises ImageError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        raise ImageError(f"{path}: cannot be read: {fault.strerror or fault}", hint="Check the path.") from fault


def check_digest(what: str, found: str, *, pinned: str | None, recorded: str | None, way_out: str) -> None:
    """Raise ImageError, naming both hashes, when `found` is not the pinned hash, or else the recorded one."""
    wanted, why = (pinned, "pinned in the catalogue") if pinned else (recorded, "recorded at first use")
    if wanted and found != wanted:
        raise ImageError(
            f"{what}: wrong checksum; nothing of it was used\n"
            f"  sha256 found:    {found}\n"
            f"  sha256 expected: {wanted} ({why})",
            hint=way_out,
        )
