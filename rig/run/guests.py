"""The guest that a worker holds: booted when first needed, booted anew when it died, told of in the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rig.errors import Evidence, GuestError, RigError
from rig.events import Events
from rig.guest import Guest, GuestOptions, boot_guest
from rig.image.status import StoredImage
from rig.probe.protocol import Hello
from rig.result import GuestFacts, GuestRecord, StageTime
from rig.run.settings import RunSettings

BOOT_TRIES = 2
"""Boots in a row that may fail before the worker gives up: one bad boot is chance, two are the image."""

OnGuest = Callable[[GuestRecord], None]


class GuestKeeper:
    """One guest at a time. `on_guest` is called with the record whenever more is known of a guest."""

    def __init__(
        self,
        stored: StoredImage,
        settings: RunSettings,
        logs: Path,
        *,
        worker: str = "main",
        events: Events | None = None,
        on_guest: OnGuest | None = None,
    ) -> None:
        self.stored = stored
        self.settings = settings
        self.events = events or Events()
        self.record: GuestRecord | None = None
        self._logs = logs
        self._worker = worker
        self._on_guest = on_guest
        self._guest: Guest | None = None
        self._count = 0
        self._failures = 0
        self.gave_up: RigError | None = None

    @property
    def id(self) -> str:
        """The present guest's name in the record: the worker, and which of its guests in order."""
        return f"{self._worker}-{self._count}"

    def get(self) -> Guest:
        """A live guest. Raises what `boot_guest` raises; after `BOOT_TRIES` failures in a row, the last one again."""
        if self._guest is not None and self._guest.alive:
            return self._guest
        if self.gave_up is not None:
            raise self.gave_up
        self.lose("lost")
        self._count += 1
        try:
            self._guest = self._boot()
        except RigError as fault:
            self._failures += 1
            # Only a guest's own failure may be chance; bad input and an absent QEMU stay as they are.
            if self._failures >= BOOT_TRIES or not isinstance(fault, GuestError):
                self.gave_up = fault
            raise
        self._failures = 0
        return self._guest

    def _boot(self) -> Guest:
        options = GuestOptions(
            logs=self._logs / self.id,
            accel=self.settings.accel,
            clock=self.settings.clock,
            network=self.settings.network,
            time_factor=self.settings.time_factor,
            memory=self.settings.memory,
            cpus=self.settings.cpus,
        )
        with self.events.step("guest.boot", guest=self.id, image=self.stored.spec.name) as found:
            guest = boot_guest(self.stored, options, self.events)
            found["accel"] = str(guest.accel)
        launch = guest.machine.launch
        self._tell(
            GuestRecord(
                id=self.id,
                accel=guest.accel,
                accel_reason=guest.accel_reason,
                qemu_version=guest.machine.qemu_version,
                qemu_argv=tuple(guest.machine.process.argv),
                cpus=launch.spec.cpus,
                memory=launch.spec.memory,
                clock=launch.clock,
                stages=tuple(StageTime(name=stage.name, seconds=stage.took) for stage in guest.stages),
                console_log=str(launch.console_log),
                qemu_log=str(launch.qemu_log),
            )
        )
        return guest

    def _tell(self, record: GuestRecord) -> None:
        self.record = record
        if self._on_guest is not None:
            self._on_guest(record)

    def note_hello(self, hello: Hello) -> None:
        """Keep what the guest says of itself, once."""
        if self.record is None or self.record.facts is not None:
            return
        facts = GuestFacts(
            os=hello.os,
            release=hello.release,
            machine=hello.machine,
            kernel=hello.kernel,
            clock=hello.clock,
            tick_ns=hello.tick_ns,
            clock_cost_ns=hello.clock_cost_ns,
            page=hello.page,
            limits=dict(hello.limits),
        )
        self._tell(self.record.model_copy(update={"facts": facts}))

    def evidence(self, fault: GuestError | None = None) -> Evidence:
        """Of the fault where it has any, else of the guest as it is now."""
        if fault is not None and fault.evidence.command:
            return fault.evidence
        return self._guest.evidence() if self._guest is not None else Evidence()

    def lose(self, why: str) -> None:
        """End the present guest, if there is one, and say why. Safe to call at any time."""
        if self._guest is None:
            return
        guest, self._guest = self._guest, None
        process = guest.machine.process
        how = why if process.alive else f"QEMU ended: {process.how_it_ended}"
        guest.close()
        self.events.emit("guest.ended", guest=self.id, how=how)
        if self.record is not None:
            self._tell(self.record.model_copy(update={"ended": how}))
