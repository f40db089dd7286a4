"""What one run is asked to do, as plain values: the command line, a suite file and pytest's options all end here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rig.machine import Network
from rig.spec import Accel, BootFlags, Clock, Isolation, OnPanic, TransportChoice

DEFAULT_IMAGE = "reference"


@dataclass(frozen=True)
class RunSettings:
    """The settings that guests and probes are started with."""

    image: str = DEFAULT_IMAGE
    accel: Accel = Accel.AUTO
    clock: Clock = Clock.WALL
    time_factor: float | None = None
    batches: int = 30
    transport: TransportChoice = TransportChoice.AUTO
    network: Network = Network.CLOSED
    memory: int | None = None
    cpus: int | None = None
    isolation: Isolation = Isolation.SUITE
    cold: bool = False
    """Every guest is booted, even where a warm template could be restored."""
    flags: BootFlags = field(default_factory=BootFlags)
    """Kernel flags, over those of the image's entry."""
    keep: bool = False
    """Each guest's disk is kept where its logs are."""
    retries: int = 0
    """How often a case that is not as expected is run again, each time in a guest of its own."""
    find_order: bool | None = None
    """Whether to look into a case that is not as expected for what ran before it; None: where that is cheap."""
    quarantine: Path | None = None
    """A file of cases whose failures are known."""
    on_panic: OnPanic = OnPanic.END
    """What becomes of a guest that panicked or hangs."""
    part: int = 1
    """Of a run that was cut off and taken up again: the names of its guests and files tell its parts apart."""
    run_dir: Path | None = None
    """Where logs and results go; None: no record is kept beside pytest's own."""
