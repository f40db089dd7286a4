"""The guest: an image booted on a machine, with its console watched and a transport into it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from rig.console import Console, ConsoleShell
from rig.deadline import Deadline
from rig.errors import (
    Evidence,
    GuestDied,
    HangError,
    PanicError,
    RigError,
    TransportError,
)
from rig.events import Events
from rig.guest.boot import StageTime
from rig.guest.options import GuestOptions
from rig.guest.transport import OnOutput, RunResult, Transport
from rig.image.status import StoredImage
from rig.machine import Machine
from rig.spec import Accel, GuestOS

_SSH_SECONDS = 30.0
_TRIAL_SILENCE = 10.0
_PING_SECONDS = 5.0
PANIC_GRACE = 2.0
_LOGIN_SECONDS = 10.0


@dataclass
class Guest:
    """A running guest. Made by `boot_guest`; a context manager that ends it."""

    stored: StoredImage
    options: GuestOptions
    machine: Machine
    console: Console
    accel: Accel
    accel_reason: str
    factor: float
    events: Events
    stages: list[StageTime] = field(default_factory=list)
    transport: Transport | None = None
    key: Path | None = None
    _resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def os(self) -> GuestOS:
        """The guest's operating system."""
        return self.stored.spec.os

    @property
    def alive(self) -> bool:
        """Whether QEMU runs, the guest has not switched itself off and its kernel has not panicked."""
        return self.machine.alive and not self.machine.powered_off and not self.console.watch.panicked

    def deadline(self, seconds: float) -> Deadline:
        """A deadline in this guest's time: `seconds` on hardware acceleration, scaled by its factor."""
        return Deadline.after(seconds, self.factor)

    def _way_in(self) -> Transport:
        if self.transport is None:
            raise TransportError(
                f"{self.stored.spec.name} has no transport for commands, only a console",
                hint="rig console shows it.",
            )
        return self.transport

    def run(
        self, command: str, *, seconds: float = 60.0, on_output: OnOutput | None = None, idle: float | None = None
    ) -> RunResult:
        """Run `command` by the guest's sh; `seconds`, in all and `idle` without output, are scaled by its factor.

        Raises `TransportTimeout` when the guest is well and the command slow, else `PanicError`, `GuestDied` or
        `HangError` with evidence.
        """
        try:
            scaled = None if idle is None else idle * self.factor
            return self._way_in().run(
                command, self.deadline(seconds), on_output=on_output, idle=scaled, lost=lambda: not self.alive
            )
        except TransportError as fault:
            raise self.diagnose(fault) from fault

    def push(self, source: Path, destination: str, *, seconds: float = 120.0) -> None:
        """Put a file or a directory's content into the guest."""
        try:
            self._way_in().push(source, destination, self.deadline(seconds))
        except TransportError as fault:
            raise self.diagnose(fault) from fault

    def pull(self, source: str, destination: Path, *, seconds: float = 120.0) -> None:
        """Fetch a file or a directory's content from the guest."""
        try:
            self._way_in().pull(source, destination, self.deadline(seconds))
        except TransportError as fault:
            raise self.diagnose(fault) from fault

    def shell(self) -> ConsoleShell:
        """A root shell on the serial console."""
        spec = self.stored.spec
        return ConsoleShell(self.console, spec.console, spec.login, self.factor)

    def screenshot(self, to: Path) -> Path:
        """Write the guest's screen as PNG."""
        return self.machine.screenshot(to)

    def diagnose(self, fault: TransportError) -> RigError:
        """What a transport's failure means: the guest panicked, ended, hangs, or is well (then `fault` itself)."""
        report = self.console.watch.panic(wait=PANIC_GRACE)
        if report is not None:
            who = f" in process {report.process}" if report.process else ""
            return PanicError(f"the guest's kernel panicked{who}: {report.title}", evidence=self.evidence(report.text))
        if not self.machine.alive:
            return GuestDied(f"QEMU ended: {self.machine.process.how_it_ended}", evidence=self.evidence())
        if self.machine.powered_off:
            return GuestDied("the guest reset or powered itself off", evidence=self.evidence())
        if self._way_in().ping(self.deadline(_PING_SECONDS)):
            return fault
        return self.diagnose_silence(fault)

    def diagnose_silence(self, fault: TransportError) -> RigError:
        """For a guest that did not answer a ping: a panic that came meanwhile, or a hang."""
        if self.console.watch.panicked or not self.machine.alive or self.machine.powered_off:
            return self.diagnose(fault)
        return HangError(f"the guest no longer answers ({fault.message})", evidence=self.evidence())

    def evidence(self, reason: str = "", stage: str = "") -> Evidence:
        """What can be known of the guest now; never raises. Files go into its logs directory."""
        screenshot: Path | None = None
        registers = ""
        if self.machine.alive:
            with contextlib.suppress(RigError):
                screenshot = self.machine.screenshot(self.options.logs / "screenshot.png")
            with contextlib.suppress(RigError, OSError):
                registers = self.machine.registers()
                (self.options.logs / "registers.txt").write_text(registers, encoding="utf-8")
        return Evidence(
            console=self.console.tail(40),
            reason=reason,
            stage=stage,
            screenshot=screenshot,
            registers=registers,
            qemu_output=self.machine.process.output,
            command=tuple(self.machine.process.argv),
        )

    def own(self, resources: contextlib.ExitStack) -> None:
        """Take over what `close` has to release."""
        self._resources = resources

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the guest and remove its overlay; its logs stay. Safe to call twice."""
        self._resources.close()

    def leave(self) -> None:
        """Let a detached guest run on: this side only lets go of it."""
        if self.transport is not None:
            self.transport.close()
        self.console.close()
        self.machine.leave()
        self._resources.pop_all()
