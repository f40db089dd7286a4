"""A machine without QEMU: its console is a socket pair, what its guest says a script."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.console import Console, Watch
from rig.deadline import Deadline
from rig.errors import LaunchError, RigError, TransportError
from rig.guest.patience import Idle
from rig.guest.transport import Lost, RunResult
from rig.machine import Launch
from rig.machine.qmp import MonitorTimeout
from rig.spec import ImageSpec

LINES = {
    "firmware": b"SeaBIOS (version 1)\r\n",
    "kernel": b"Linux version 6\r\n",
    "login": b"\r\nguest login: ",
}
BOOT = tuple(LINES.values())
PANIC = (
    b"\r\n[    1.0] Kernel panic - not syncing: test\r\n[    1.1] ---[ end Kernel panic - not syncing: test ]---\r\n"
)


def make_spec(**changes: Any) -> ImageSpec:
    """An image with three stages on the console, and SSH."""
    stages = [
        {"name": "firmware", "pattern": "SeaBIOS", "deadline": 20},
        {"name": "kernel", "pattern": r"Linux version \d", "deadline": 20},
        {"name": "login", "pattern": "login: ?$", "deadline": 20},
        {"name": "ssh", "deadline": 20},
    ]
    plain: dict[str, Any] = {
        "name": "fake",
        "summary": "no guest at all",
        "os": "linux",
        "source": {"kind": "import"},
        "boot": {"stages": stages, "silence": 60, "stuck": {"no root file system": "the kernel found no disk"}},
    }
    boot = plain["boot"] | changes.pop("boot", {})
    return ImageSpec.model_validate(plain | {"boot": boot} | changes)


@dataclass
class FakeProcess:
    """QEMU's process."""

    argv: list[str] = field(default_factory=lambda: ["qemu-system-x86_64"])
    output: str = ""
    pid: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    how_it_ended: str = "killed by SIGKILL"
    stopped: bool = False

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    def wait(self, seconds: float) -> bool:
        return self.ended.wait(seconds)

    def launch_error(self, why: str) -> LaunchError:
        return LaunchError(why, command=self.argv, exit_code=1)


Step = bytes | Callable[["FakeMachine"], object]


class FakeMachine:
    """Says `script` once it is resumed: bytes go to the console, a callable does something to the machine."""

    def __init__(self, launch: Launch | None = None, script: Sequence[Step] = BOOT, *, detached: bool = False) -> None:
        self.launch: Any = launch
        self.detached = detached
        self.script = script
        self.process = FakeProcess()
        self.qemu_version = "7.2.0"
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX)
        self.powered = threading.Event()
        self.started = self.stopped = self.left = False
        self.state = "running"
        self.disk_error = ""
        self.held = False
        self.ending = "reset itself"
        self.cpus: str | RigError = "the CPU is busy at 0x7c00"

    @property
    def alive(self) -> bool:
        return self.process.alive

    @property
    def powered_off(self) -> bool:
        return self.powered.is_set()

    def start(self) -> None:
        self.started = True

    def resume(self) -> None:
        for step in self.script:
            if isinstance(step, bytes):
                self.say(step)
            else:
                step(self)

    def say(self, data: bytes) -> None:
        self.theirs.sendall(data)

    def die(self) -> None:
        """QEMU ends."""
        self.process.ended.set()
        with contextlib.suppress(OSError):
            self.theirs.shutdown(socket.SHUT_RDWR)

    def stop(self, *, soft_seconds: float = 0) -> None:
        self.stopped = True
        self.die()

    def leave(self) -> None:
        self.left = True

    def ssh_port(self) -> int:
        return 2222

    def status(self, *, seconds: float = 0) -> str:
        if not self.state:
            raise MonitorTimeout("QEMU did not answer query-status within 5 s")
        return self.state

    def answers(self, seconds: float) -> bool:
        return bool(self.state)

    def screenshot(self, to: Path) -> Path:
        to.write_bytes(b"png")
        return to

    def registers(self, *, seconds: float = 0) -> str:
        return "RIP=0"

    def cpu_threads(self, *, seconds: float = 0) -> list[int]:
        return []

    def cpu_states(self) -> str:
        if isinstance(self.cpus, RigError):
            raise self.cpus
        return self.cpus


def console_of(machine: FakeMachine, spec: ImageSpec) -> Console:
    """A real console, with a real watch, on the machine's socket."""
    watch = Watch(spec.dialect)
    console = Console(machine.ours, watch)
    watch.on_alarm = console.alarm
    return console


@dataclass
class FakeStored:
    """An image of the store."""

    spec: ImageSpec
    disk: Path
    key: Path | None
    digest: str = "0" * 64
    held: int = 0

    @contextlib.contextmanager
    def hold(self, user: str) -> Iterator[Any]:
        self.held += 1
        try:
            with self.disk.open("rb") as file:
                yield file
        finally:
            self.held -= 1


@dataclass
class FakeTransport:
    """Answers as told."""

    name: str = "fake"
    fault: TransportError | None = None
    pings: bool = True
    on_ping: Callable[[], object] = lambda: None
    asked: list[tuple[str, Deadline, float | Idle | None]] = field(default_factory=list)
    befores: list[str] = field(default_factory=list)
    closed: int = 0

    def run(
        self,
        command: str,
        deadline: Deadline,
        *,
        idle: float | Idle | None = None,
        lost: Lost | None = None,
        before: str = "",
        **_: Any,
    ) -> RunResult:
        self.befores.append(before)
        self.asked.append((command, deadline, idle))
        if self.fault is not None:
            raise self.fault
        return RunResult(0, b"out\n", b"", 0.0)

    def push(self, source: Path, destination: str, deadline: Deadline, *, lost: Lost | None = None) -> None:
        self.run(f"push {destination}", deadline, lost=lost)

    def pull(self, source: str, destination: Path, deadline: Deadline, *, lost: Lost | None = None) -> None:
        self.run(f"pull {source}", deadline, lost=lost)

    def ping(self, deadline: Deadline, *, lost: Lost | None = None) -> bool:
        self.on_ping()
        return self.pings

    def connect(self, deadline: Deadline, *, lost: Lost | None = None) -> None:
        self.run("connect", deadline, lost=lost)

    def close(self) -> None:
        self.closed += 1
