"""The guest that a worker holds: booted when first needed, booted anew when it died, told of in the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rig.errors import Evidence, GuestError, RigError
from rig.events import Event, Events
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
        self._user = ""
        self._release = ""
        self._count = 0
        self._failures = 0
        self.ever_ready = False
        """Whether any guest of this worker became ready."""
        self.gave_up: RigError | None = None
        """Why no further boot is tried."""

    @property
    def id(self) -> str:
        """The present guest's name in the record: the worker, and which of its guests in order."""
        return f"{self._worker}-{self._count}"

    @property
    def release(self) -> str | None:
        """The kernel's: as a probe was told it in any guest of this image, else as the image's entry has it."""
        return self._release or self.stored.spec.release

    def get(self, user: str = "") -> Guest:
        """A live guest for `user`: a probe's name, or nothing for a test that may do with it what it likes.

        A boot that fails is tried again, up to `BOOT_TRIES` in a row. Raises what `boot_guest` raises; having given
        up, the same again at each call.
        """
        if self._guest is None or not self._guest.alive:
            self.lose("lost")
            self._guest = self._boot_with_patience()
        self._user = user
        return self._guest

    def unseen_death(self) -> tuple[GuestError, str] | None:
        """How the present guest died since a probe used it last, and that probe; told once.

        None where there is no guest, it lives, or a test had it last: whoever may kill a guest is not blamed for it.
        """
        if self._guest is None or self._guest.alive or not self._user:
            return None
        death, user = self._guest.death(), self._user
        if death is None:
            return None
        self.lose(death.message)
        return death, user

    def _boot_with_patience(self) -> Guest:
        while True:
            if self.gave_up is not None:
                raise self.gave_up
            self._count += 1
            try:
                guest = self._boot()
            except RigError as fault:
                self._failures += 1
                # Only a guest's own failure may be chance; bad input and an absent QEMU stay as they are.
                if self._failures >= BOOT_TRIES or not isinstance(fault, GuestError):
                    self.gave_up = fault
                    raise
            else:
                self._failures = 0
                self.ever_ready = True
                return guest

    def _boot(self) -> Guest:
        guest_id = self.id

        def hear(event: Event) -> None:
            self.events.emit(event.name, **{"guest": guest_id, **event.data})

        named = Events()
        named.listen(hear)
        options = GuestOptions(
            logs=self._logs / guest_id,
            accel=self.settings.accel,
            clock=self.settings.clock,
            network=self.settings.network,
            time_factor=self.settings.time_factor,
            memory=self.settings.memory,
            cpus=self.settings.cpus,
        )
        with named.step("guest.boot", image=self.stored.spec.name) as found:
            guest = boot_guest(self.stored, options, named)
            found["accel"] = str(guest.accel)
        launch = guest.machine.launch
        self._tell(
            GuestRecord(
                id=guest_id,
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
        self._release = hello.release
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
        if guest.lost is not None:
            how = guest.lost.message
        guest.close()
        self.events.emit("guest.ended", guest=self.id, how=how)
        if self.record is not None:
            self._tell(self.record.model_copy(update={"ended": how}))
