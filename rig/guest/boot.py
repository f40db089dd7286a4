"""Following a boot: stages from the image's YAML, each with a deadline, and a name for each way it can go wrong."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass

from rig.console import Console
from rig.console.console import ConsoleAlarmError
from rig.deadline import Deadline
from rig.errors import BootError, GuestDied, RigError, TransportTimeout
from rig.events import Events
from rig.guest.loader import stuck_on_screen
from rig.machine import Machine
from rig.machine.qmp import MonitorTimeout
from rig.machine.screen import Screen
from rig.spec import BootSpec, BootStage

_STEP = 1.0
SSH_STAGE = "ssh"
_PROMPTS = {"login", "shell"}
"""Stages that a prompt announces. The kernel may speak right behind it, so that nobody would know it for one."""
_NUDGE_SECONDS = 3.0
"""Without a byte, before an empty line asks for the prompt once more."""
_NUDGES = 4
"""At most for one stage, and at the latest when so many parts of its time and one more are over."""


@dataclass(frozen=True)
class StageTime:
    """A stage reached: `at` seconds after the first instruction, `took` seconds after the stage before.

    A stage whose own line was missed because a later one was seen first has `seen` False and the later one's time.
    """

    name: str
    at: float
    took: float
    seen: bool = True


class Boot:
    """Waits on the console for one stage after the other.

    `patience` shortens what is allowed without progress, silence or one stage's wait, below what the image says: for
    a boot that is a trial. In seconds, not scaled.
    """

    def __init__(
        self,
        spec: BootSpec,
        machine: Machine,
        console: Console,
        events: Events,
        *,
        factor: float,
        patience: float = math.inf,
    ) -> None:
        self._spec = spec
        self._machine = machine
        self._console = console
        self._events = events
        self._factor = factor
        self._patience = patience
        self._silence = min(spec.silence * factor, patience)
        self._clock = Deadline.after(1e9)
        self.reached: list[StageTime] = []
        self.screen: Screen | None = None
        """For a loader that says on the screen only why it goes no further."""

    def begin(self) -> None:
        """Let the machine run; stage times count from here."""
        self._clock = Deadline.after(1e9)
        self._machine.resume()

    def mark(self, name: str, *, seen: bool = True) -> None:
        """A stage is reached now."""
        at = self._clock.elapsed
        last = self.reached[-1].at if self.reached else 0.0
        stage = StageTime(name, at, at - last, seen)
        self.reached.append(stage)
        self._events.emit("boot.stage", stage=name, seconds=round(at, 3), took=round(stage.took, 3), seen=seen)

    def follow(self, until: Callable[[BootStage], bool] = lambda _: True) -> None:
        """Wait for every console stage that `until` accepts, in order.

        Raises `BootError`, its message naming the stage that was not reached and why, or `GuestDied`.
        """
        waiting = [stage for stage in self._spec.stages if stage.pattern is not None and until(stage)]
        while waiting:
            index = self._await_one(waiting)
            for stage in waiting[:index]:
                self.mark(stage.name, seen=False)
            stage = waiting[index]
            self.mark(stage.name)
            if stage.send is not None:
                self._console.send(stage.send)
            waiting = waiting[index + 1 :]

    def allowance(self, name: str) -> float | None:
        """Seconds, unscaled, that stage `name` may take, those before it included that the console does not announce.

        None for a stage that the image does not have.
        """
        seconds = 0.0
        for stage in self._spec.stages:
            seconds += stage.deadline
            if stage.name == name:
                return seconds
            if stage.pattern is not None:
                seconds = 0.0
        return None

    def _await_one(self, waiting: list[BootStage]) -> int:
        """Index in `waiting` of the first stage seen."""
        target = waiting[0]
        allowed = self.allowance(target.name) or target.deadline
        deadline = Deadline.after(min(allowed * self._factor, self._patience))
        nudges = 0
        stuck = list(self._spec.stuck)
        patterns = [*(stage.pattern or "" for stage in waiting), *stuck]
        while True:
            try:
                index, _ = self._console.expect(patterns, deadline.within(_STEP))
            except TransportTimeout:
                self._check_alive(target.name)
                self._check_silence(target.name)
                self._check_screen(target.name)
                if deadline.expired:
                    raise self.failure(target.name, f"was not reached in {deadline.total:.0f} s") from None
                if target.name in _PROMPTS and self._may_be_swamped(deadline, nudges):
                    nudges += 1
                    with contextlib.suppress(RigError):
                        self._console.send("\n")
            except ConsoleAlarmError as alarm:
                raise self.failure(target.name, f"was not reached: {alarm.message}") from alarm
            except GuestDied as fault:
                raise self.died(target.name) from fault
            else:
                if index < len(waiting):
                    return index
                reason = self._spec.stuck[stuck[index - len(waiting)]]
                raise self.failure(target.name, f"will not be reached: {reason}")

    def _may_be_swamped(self, deadline: Deadline, nudges: int) -> bool:
        """Whether a prompt may be there that was not seen: all is quiet, or a long time has gone by."""
        if nudges == _NUDGES:
            return False
        quiet = self._console.watch.silence > _NUDGE_SECONDS * self._factor * (nudges + 1)
        return quiet or deadline.elapsed > deadline.total * (nudges + 1) / (_NUDGES + 1)

    def _check_alive(self, stage: str) -> None:
        if not self._machine.alive:
            raise self.died(stage)
        if self._machine.powered_off:
            raise self.failure(stage, f"was not reached: the guest {self._machine.ending}{what_cpus_do(self._machine)}")
        if self._machine.disk_error:
            why = self._machine.disk_error
            raise self.failure(stage, f"was not reached: QEMU holds the guest, its disk failed on this host ({why})")

    def _check_silence(self, stage: str) -> None:
        if self._console.watch.silence > self._silence:
            raise self.failure(
                stage, f"was not reached: no byte on the console for {self._silence:.0f} s{self._meanwhile()}"
            )

    def _meanwhile(self) -> str:
        """What goes on in a guest that says nothing."""
        if self._machine.process.stopped:
            return ", and QEMU's process is stopped"
        return what_cpus_do(self._machine)

    def _check_screen(self, stage: str) -> None:
        """What stands there concerns the loader alone: not looked at once the kernel speaks."""
        if self.screen is None or any(one.name == stage for one in self._spec.stages[1:]):
            return
        reason = stuck_on_screen(self.screen.look(), self._spec.stuck)
        if reason:
            raise self.failure(stage, f"will not be reached: {reason} (on the screen)")

    def failure(self, stage: str, why: str) -> BootError:
        """The error for a boot that does not get to `stage`."""
        last = self.reached[-1].name if self.reached else "power on"
        return BootError(f"boot stage {stage!r} {why} (last stage reached: {last}, {self._clock.elapsed:.1f} s in all)")

    def died(self, stage: str) -> GuestDied:
        """The error for a QEMU that ended meanwhile."""
        self._machine.process.wait(2)
        return GuestDied(f"QEMU ended ({self._machine.process.how_it_ended}) before boot stage {stage!r}")


def what_cpus_do(machine: Machine) -> str:
    """What a guest's CPUs are at, or were last, as the end of a sentence; nothing where QEMU cannot tell."""
    try:
        states = machine.cpu_states()
    except MonitorTimeout:
        return "; QEMU's monitor does not answer either"
    except RigError:
        return ""
    return f"; {states}" if states else ""
