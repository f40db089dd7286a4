"""A machine's state to a file and back, its RAM left out: that lies in a file already (`Launch.memory_file`).

QEMU calls it migration to a file with the capability x-ignore-shared (docs/devel/migration.rst; in QEMU since 4.0).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from pathlib import Path

from rig.deadline import Deadline
from rig.errors import GuestDied, RigError
from rig.machine.machine import Machine
from rig.machine.qmp import MonitorError

_STEP = 0.002
_CHUNK = 1 << 22
_NO_LIMIT = 1 << 50
"""Bytes a second: QEMU's own limit spares networks."""


class StateError(RigError):
    """A machine's state could not be saved, or not be loaded."""


def save_state(machine: Machine, to: Path, seconds: float = 120.0) -> None:
    """Hold the machine and write its device state to `to`; it cannot run on afterwards.

    `machine` must have been started with a shared memory file. Raises `StateError` with QEMU's reason (a device that
    cannot be saved, a full disk), `GuestDied`.
    """
    monitor = machine.monitor
    until = Deadline.after(seconds)
    try:
        machine.pause()
        _leave_shared_memory_out(machine)
        monitor.execute("migrate-set-parameters", {"max-bandwidth": _NO_LIMIT})
        monitor.execute("migrate", {"uri": f"exec:cat > {shlex.quote(str(to.absolute()))}"})
        while (found := monitor.execute("query-migrate")).get("status") != "completed":
            if found.get("status") in {"failed", "cancelled"}:
                raise StateError(f"QEMU could not save the machine: {found.get('error-desc', 'it gave no reason')}")
            if until.expired:
                raise StateError(f"QEMU did not save the machine's state within {seconds:.0f} s")
            time.sleep(_STEP)
    except MonitorError as fault:
        raise StateError(f"QEMU could not save the machine: {fault.message}") from fault


def load_state(machine: Machine, source: Path, seconds: float = 60.0) -> None:
    """Load what `save_state` wrote into a machine started with `incoming`; it is held, ready for `resume`.

    Raises `StateError` with QEMU's words.
    """
    monitor = machine.monitor
    until = Deadline.after(seconds)
    try:
        _leave_shared_memory_out(machine)
        monitor.execute("migrate-incoming", {"uri": f"exec:cat {shlex.quote(str(source.absolute()))}"})
        while monitor.execute("query-status").get("status") == "inmigrate":
            if until.expired:
                raise StateError(f"QEMU did not load the machine's state within {seconds:.0f} s")
            time.sleep(_STEP)
    except (MonitorError, GuestDied) as fault:
        # QEMU ends itself on a state that it cannot read.
        machine.process.wait(1.0)
        said = machine.process.output.strip()
        raise StateError(f"QEMU could not load the machine's state: {said or fault.message}") from fault


def _leave_shared_memory_out(machine: Machine) -> None:
    capability = {"capability": "x-ignore-shared", "state": True}
    machine.monitor.execute("migrate-set-capabilities", {"capabilities": [capability]})


def copy_sparse(source: Path, to: Path) -> Path:
    """Copy a file, its holes left holes; returns `to`. Raises OSError; a part is removed then."""
    try:
        with source.open("rb", buffering=0) as old, to.open("wb") as new:
            size = os.fstat(old.fileno()).st_size
            for start, end in extents(old.fileno(), size):
                old.seek(start)
                new.seek(start)
                for at in range(start, end, _CHUNK):
                    new.write(old.read(min(_CHUNK, end - at)))
            os.ftruncate(new.fileno(), size)
    except BaseException:
        with contextlib.suppress(OSError):
            to.unlink()
        raise
    return to


def extents(fd: int, size: int) -> list[tuple[int, int]]:
    """Where a file has data: (start, end) in bytes, in order."""
    found: list[tuple[int, int]] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(fd, end, os.SEEK_DATA)
        except OSError:
            break  # ENXIO: only a hole is left
        end = os.lseek(fd, start, os.SEEK_HOLE)
        found.append((start, end))
    return found
