"""The guest: an image booted on a machine, with its console watched and a transport into it."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from rig.console import Console, ConsoleShell
from rig.deadline import Deadline
from rig.errors import (
    Evidence,
    GuestDied,
    GuestError,
    HangError,
    PanicError,
    RigError,
    TransportError,
)
from rig.events import Events
from rig.guest.boot import StageTime, what_cpus_do
from rig.guest.keeping import SYNC, SYNC_SECONDS
from rig.guest.options import GuestOptions
from rig.guest.patience import Idle, as_idle
from rig.guest.serial import SerialTransport
from rig.guest.transport import OnOutput, RunResult, Transport
from rig.guest.vigil import Vigil
from rig.image.status import StoredImage
from rig.machine import Machine
from rig.spec import Accel, GuestOS

PANIC_GRACE = 2.0
"""Seconds granted to a panic to print its last line."""
_PING_SECONDS = 5.0
_CONSOLE_SECONDS = 20.0
_MONITOR_SECONDS = 5.0
_END_GRACE = 0.5
"""A QEMU that dies closes its sockets a moment before it can be seen to have ended."""


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
    template: str | None = None
    """Key of the warm template it was restored from; None for one that was booted."""
    clock_is_stale: bool = False
    """Its date is still that of its template's save; the first command sets it."""
    lost: GuestError | None = None
    """Why this guest is of no use any more, once that is known."""
    _resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _pictures: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def os(self) -> GuestOS:
        """The guest's operating system."""
        return self.stored.spec.os

    @property
    def alive(self) -> bool:
        """Whether QEMU runs and lets it, and it neither switched itself off, nor panicked, nor was found to hang."""
        return (
            self.lost is None
            and self.machine.alive
            and not self.machine.powered_off
            and not self.machine.disk_error
            and not self.console.watch.panicked
        )

    def qemu_ended(self) -> bool:
        """Whether QEMU has ended, or does so now."""
        return self.machine.process.wait(_END_GRACE)

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
        self,
        command: str,
        *,
        seconds: float = 60.0,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
        idle: float | Idle | None = None,
    ) -> RunResult:
        """Run `command` by the guest's sh; `seconds` in all, and what `idle` grants without output, are scaled.

        Raises `TransportTimeout` when the guest is well and the command slow, else `PanicError`, `GuestDied` or
        `HangError` with evidence.
        """
        with self._told_apart() as way_in:
            granted = as_idle(idle)
            scaled = None if granted is None else self._patience(granted)
            return way_in.run(
                command,
                self.deadline(seconds),
                before=self._clock_line(),
                stdin=stdin,
                on_output=on_output,
                idle=scaled,
                lost=self._is_lost,
            )

    def _patience(self, granted: Idle) -> Idle:
        """In this guest's time, and as its looks from outside advise."""
        return lambda quiet: self._vigil.hurried(granted(quiet).scaled(self.factor), quiet)

    def set_clock(self) -> None:
        """Give a restored guest the right date now, where it has a way to be told; else its first command does.

        Raises as `run` does, and `TransportError` when the console's shell does not answer.
        """
        if self.clock_is_stale and self.transport is not None:
            self.run(":")
        elif self.clock_is_stale and self.stored.spec.login.kind != "none":
            self.clock_is_stale = False
            shell, deadline = self.shell(), self.deadline(_CONSOLE_SECONDS)
            shell.log_in(deadline)
            for form in _dates():
                if shell.run(f"date -u {form}", deadline).status == 0:
                    break

    def _clock_line(self) -> str:
        """What goes before the first command in a restored guest: a line that sets its date."""
        if not self.clock_is_stale:
            return ""
        self.clock_is_stale = False
        return "{ " + " || ".join(f"date -u {form}" for form in _dates()) + "; } >/dev/null 2>&1\n"

    def push(self, source: Path, destination: str, *, seconds: float = 120.0) -> None:
        """Put a file or a directory's content into the guest. Raises as `run` does."""
        with self._told_apart() as way_in:
            way_in.push(source, destination, self.deadline(seconds), lost=self._is_lost)

    def pull(self, source: str, destination: Path, *, seconds: float = 120.0) -> None:
        """Fetch a file or a directory's content from the guest. Raises as `run` does."""
        with self._told_apart() as way_in:
            way_in.pull(source, destination, self.deadline(seconds), lost=self._is_lost)

    def _is_lost(self) -> bool:
        return not self.alive or bool(self._vigil.still())

    @cached_property
    def _vigil(self) -> Vigil:
        return Vigil(self.machine, self.console, self.factor, self.accel is Accel.TCG)

    @contextlib.contextmanager
    def _told_apart(self) -> Iterator[Transport]:
        """The way in; what fails on it is told as what it means."""
        way_in = self._way_in()
        try:
            yield way_in
        except TransportError as fault:
            worse = self.diagnose(fault)
            if worse is fault:
                raise
            raise worse from fault

    def shell(self) -> ConsoleShell:
        """A root shell on the serial console; commands that use the console meanwhile take it back."""
        if isinstance(self.transport, SerialTransport):
            self.transport.leave_console()
        spec = self.stored.spec
        return ConsoleShell(self.console, spec.console, spec.login, self.factor)

    def screenshot(self, to: Path) -> Path:
        """Write the guest's screen as PNG."""
        return self.machine.screenshot(to)

    def diagnose(self, fault: TransportError) -> RigError:
        """What a transport's failure means: the guest panicked, ended, hangs, or is well (then `fault` itself)."""
        found = self.death()
        if found is not None:
            return found
        asked = self._ask_console()
        useless = self._vigil.questioning()
        answers = self._way_in().ping(self.deadline(_PING_SECONDS), lost=lambda: self._is_lost() or useless())
        found = self.death()
        if found is not None:
            return found
        if answers:
            return fault
        why = self._silence(asked)
        message = f"the guest no longer answers ({fault.message}){why}"
        self.lost = self._death() or HangError(message, evidence=self.evidence())
        return self.lost

    def _silence(self, console_asked: bool) -> str:
        """What stands between the rig and a guest that does not answer, as far as can be told, in words."""
        try:
            status = self.machine.status(seconds=_MONITOR_SECONDS)
        except RigError:
            held = ": its process is stopped" if self.machine.process.stopped else ""
            return f"; nor does QEMU{held}"
        if status != "running":
            return f"; QEMU's state: {status}"
        if console_asked and self._console_answered():
            return "; its console still answers, so its network or its SSH server is at fault"
        return what_cpus_do(self.machine)

    def _ask_console(self) -> bool:
        """Type an empty line, which a guest that lives answers while it is asked by its transport, too.

        False where nobody sits at the console, or the transport does.
        """
        if self.stored.spec.login.kind == "none" or isinstance(self.transport, SerialTransport):
            return False
        with contextlib.suppress(RigError):
            self.console.forget()
            self.console.send("\n")
        return True

    def _console_answered(self) -> bool:
        """Whether a prompt came meanwhile. A kernel whose processes do not run may print a warning, too."""
        spec = self.stored.spec.console
        try:
            self.console.expect([spec.login_prompt, spec.shell_prompt, "[Pp]assword:"], Deadline.after(0))
        except RigError:
            return False
        return True

    def death(self) -> GuestError | None:
        """Why this guest is dead, with evidence; None for one that, as far as can be seen from outside, lives."""
        if self.lost is None:
            self.lost = self._death()
        return self.lost

    def _death(self) -> GuestError | None:
        report = self.console.watch.panic(wait=PANIC_GRACE)
        if report is not None:
            who = f" in process {report.process}" if report.process else ""
            evidence = replace(self.evidence(report.text), panic=report.facts)
            return PanicError(f"the guest's kernel panicked{who}: {report.title}", evidence=evidence)
        if self.qemu_ended():
            return GuestDied(f"QEMU ended: {self.machine.process.how_it_ended}", evidence=self.evidence())
        if self.machine.powered_off:
            how = f"the guest {self.machine.ending}{what_cpus_do(self.machine)}"
            return GuestDied(how, evidence=self.evidence())
        if self.machine.disk_error:
            return disk_failed(self.machine.disk_error, self.evidence())
        still = self._vigil.still()
        if still:
            return HangError(f"the guest stands still; {still}", evidence=self.evidence())
        return None

    def evidence(self, reason: str = "", stage: str = "") -> Evidence:
        """What can be known of the guest now; never raises. Files go into its logs directory."""
        screenshot: Path | None = None
        registers = ""
        # Each question to a QEMU that is stopped would cost its whole time-out.
        if self.machine.alive and not self.machine.process.stopped and self.machine.answers(_MONITOR_SECONDS):
            with contextlib.suppress(RigError):
                # Numbered: an earlier one may be waiting to be copied into a run's record.
                picture = self.options.logs / f"screenshot-{next(self._pictures)}.png"
                screenshot = self.machine.screenshot(picture)
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
        """End the guest and remove its overlay, unless that is to be kept; its logs stay. Safe to call twice."""
        if self.options.keep and self.alive:
            self.sync()
        self._resources.close()

    def sync(self) -> None:
        """Let it write to its disk what it holds in memory, as far as it can be told to; never raises."""
        with contextlib.suppress(RigError):
            if self.transport is not None:
                self.transport.run(SYNC, self.deadline(SYNC_SECONDS), lost=self._is_lost)
            elif self.stored.spec.login.kind != "none":
                shell, deadline = self.shell(), self.deadline(SYNC_SECONDS)
                shell.log_in(deadline)
                shell.run(SYNC, deadline)

    def let_go_of_transport(self) -> None:
        """Close the way in, where there is one."""
        if self.transport is not None:
            self.transport.close()

    def leave(self) -> None:
        """Let a detached guest run on: this side only lets go of it."""
        self.let_go_of_transport()
        self.console.close()
        self.machine.leave()
        self._resources.pop_all()


def disk_failed(why: str, evidence: Evidence) -> GuestError:
    """The error for a guest that QEMU holds because this host's disk failed: not the guest's fault, and no hang."""
    return GuestError(
        f"QEMU holds the guest, its disk failed on this host ({why})",
        evidence=evidence,
        hint="Free space where RIG_SCRATCH (else the temporary directory) lies, or let it name a larger disk.",
    )


def _dates() -> tuple[str, str]:
    """Now, as BusyBox and toybox take it, and as BSD and GNU do. Only root may set it; others keep the old date."""
    now = int(time.time())
    return f"@{now}", time.strftime("%m%d%H%M%Y.%S", time.gmtime(now))
