"""Guests that outlive the process that booted them (`rig up`): where they are, whether they still run.

One JSON file a guest under the user's state directory. A guest is the QEMU process of that number *and* start time,
so a number used again by another process is never taken for it, nor stopped.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import psutil
from filelock import FileLock
from pydantic import ValidationError

from rig.errors import InputError
from rig.guest.guest import Guest
from rig.guest.ssh import SshTransport
from rig.machine.qmp import Monitor, MonitorError
from rig.paths import ensure, state_dir
from rig.spec.base import Spec

_STOP_SECONDS = 5.0


class RunningGuest(Spec):
    """A guest that `rig up` left running."""

    name: str
    image: str
    pid: int
    started: float
    """The process's start time, seconds since the epoch, as the system tells it."""
    directory: Path
    logs: Path
    accel: str
    user: str = "root"
    ssh_port: int | None = None
    key: Path | None = None
    host_key: str | None = None
    """`type base64`, pinned when the guest was booted."""
    sftp: bool | None = None
    factor: float = 1.0

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self.process() is not None

    def process(self) -> psutil.Process | None:
        """The process, or None when it has ended (or its number is another's now)."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.started) < 0.02 and found.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return found if same else None

    @property
    def console_socket(self) -> Path:
        """The serial console: one client at a time."""
        return self.directory / "console.sock"

    def transport(self) -> SshTransport:
        """SSH into it, with the host key that was pinned. Raises `InputError` for a guest without SSH."""
        if self.ssh_port is None or self.key is None:
            raise InputError(f"guest {self.name} has no SSH", hint=f"Use its console: rig console {self.name}")
        transport = SshTransport(self.ssh_port, self.user, self.key, sftp=self.sftp)
        if self.host_key is not None:
            kind, data = self.host_key.split(" ", 1)
            transport.host_key = paramiko.PKey.from_type_string(kind, base64.b64decode(data))
        return transport

    @contextlib.contextmanager
    def monitor(self) -> Iterator[Monitor]:
        """A QMP session with it. Raises `MonitorError`."""
        monitor = Monitor(self.directory / "qmp.sock")
        monitor.connect(10)
        try:
            yield monitor
        finally:
            monitor.close()

    def stop(self) -> None:
        """End it: QEMU's own quit first, then SIGKILL to this very process. Its directory goes too."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(MonitorError, OSError), self.monitor() as monitor:
                monitor.execute("quit", seconds=_STOP_SECONDS)
            try:
                process.wait(_STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_STOP_SECONDS)
            except psutil.NoSuchProcess:
                pass
        shutil.rmtree(self.directory, ignore_errors=True)


class Registry:
    """The running guests of this user."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = ensure(root or state_dir() / "guests")

    def _file(self, name: str) -> Path:
        return self.root / f"{name}.json"

    def all(self) -> list[RunningGuest]:
        """Those that run; what is left of dead ones is cleared away."""
        found: list[RunningGuest] = []
        for path in sorted(self.root.glob("*.json")):
            try:
                one = RunningGuest.model_validate_json(path.read_bytes())
            except (ValidationError, OSError):
                continue
            if one.alive:
                found.append(one)
            else:
                self.forget(one)
        return found

    def get(self, name: str | None) -> RunningGuest:
        """By name; without one, the only guest that runs. Raises `InputError`."""
        running = self.all()
        if name is None:
            if len(running) == 1:
                return running[0]
            found = "no guest runs" if not running else f"{len(running)} guests run"
            raise InputError(
                f"{found}: name one" if running else found,
                hint="rig up IMAGE boots one." if not running else ", ".join(one.name for one in running),
            )
        for one in running:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in running) or "none"
        raise InputError(f"no guest {name!r} runs; running: {names}", hint=f"rig up IMAGE --name {name}")

    def free_name(self, wanted: str | None, image: str) -> str:
        """`wanted` when it is free, else IMAGE, IMAGE-2, ... Raises `InputError` when `wanted` is taken."""
        taken = {one.name for one in self.all()}
        if wanted is not None:
            if wanted in taken:
                raise InputError(f"a guest {wanted!r} runs already", hint=f"rig down {wanted}, or another --name")
            return wanted
        names = (image if number == 1 else f"{image}-{number}" for number in range(1, len(taken) + 2))
        return next(name for name in names if name not in taken)

    def add(self, name: str, guest: Guest) -> RunningGuest:
        """Write a detached guest down."""
        machine, spec = guest.machine, guest.stored.spec
        transport = guest.transport if isinstance(guest.transport, SshTransport) else None
        host_key = transport.host_key if transport else None
        one = RunningGuest(
            name=name,
            image=spec.name,
            pid=machine.process.pid,
            started=psutil.Process(machine.process.pid).create_time(),
            directory=machine.launch.directory,
            logs=machine.launch.logs,
            accel=str(guest.accel),
            user=spec.ssh.user,
            ssh_port=transport.port if transport else None,
            key=transport.key if transport else None,
            host_key=f"{host_key.get_name()} {host_key.get_base64()}" if host_key else None,
            sftp=spec.has.get("sftp"),
            factor=guest.factor,
        )
        with self.lock():
            fresh = self._file(name).with_suffix(f".{time.time_ns()}.new")
            fresh.write_text(one.model_dump_json(indent=1), encoding="utf-8")
            fresh.replace(self._file(name))
        return one

    def forget(self, one: RunningGuest) -> None:
        """Take a guest that has ended off the list."""
        shutil.rmtree(one.directory, ignore_errors=True)
        self._file(one.name).unlink(missing_ok=True)

    def lock(self) -> FileLock:
        """Held while the list is changed."""
        return FileLock(self.root / ".lock")
