"""The machine that QEMU runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Annotated

import psutil
from pydantic import Field, FiniteFloat

from rig.result.base import Record
from rig.result.text import Text


class HostRecord(Record):
    """What the host is, and how busy it was when the run began."""

    cpu: Text
    """Processor model."""
    cores: Annotated[int, Field(ge=1)]
    """Logical processors that this process may use."""
    memory: Annotated[int, Field(ge=0)]
    """RAM in MiB."""
    os: Text
    """For example `Linux 6.1.0-18-amd64 x86_64`."""
    load: tuple[FiniteFloat, FiniteFloat, FiniteFloat] | None = None
    """Load averages of 1, 5 and 15 minutes when the run began."""

    @property
    def host_class(self) -> str:
        """What must be equal for two hosts' timings to be compared."""
        return f"{self.cpu} x{self.cores}"

    @classmethod
    def read(cls) -> HostRecord:
        """Look at this machine."""
        try:
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            load = os.getloadavg()
        except OSError:
            cores, load = os.cpu_count() or 1, None
        return cls(
            cpu=_cpu_model(),
            cores=cores,
            memory=psutil.virtual_memory().total >> 20,
            os=f"{platform.system()} {platform.release()} {platform.machine()}",
            load=load and tuple(round(one, 2) for one in load),
        )


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Linux names the model in /proc/cpuinfo; elsewhere platform's word, at worst the architecture."""
    try:
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"
