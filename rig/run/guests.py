"""The guest that a worker holds: booted when first needed, booted anew when it died, told of in the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rig.errors import Evidence, GuestError, LaunchError, RigError
from rig.events import Events
from rig.guest import Guest
from rig.guest.holding import hold, how_to_look, may_be_held
from rig.image.status import StoredImage
from rig.probe.protocol import Hello
from rig.result import GuestFacts, GuestRecord
from rig.run.making import GuestMaker, HeldGuest, Outfit
from rig.run.pool import Pool
from rig.run.settings import RunSettings
from rig.spec import Isolation

BOOT_TRIES = 2
"""Boots in a row that may fail before the worker gives up: one bad boot is chance, two are the image."""

_OVER = "the run is over"

MOST_HELD = 2
"""Guests of a worker that are held: each keeps its memory, and the first ones tell most."""
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
        outfit: Callable[[], Outfit] = Outfit,
    ) -> None:
        self.stored = stored
        self.settings = settings
        self.events = events or Events()
        self.record: GuestRecord | None = None
        self._maker = GuestMaker(stored, settings, logs, worker, self.events, outfit)
        self._pool: Pool[HeldGuest] = Pool(self._maker, self._maker.may_prepare)
        self._on_guest = on_guest
        self._held: HeldGuest | None = None
        self._user = ""
        self._id = self._maker.last_id
        self._release = ""
        self._failures = 0
        self._holds = 0
        self.ever_ready = False
        """Whether any guest of this worker became ready."""
        self.gave_up: RigError | None = None
        """Why no further boot is tried."""

    @property
    def id(self) -> str:
        """The present guest's name in the record: the worker, and which of its guests in order."""
        return self._id

    @property
    def brought(self) -> frozenset[str]:
        """Probes that every guest here has from the start."""
        return self._maker.brought

    @property
    def _guest(self) -> Guest | None:
        return None if self._held is None else self._held.guest

    @property
    def warm(self) -> bool:
        """Whether guests here are restored from a template, in a part of a second."""
        return self.record is not None and self.record.start == "warm"

    @property
    def may_have_another(self) -> bool:
        """Whether the host has room for one more guest beside the present one."""
        return self._maker.may_prepare()

    @property
    def release(self) -> str | None:
        """The kernel's: as a probe was told it in any guest of this image, else as the image's entry has it."""
        return self._release or self.stored.spec.release

    def get(self, user: str = "") -> Guest:
        """A live guest for `user`: a probe's name, or nothing for a test that may do with it what it likes.

        A boot that fails is tried again, up to `BOOT_TRIES` in a row. Raises what `boot_guest` raises; having given
        up, the same again at each call.
        """
        if self._held is None or not self._held.guest.alive:
            self.lose("lost")
            self._held = self._boot_with_patience()
        self._user = user
        return self._held.guest

    def begin(self, probe: str) -> Guest:
        """A live guest for a start of `probe`: by the isolation that was asked for, one that nobody has used.

        Where each gets one, the next is made ready meanwhile. Raises as `get` does.
        """
        isolation = self.settings.isolation
        if isolation is Isolation.CASE or (isolation is Isolation.PROBE and self._user != probe):
            self._retire()
        guest = self.get(probe)
        if isolation is not Isolation.SUITE and guest.template is not None:
            self._pool.prepare()
        return guest

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

    def _boot_with_patience(self) -> HeldGuest:
        while True:
            if self.gave_up is not None:
                raise self.gave_up
            try:
                held = self._pool.take()
            except RigError as fault:
                self._id = self._maker.last_id
                self._failures += 1
                # Only a guest's own failure, or QEMU's sudden end, may be chance; bad input and an absent QEMU stay.
                chance = isinstance(fault, GuestError) or (isinstance(fault, LaunchError) and fault.by_chance)
                if self._failures >= BOOT_TRIES or not chance:
                    self.gave_up = fault
                    raise
            else:
                self._failures = 0
                self.ever_ready = True
                self._id = held.id
                self._tell(held.record)
                return held

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

    def lose(self, why: str, *, hold: bool = True) -> None:
        """End the present guest, if there is one, and say why. Safe to call at any time.

        One that went down is held where that is asked for, unless `hold` is false.
        """
        held, self._held = self._held, None
        if held is None:
            return
        process = held.guest.machine.process
        how = why if process.alive else f"QEMU ended: {process.how_it_ended}"
        if held.guest.lost is not None:
            how = held.guest.lost.message
        if hold and may_be_held(held.guest) and self._holds < MOST_HELD:
            self._hold(held, how)
            return
        self._end(held, how, routine=how == _OVER)

    def _end(self, held: HeldGuest, how: str, *, routine: bool = False) -> None:
        """One that does not end is told of, and left to the guard: the run goes on without it."""
        try:
            held.close()
        except RigError as fault:
            how, routine = f"{how}; it could not be ended: {fault.message}", False
        self._ended(how, routine=routine)

    def _hold(self, held: HeldGuest, how: str) -> None:
        """Keep a guest that went down as it is; where that cannot be, it is ended."""
        try:
            name = hold(held.guest)
        except (RigError, OSError) as fault:
            self._end(held, f"{how}; it could not be held: {fault}")
            return
        held.claim.close()
        self._holds += 1
        if self.record is not None:
            self.record = self.record.model_copy(update={"held": name})
        self.events.emit("guest.held", guest=held.id, name=name, ways=how_to_look(name))
        self._ended(f"{how}; held as {name}")

    def close(self) -> None:
        """The run is over: end the guest, and the one that was made ready ahead. Safe to call twice."""
        self.lose(_OVER)
        self._pool.close()

    def rest(self) -> None:
        """Nobody wants a guest for a while: end the present one and the one that was made ready, soon."""
        self._retire()
        self._pool.empty()

    def _retire(self) -> None:
        """End a guest that has been used, behind the next one's back."""
        held, self._held = self._held, None
        if held is not None:
            self._pool.end(held)
            self._ended("the next one gets a guest of its own", routine=True)

    def _ended(self, how: str, *, routine: bool = False) -> None:
        self.events.emit("guest.ended", guest=self.id, how=how, routine=routine)
        if self.record is not None:
            self._tell(self.record.model_copy(update={"ended": how}))
