"""One guest of a worker from wish to readiness: room on the host, the way it is started, what the record says of it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rig.events import Event, Events
from rig.guest import Guest, GuestOptions
from rig.guest.bootargs import meant
from rig.guest.flags import flags_of
from rig.guest.warm import Layer, ready_guest
from rig.guest.ways import machine_of
from rig.image.status import StoredImage
from rig.probe.agent import build_agent
from rig.result import GuestRecord, StageTime
from rig.run.capacity import Capacity, need_mib
from rig.run.settings import RunSettings
from rig.spec import OnPanic


@dataclass(frozen=True)
class Outfit:
    """What every guest of a worker has from the start."""

    layers: tuple[Layer, ...] = ()
    probes: frozenset[str] = frozenset()
    """Names of the probes that are in the layers."""


@dataclass
class HeldGuest:
    """A guest with its name in the record, and its claim on the host."""

    id: str
    guest: Guest
    record: GuestRecord
    claim: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def close(self) -> None:
        """End it, and give its room back."""
        with self.claim:
            self.guest.close()


class GuestMaker:
    """Makes a worker's guests, one after the other or one ahead of need."""

    def __init__(
        self,
        stored: StoredImage,
        settings: RunSettings,
        logs: Path,
        worker: str,
        events: Events,
        outfit: Callable[[], Outfit],
    ) -> None:
        self.last_id = f"{worker}-0"
        """Of the guest that was begun last."""
        self._stored = stored
        self._settings = settings
        self._logs = logs
        self._worker = worker
        self._events = events
        self._outfit = outfit
        self._numbers = itertools.count(1)
        self._capacity = Capacity()
        self.brought: frozenset[str] = frozenset()
        """Probes that a guest has from the start."""

    def may_prepare(self) -> bool:
        """Whether one more may be made while another runs."""
        return self._capacity.may_prepare(self._need(self._options("")))

    def __call__(self) -> HeldGuest:
        """A guest that is ready. Raises what `ready_guest` raises, and `HostError` where the host has no room."""
        guest_id = self.last_id = f"{self._worker}-{next(self._numbers)}"

        def hear(event: Event) -> None:
            self._events.emit(event.name, **{"guest": guest_id, **event.data})

        named = Events()
        named.listen(hear)
        options = self._options(guest_id)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._capacity.room(self._need(options), named))
            outfit = self._outfit()
            with named.step("guest.boot", image=self._stored.spec.name) as found:
                guest = ready_guest(self._stored, options, named, layers=outfit.layers)
                found["accel"] = str(guest.accel)
            self.brought = outfit.probes
            return HeldGuest(guest_id, guest, _record(guest_id, guest), stack.pop_all())

    def _need(self, options: GuestOptions) -> int:
        return need_mib(machine_of(self._stored, options).memory)

    def _options(self, guest_id: str) -> GuestOptions:
        settings = self._settings
        return GuestOptions(
            logs=self._logs / guest_id,
            accel=settings.accel,
            clock=settings.clock,
            network=settings.network,
            time_factor=settings.time_factor,
            memory=settings.memory,
            cpus=settings.cpus,
            cold=settings.cold,
            flags=settings.flags,
            keep=settings.keep,
            # Only such a guest may outlive the run.
            detached=settings.on_panic is OnPanic.HOLD,
            transport=settings.transport,
            agent=build_agent,
        )


def _record(guest_id: str, guest: Guest) -> GuestRecord:
    launch = guest.machine.launch
    return GuestRecord(
        id=guest_id,
        accel=guest.accel,
        accel_reason=guest.accel_reason,
        qemu_version=guest.machine.qemu_version,
        qemu_argv=tuple(guest.machine.process.argv),
        cpus=launch.spec.cpus,
        memory=launch.spec.memory,
        clock=launch.clock,
        kernel_flags=" ".join(meant(flags_of(guest.stored.spec, guest.options))),
        start="cold" if guest.template is None else "warm",
        stages=tuple(StageTime(name=stage.name, seconds=stage.took) for stage in guest.stages),
        console_log=str(launch.console_log),
        qemu_log=str(launch.qemu_log),
    )
