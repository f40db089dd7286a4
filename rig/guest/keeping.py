"""A guest's disk that outlives it: kept where its logs are, as its differences to the image."""

from __future__ import annotations

import itertools
from pathlib import Path

from rig.errors import HostError
from rig.image import qemuimg
from rig.machine.template import DISK

SYNC = "sync; sync"
"""Some guests have no such command; then what they hold in memory is lost."""
SYNC_SECONDS = 20.0
_MOST = 1000


def keep_disk(directory: Path, logs: Path) -> Path:
    """Write what the guest of `directory`, whose QEMU has ended, has changed on its disk to a new file in `logs`.

    It lies over the image itself, whatever template the guest was restored from. Raises `ImageError`, `HostError`.
    """
    disk = base = directory / DISK
    while (below := qemuimg.info(base).backing) is not None:
        base = Path(below)
    names = itertools.chain(["disk.qcow2"], (f"disk-{number}.qcow2" for number in range(2, _MOST)))
    kept = next((logs / name for name in names if not (logs / name).exists()), None)
    if kept is None:
        raise HostError(f"{logs}: {_MOST} disks are kept here already")
    qemuimg.differences(disk, kept, base)
    return kept
