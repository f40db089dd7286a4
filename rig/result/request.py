"""What a run was asked for: kept in its record, so that it can be taken up again and nobody need remember."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat

from rig.result.base import Record
from rig.result.text import Text
from rig.spec import Accel, BootFlags, Clock, Isolation, OnPanic, TransportChoice


class RequestRecord(Record):
    """The command line of `rig test`, and the suite's file behind it, as plain values."""

    image: Text
    """A name of the catalogue, or an entry's file with its whole path."""
    accel: Accel = Accel.AUTO
    clock: Clock = Clock.WALL
    time_factor: FiniteFloat | None = None
    batches: Annotated[int, Field(ge=1)] = 30
    transport: TransportChoice = TransportChoice.AUTO
    network: Text = "closed"
    memory: int | None = None
    cpus: int | None = None
    isolation: Isolation = Isolation.SUITE
    cold: bool = False
    flags: BootFlags = BootFlags()
    keep: bool = False
    retries: Annotated[int, Field(ge=0)] = 0
    find_order: bool | None = None
    on_panic: OnPanic = OnPanic.END
    quarantine: Text | None = None
    """Whole path of the file."""
    select: tuple[Text, ...] = ()
    """Probes, mechanisms and cases; empty: all."""
    keyword: Text | None = None
    marks: Text | None = None
    exit_first: bool = False
    last_failed: bool = False
    workers: Text | None = None
    """As asked for: `auto` where the host's size decided."""
    probes: Text | None = None
    """Whole path of the directory of the user's own probes."""
    pytest_args: tuple[Text, ...] = ()
