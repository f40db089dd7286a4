"""A machine: QEMU with its monitor, from paused start to bounded stop."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rig.deadline import Deadline
from rig.errors import LaunchError, RigError
from rig.machine.argv import build_argv
from rig.machine.cpus import describe, sample
from rig.machine.guard import guard
from rig.machine.held import Held
from rig.machine.launch import Launch
from rig.machine.process import Process, qemu_version
from rig.machine.qmp import Monitor, MonitorError

_MONITOR_SECONDS = 30.0
_TRIPLE_FAULT = b"Triple fault"
_ENDINGS = {
    "guest-reset": "reset itself",
    "guest-shutdown": "powered itself off",
    "guest-panic": "told QEMU of its panic",
}
"""QMP's ShutdownCause in words."""


class Machine:
    """A context manager: all that `start` opens is released by `stop`, whatever happened between.

    Should this process die meanwhile, QEMU is ended and `launch.directory` removed. A `detached` machine may outlive
    it (rig up), from its `leave` on.
    """

    def __init__(self, launch: Launch, *, detached: bool = False) -> None:
        self.launch = launch
        self.qemu_version = ""
        self._detached = detached
        self._process: Process | None = None
        self._monitor: Monitor | None = None
        self._stopping = threading.Lock()
        self._powered_off = threading.Event()
        self._reason = ""
        self._disk_error = ""
        self._held = Held(lambda: self._process is not None and self._process.stopped)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(soft_seconds=0)

    def start(self) -> None:
        """Spawn QEMU paused and greet its monitor. Raises `HostError`, `LaunchError`, `InputError`."""
        self.qemu_version = qemu_version(self.launch.binary)
        ours, theirs = socket.socketpair()
        try:
            theirs.set_inheritable(True)
            argv = build_argv(self.launch, qmp_fd=theirs.fileno())
            guard.add(self.launch.directory)
            self._process = Process(argv, self.launch.qemu_log)
            self._process.start([theirs.fileno(), *self.launch.keep_fds])
            theirs.close()
            self._monitor = Monitor(ours, self._note)
            try:
                self._monitor.connect(_MONITOR_SECONDS)
            except MonitorError as fault:
                raise self._process.launch_error(fault.message) from fault
        except BaseException:
            theirs.close()
            self.stop(soft_seconds=0)
            ours.close()
            raise

    @property
    def process(self) -> Process:
        """The QEMU process. Raises `LaunchError` before the start."""
        if self._process is None:
            raise LaunchError("QEMU was not started", command=[], exit_code=None)
        return self._process

    @property
    def monitor(self) -> Monitor:
        """The QMP session. Raises `LaunchError` before the start."""
        if self._monitor is None:
            raise LaunchError("QEMU was not started", command=[], exit_code=None)
        return self._monitor

    @property
    def alive(self) -> bool:
        """Whether QEMU runs (its guest may be dead all the same)."""
        return self._process is not None and self._process.alive

    @property
    def powered_off(self) -> bool:
        """Whether the guest has shut down or reset itself."""
        return self._powered_off.is_set()

    @property
    def ending(self) -> str:
        """How the guest ended, in words that go behind "the guest", by QEMU's own reason; empty while it runs."""
        if not self.powered_off:
            return ""
        if self._reason == "guest-reset" and self._triple_faulted():
            return "was reset by a triple fault"
        if self._reason.startswith("host-"):
            return f"was ended from outside ({self._reason})"
        return _ENDINGS.get(self._reason, "reset or powered itself off")

    def _triple_faulted(self) -> bool:
        with contextlib.suppress(OSError):
            return _TRIPLE_FAULT in self.launch.cpu_log.read_bytes()
        return False

    @property
    def disk_error(self) -> str:
        """Why QEMU holds the guest since one of its disks failed on this host; empty as long as none has."""
        return self._disk_error

    @property
    def held(self) -> bool:
        """Whether somebody has been holding it for some seconds, by a signal to QEMU or at the monitor.

        Looked for only where this is asked again and again, as those do who wait for the guest.
        """
        return self._held.look()

    def status(self, *, seconds: float = 30.0) -> str:
        """QEMU's own word: `running`, `paused`, `suspended`, `io-error`, ... Raises `MonitorError`, `GuestDied`."""
        return str(self.monitor.execute("query-status", seconds=seconds).get("status"))

    def answers(self, seconds: float) -> bool:
        """Whether QEMU answers within the time: one that is stopped, or stuck, does not."""
        try:
            self.status(seconds=seconds)
        except RigError:
            return False
        return True

    def resume(self) -> None:
        """Let the CPUs run: the first instruction is executed now."""
        self.monitor.execute("cont")

    def pause(self, *, seconds: float = _MONITOR_SECONDS) -> None:
        """Hold the CPUs."""
        self.monitor.execute("stop", seconds=seconds)

    def ssh_port(self) -> int:
        """The loopback port that QEMU forwards to the guest's SSH port. Raises `MonitorError` where there is none."""
        text = self.monitor.human("info usernet")
        found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", text)
        if found is None:
            raise MonitorError(f"QEMU forwards no port: {text!r}")
        return int(found[1])

    def screenshot(self, to: Path) -> Path:
        """Write the screen as PNG. Raises `MonitorError`."""
        self.monitor.execute("screendump", {"filename": str(to.absolute()), "format": "png"})
        return to

    def registers(self, *, seconds: float = _MONITOR_SECONDS) -> str:
        """Registers of every CPU, as QEMU's monitor prints them."""
        return self.monitor.human("info registers -a", seconds=seconds).replace("\r\n", "\n")

    def cpu_threads(self, *, seconds: float = _MONITOR_SECONDS) -> list[int]:
        """Numbers of QEMU's threads that run the CPUs; one may run them all. Raises `MonitorError`, `GuestDied`."""
        found = self.monitor.execute("query-cpus-fast", seconds=seconds)
        return sorted({int(cpu["thread-id"]) for cpu in found})

    def cpu_states(self) -> str:
        """What the CPUs are at, in words (see `rig.machine.cpus`); empty where QEMU tells nothing that is understood.

        Raises `MonitorError`, `GuestDied`.
        """
        return describe(sample(self))

    def press(self, *keys: str, hold_ms: int = 60) -> None:
        """Press keys together, by QEMU's names (qcodes), for example `ctrl`, `alt`, `f8`."""
        pressed = [{"type": "qcode", "data": key} for key in keys]
        self.monitor.execute("send-key", {"keys": pressed, "hold-time": hold_ms})

    def stop(self, *, soft_seconds: float = 0.0) -> None:
        """End QEMU: first by its own `quit` (at most `soft_seconds`), then by SIGKILL. Safe to call twice."""
        with self._stopping:
            try:
                if self._process is not None and self._monitor is not None and soft_seconds > 0 and self._listens():
                    until = Deadline.after(soft_seconds)
                    # QEMU may close the monitor before it answers; the process tells.
                    with contextlib.suppress(RigError):
                        self._monitor.execute("quit", seconds=until.remaining)
                    self._process.wait(until.remaining)
                if self._process is not None:
                    self._process.end()
            finally:
                if self._monitor is not None:
                    self._monitor.close()

    def _listens(self) -> bool:
        return self.process.alive and not self.process.stopped

    def leave(self) -> None:
        """Close this side and let a detached QEMU run on; any other still ends with this process."""
        if self._detached:
            self.process.let_go()
            guard.drop(self.launch.directory)
        if self._monitor is not None:
            self._monitor.close()

    def _note(self, name: str, data: dict[str, Any]) -> None:
        # With -no-reboot a guest's reset is a SHUTDOWN, too.
        if name in {"SHUTDOWN", "RESET", "GUEST_PANICKED"}:
            self._reason = self._reason or str(data.get("reason", ""))
            self._powered_off.set()
        self._held.note(name)
        # By default QEMU holds a guest whose write finds no room, and tells it of any other error.
        if name == "BLOCK_IO_ERROR" and data.get("action") == "stop":
            self._disk_error = f"{data.get('operation', 'access')}: {data.get('reason', 'no reason given')}"
