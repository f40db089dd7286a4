"""How a guest is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rig.machine import Network
from rig.spec import Accel, BootFlags, Clock, GuestOS, TransportChoice


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
    flags: BootFlags = field(default_factory=BootFlags)
    """Kernel flags, over those of the image's entry."""
    keep: bool = False
    """When the guest ends, its disk is kept in the logs' directory."""
    transport: TransportChoice = TransportChoice.AUTO
    agent: Callable[[GuestOS], Path] | None = None
    """Gives the executable that serves the rig on a console (rig.probe.agent.build_agent): the serial transport needs
    it, and without it `auto` does not choose that."""
