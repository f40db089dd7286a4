"""How a guest is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rig.machine import Network
from rig.spec import Accel, Clock


@dataclass(frozen=True)
class GuestOptions:
    """How a guest is started; everything has a default but where its logs go."""

    logs: Path
    accel: Accel = Accel.AUTO
    clock: Clock = Clock.WALL
    network: Network = Network.CLOSED
    ssh_port: int = 0
    time_factor: float | None = None
    """Scales every deadline; None: by the accelerator."""
    memory: int | None = None
    cpus: int | None = None
    detached: bool = False
    console_only: bool = False
    """Do not wait for, or set up, anything but the console."""
    binary: str = "qemu-system-x86_64"
    cold: bool = False
    """Boot, even where a warm template could be restored."""
