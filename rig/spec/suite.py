"""A suite: which cases run, on what, with which settings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from rig.spec.base import Spec
from rig.spec.image import TransportChoice
from rig.spec.machine import Accel, Clock

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Isolation(StrEnum):
    """Which cases share a guest: all of a worker's, those of one probe, or none."""

    SUITE = "suite"
    PROBE = "probe"
    CASE = "case"


class OnPanic(StrEnum):
    """What becomes of a guest that panicked or hangs: ended, its evidence kept; or held as it is, to look inside."""

    END = "end"
    HOLD = "hold"


class SuiteSpec(Spec):
    """A named selection of cases with the settings they run under. Options of the command line win over it."""

    name: Name
    summary: str = ""
    image: str | None = None
    """Catalogue entry to boot; absent: the default image."""
    probes: tuple[str, ...] = ()
    """Probe names or mechanisms; empty: all."""
    keyword: str | None = None
    """A pytest -k expression over case names."""
    marks: str | None = None
    """A pytest -m expression, for example `not timing`."""
    accel: Accel = Accel.AUTO
    clock: Clock = Clock.WALL
    transport: TransportChoice = TransportChoice.AUTO
    """The way into the guest."""
    isolation: Isolation = Isolation.SUITE
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    """How often a case that is not as expected is run again, each time in a fresh guest."""
    find_order: bool | None = None
    """Whether to look for the case before a failure that brings it about; absent: where guests are restored."""
    quarantine: str | None = None
    """A quarantine file, relative to this one."""
    batches: Annotated[int, Field(ge=2, le=10_000)] = 30
    """Timing samples of each metric."""
    time_factor: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Scales every deadline; absent: by the accelerator that was chosen."""
