"""Guests that outlive the process that booted them (`rig up`): where they are, whether they still run.

One JSON file a guest under the user's state directory. A guest is the process of that number whose command line names
the guest's own directory, so a number used again by another process is never taken for it, nor stopped. (Start times
would not do: they move when the host's clock is set.)
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock, Timeout
from pydantic import ValidationError

from rig.deadline import Deadline
from rig.errors import HostError, InputError, RigError
from rig.guest.keeping import SYNC, SYNC_SECONDS, keep_disk
from rig.guest.serialway import SerialWay
from rig.guest.standstill import standstill
from rig.machine.qmp import Monitor
from rig.paths import ensure, state_dir
from rig.spec.base import Spec

if TYPE_CHECKING:  # SSH is slow to import, and most questions to the registry need none
    from rig.guest.guest import Guest
    from rig.guest.serial import SerialTransport
    from rig.guest.ssh import SshTransport

_STOP_SECONDS = 5.0
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class RunningGuest(Spec):
    """A guest that `rig up` left running."""

    name: str
    image: str
    pid: int
    started: float
    """When it was booted, seconds since the epoch."""
    directory: Path
    logs: Path
    accel: str
    user: str = "root"
    ssh_port: int | None = None
    key: Path | None = None
    host_key: str | None = None
    """`type base64`, pinned when the guest was booted."""
    sftp: bool | None = None
    tar: bool | None = None
    factor: float = 1.0
    serial: SerialWay | None = None
    """For a guest that is reached by its console."""
    keep: bool = False
    """Whether its disk is kept when it ends."""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self.process() is not None

    def process(self) -> psutil.Process | None:
        """The process, or None when it has ended (or its number is another's now)."""
        try:
            found = psutil.Process(self.pid)
            # rig.machine.argv: -name DIRECTORY; a rig before this one put another `rig-` in front.
            same = not {self.directory.name, f"rig-{self.directory.name}"}.isdisjoint(found.cmdline())
        except psutil.Error:
            return None
        return found if same else None

    @property
    def console_socket(self) -> Path:
        """The serial console: one client at a time."""
        return self.directory / "console.sock"

    def transport(self) -> SshTransport | SerialTransport:
        """The way into it: by SSH with the host key that was pinned, or by its console, which nobody else may hold.

        Raises `InputError` for a guest without either, `TransportError` for a console that cannot be reached.
        """
        if self.serial is not None:
            return self.serial.join(self.console_socket, self.directory, self.factor)
        if self.ssh_port is None or self.key is None:
            raise InputError(f"guest {self.name} has no SSH", hint=f"Use its console: rig console {self.name}")
        import paramiko

        from rig.guest.ssh import SshTransport

        transport = SshTransport(self.ssh_port, self.user, self.key, sftp=self.sftp, tar=self.tar)
        if self.host_key is not None:
            kind, data = self.host_key.split(" ", 1)
            transport.host_key = paramiko.PKey.from_type_string(kind, base64.b64decode(data))
        return transport

    @contextlib.contextmanager
    def monitor(self, seconds: float = 10.0) -> Iterator[Monitor]:
        """A QMP session with it, greeted in so many seconds. Raises `MonitorError`."""
        monitor = Monitor(self.directory / "qmp.sock")
        monitor.connect(seconds)
        try:
            yield monitor
        finally:
            monitor.close()

    def stop(self) -> Path | None:
        """End it: QEMU's own quit first, then SIGKILL to this very process. Its directory goes too.

        The file of its disk, where that is to be kept; the guest is told to write out before. Raises `HostError` for a
        process that does not end, and what `clear` raises.
        """
        process = self.process()
        if process is not None:
            if self.keep and standstill(self) is None:
                self._sync()
            # QEMU may close the monitor before it answers; the process tells.
            with contextlib.suppress(RigError, OSError), self.monitor() as monitor:
                monitor.execute("quit", seconds=_STOP_SECONDS)
            if not self._gone_within(_STOP_SECONDS):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                if not self._gone_within(_STOP_SECONDS):
                    raise HostError(
                        f"guest {self.name}: process {self.pid} does not end", hint=f"Look at it: ps -l {self.pid}"
                    )
        return self.clear()

    def _sync(self) -> None:
        """As far as it can be told to: it may have no way in, or no such command."""
        with contextlib.suppress(RigError):
            transport = self.transport()
            with contextlib.closing(transport):
                deadline = Deadline.after(SYNC_SECONDS, self.factor)
                transport.connect(deadline, lost=lambda: not self.alive)
                transport.run(SYNC, deadline, lost=lambda: not self.alive)

    def _gone_within(self, seconds: float) -> bool:
        """Whether it ends in time. One that nobody reaps (a container without init) has ended, too."""
        deadline = Deadline.after(seconds)
        while self.alive:
            if deadline.expired:
                return False
            time.sleep(0.05)
        return True

    def clear(self) -> Path | None:
        """Remove its private directory (sockets, overlay); the file of its disk, where that is to be kept.

        Raises `ImageError`, `HostError` where it cannot be: then nothing is removed.
        """
        # The path comes from a file; what is not of the rig's making is not removed.
        if not self.directory.name.startswith("rig-") or not self.directory.is_dir():
            return None
        kept = keep_disk(self.directory, self.logs) if self.keep else None
        shutil.rmtree(self.directory, ignore_errors=True)
        return kept


class Registry:
    """The running guests of this user."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = ensure(root or state_dir() / "guests")
        self.damaged: list[Path] = []
        """Files that could not be read when the list was last looked at."""

    def _file(self, name: str) -> Path:
        return self.root / f"{name}.json"

    def all(self) -> list[RunningGuest]:
        """Those that run; what is left of dead ones is cleared away."""
        found: list[RunningGuest] = []
        self.damaged = []
        for path in sorted(self.root.glob("*.json")):
            try:
                one = RunningGuest.model_validate_json(path.read_bytes())
            except FileNotFoundError:
                continue  # another process has cleared it away
            except (ValidationError, OSError):
                self.damaged.append(path)
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

    @contextlib.contextmanager
    def reserve(self, wanted: str | None, image: str) -> Iterator[str]:
        """A name that nobody else takes within the block: `wanted`, else IMAGE, IMAGE-2, ...

        Raises `InputError` when `wanted` is taken or no name for a guest.
        """
        if wanted is not None and not re.fullmatch(_NAME, wanted):
            raise InputError(
                f"a guest cannot be called {wanted!r}", hint="Letters, digits, and . _ - behind the first."
            )
        names = [wanted] if wanted is not None else (f"{image}-{n}" if n > 1 else image for n in itertools.count(1))
        for name in names:
            claim = FileLock(self.root / f".{name}.claim")
            try:
                claim.acquire(timeout=0)
            except Timeout:
                continue
            try:
                taken = {one.name for one in self.all()} | {path.stem for path in self.damaged}
                if name not in taken:
                    yield name
                    return
            finally:
                claim.release()
        raise InputError(f"a guest {wanted!r} runs already", hint=f"rig down {wanted}, or another --name")

    def add(self, name: str, guest: Guest) -> RunningGuest:
        """Write a detached guest down, under a name that is reserved."""
        from rig.guest.serial import SerialTransport
        from rig.guest.ssh import SshTransport

        machine, spec = guest.machine, guest.stored.spec
        transport = guest.transport if isinstance(guest.transport, SshTransport) else None
        host_key = transport.host_key if transport else None
        one = RunningGuest(
            name=name,
            image=spec.name,
            pid=machine.process.pid,
            started=time.time(),
            directory=machine.launch.directory,
            logs=machine.launch.logs,
            accel=str(guest.accel),
            user=spec.ssh.user,
            ssh_port=transport.port if transport else None,
            key=transport.key if transport else None,
            host_key=f"{host_key.get_name()} {host_key.get_base64()}" if host_key else None,
            sftp=spec.has.get("sftp"),
            tar=spec.has.get("tar"),
            factor=guest.factor,
            keep=guest.options.keep,
            serial=SerialWay.of(spec) if isinstance(guest.transport, SerialTransport) else None,
        )
        fresh = self._file(name).with_suffix(f".{time.time_ns()}.new")
        fresh.write_text(one.model_dump_json(indent=1), encoding="utf-8")
        fresh.replace(self._file(name))
        return one

    def forget(self, one: RunningGuest) -> None:
        """Take a guest that has ended off the list."""
        with contextlib.suppress(RigError):  # a disk that cannot be kept as it should stays where it is
            one.clear()
        with contextlib.suppress(OSError, ValidationError):
            # Another guest may have come under its name meanwhile.
            if RunningGuest.model_validate_json(self._file(one.name).read_bytes()).pid == one.pid:
                self._file(one.name).unlink()
