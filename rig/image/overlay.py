"""Overlays: the only disk that a guest writes."""

from __future__ import annotations

from pathlib import Path

from rig.errors import ImageError
from rig.image import qemuimg


def create_overlay(base: Path, at: Path, *, size: int | None = None, base_format: str = "qcow2") -> Path:
    """A qcow2 at `at` that holds only the differences to `base`, which is never written; returns `at`.

    `size` (bytes) may be larger than the base, never smaller. Raises ImageError when the base is no disk of
    `base_format` or something is at `at` already; HostError when the disk is full.
    """
    if at.exists() or at.is_symlink():
        raise ImageError(f"{at}: exists already; an overlay is made new for each guest", hint="Name another place.")
    # Without a size qemu-img looks at the base itself; each start of it is time in every restore.
    if size is not None and size < (below := qemuimg.info(base, base_format).virtual_size):
        raise ImageError(
            f"an overlay of {size} bytes is smaller than its base, {base}: {below}",
            hint="Leave the size out, or give a larger one.",
        )
    qemuimg.create(at, size, base=base, base_format=base_format)
    return at
