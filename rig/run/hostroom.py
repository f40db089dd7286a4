"""What of this host is free for this process: processors and memory, within its control group where it has one.

A container sees the whole machine's processors and memory; its own share stands in the control group's files. Sources:
Linux Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max, memory.current, memory.stat), cgroup-v1/memory.rst
and scheduler/sched-bwc.rst (cpu.cfs_quota_us, cpu.cfs_period_us).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLE_SECONDS = 0.2
_NEARLY = 0.25
"""Of a processor: one that is busy with less than this counts as free."""
_MIB = 1 << 20


@dataclass(frozen=True)
class ControlGroups:
    """The limits of this process's control groups and of those above; None where there is no limit."""

    mount: Path = Path("/sys/fs/cgroup")
    own: Path = Path("/proc/self/cgroup")

    def processors(self) -> float | None:
        """CPU seconds a second that may be used."""
        found = []
        for directory in self._directories("cpu"):
            quota, _, period = _read(directory / "cpu.max").partition(" ")
            if not quota:
                quota, period = _read(directory / "cpu.cfs_quota_us"), _read(directory / "cpu.cfs_period_us")
            if quota.isdecimal() and period.isdecimal() and int(period):
                found.append(int(quota) / int(period))
        return min(found, default=None)

    def memory_mib(self) -> int | None:
        """MiB that can still be had; what only caches files can."""
        found = []
        for directory in self._directories("memory"):
            for limit, used in (
                ("memory.max", "memory.current"),
                ("memory.limit_in_bytes", "memory.usage_in_bytes"),
            ):
                most, now = _read(directory / limit), _read(directory / used)
                if most.isdecimal() and now.isdecimal():
                    stat = dict(
                        line.split(" ", 1) for line in _read(directory / "memory.stat").splitlines() if " " in line
                    )
                    cache = stat.get("inactive_file", stat.get("total_inactive_file", "0"))
                    found.append((int(most) - int(now) + int(cache)) // _MIB)
        return None if not found else max(0, min(found))

    def _directories(self, controller: str) -> Iterator[Path]:
        """Own directory and all above, of the one hierarchy (version 2) or of the controller's (version 1)."""
        for line in _read(self.own).splitlines():
            number, _, rest = line.partition(":")
            names, _, path = rest.partition(":")
            if number == "0" or controller in names.split(","):
                root = self.mount if number == "0" else self.mount / controller
                inner = Path(path.lstrip("/"))
                for part in (inner, *inner.parents):
                    if ".." not in part.parts:
                        yield root / part


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def cores(groups: ControlGroups | None = None) -> int:
    """Processors that this process may use."""
    try:
        mine = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        mine = os.cpu_count() or 1
    share = (groups or ControlGroups()).processors()
    return max(1, mine if share is None else min(mine, math.ceil(share)))


def free_cores() -> int:
    """Of those, how many have little to do now."""
    mine = cores()
    idle = mine * (1 - psutil.cpu_percent(_SAMPLE_SECONDS) / 100)
    return max(1, min(mine, math.ceil(idle - _NEARLY)))


def available_mib(groups: ControlGroups | None = None) -> int:
    """Memory that can be had now without swapping."""
    host = int(psutil.virtual_memory().available) // _MIB
    share = (groups or ControlGroups()).memory_mib()
    return host if share is None else min(host, share)
