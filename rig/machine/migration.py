"""A machine's state to a file and back, its RAM left out: that lies in a file already (`Launch.memory_file`).

QEMU calls it migration to a file with the capability x-ignore-shared (docs/devel/migration.rst; in QEMU since 4.0).
"""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Any

from rig.deadline import Deadline
from rig.errors import GuestDied, RigError
from rig.image import space
from rig.machine.machine import Machine
from rig.machine.qmp import MonitorError, MonitorTimeout

_STEP = 0.002
_ANSWER_SECONDS = 30.0
_FULL = ("No space left on device", "Disk quota exceeded")
"""What `cat` says where it cannot write, by strerror(3)."""
_OF_THE_MACHINE = re.compile(r"migrat", re.IGNORECASE)
"""In QEMU's words where a device or a disk's format is the reason ("State blocked by non-migratable device", "does not
support live migration"). What the host lacks at that moment has other words: descriptors, memory, processes."""
_NO_LIMIT = 1 << 50
"""Bytes a second: QEMU's own limit spares networks."""


class StateError(RigError):
    """A machine's state could not be saved, or not be loaded: QEMU refuses."""


class UnsavableError(StateError):
    """A part of the machine cannot be saved at all: QEMU will refuse again."""


class StateTimeout(StateError):
    """QEMU did not do it in time: nothing is said of the machine or its state."""


def save_state(machine: Machine, to: Path, seconds: float = 120.0) -> None:
    """Hold the machine and write its device state to `to`; it cannot run on afterwards.

    `machine` must have been started with a shared memory file. Raises `UnsavableError` with QEMU's reason (a device
    that cannot be saved), `StateError` (another reason), `StateTimeout`, `HostError` (disk full), `GuestDied`.
    """
    until = Deadline.after(seconds)

    def ask(command: str, **arguments: object) -> Any:
        return machine.monitor.execute(command, arguments or None, seconds=_patience(until))

    try:
        ask("stop")
        _leave_shared_memory_out(machine, until)
        ask("migrate-set-parameters", **{"max-bandwidth": _NO_LIMIT})
        ask("migrate", uri=f"exec:cat > {shlex.quote(str(to.absolute()))}")
        while (found := ask("query-migrate")).get("status") != "completed":
            if found.get("status") in {"failed", "cancelled"}:
                raise _failed_save(machine, to, str(found.get("error-desc", "it gave no reason")))
            if until.expired:
                raise StateTimeout(f"QEMU did not save the machine's state within {seconds:.0f} s")
            time.sleep(_STEP)
    except MonitorTimeout as fault:
        raise StateTimeout(f"QEMU did not save the machine: {fault.message}") from fault
    except MonitorError as fault:
        raise _refused(fault.message) from fault


def _refused(said: str) -> StateError:
    # The command's own name stands in front of QEMU's words.
    kind = UnsavableError if _OF_THE_MACHINE.search(said.removeprefix("QEMU refused migrate")) else StateError
    return kind(f"QEMU could not save the machine: {said}")


def _failed_save(machine: Machine, to: Path, said: str) -> RigError:
    """QEMU knows only that its pipe broke; what has been reading from it says why on the same standard error."""
    output = machine.process.output
    if any(words in output for words in _FULL):
        return space.full(to.parent, "save a machine's state")
    return _refused(said)


def load_state(machine: Machine, source: Path, seconds: float = 60.0) -> None:
    """Load what `save_state` wrote into a machine started with `incoming`; it is held, ready for `resume`.

    Raises `StateError` with QEMU's words, `StateTimeout`, and `GuestDied` where a signal has ended QEMU.
    """
    until = Deadline.after(seconds)
    try:
        _leave_shared_memory_out(machine, until)
        uri = f"exec:cat {shlex.quote(str(source.absolute()))}"
        machine.monitor.execute("migrate-incoming", {"uri": uri}, seconds=_patience(until))
        while machine.status(seconds=_patience(until)) == "inmigrate":
            if until.expired:
                raise StateTimeout(f"QEMU did not load the machine's state within {seconds:.0f} s")
            time.sleep(_STEP)
    except MonitorTimeout as fault:
        raise StateTimeout(f"QEMU did not load the machine's state: {fault.message}") from fault
    except (MonitorError, GuestDied) as fault:
        # QEMU ends itself on a state that it cannot read.
        machine.process.wait(1.0)
        if (machine.process.exit_code or 0) < 0:
            how = machine.process.how_it_ended
            raise GuestDied(f"QEMU ended ({how}) while it loaded the machine's state") from fault
        said = machine.process.output.strip()
        raise StateError(f"QEMU could not load the machine's state: {said or fault.message}") from fault


def _leave_shared_memory_out(machine: Machine, until: Deadline) -> None:
    capability = {"capability": "x-ignore-shared", "state": True}
    arguments = {"capabilities": [capability]}
    machine.monitor.execute("migrate-set-capabilities", arguments, seconds=_patience(until))


def _patience(until: Deadline) -> float:
    """For one answer of QEMU's."""
    return max(_STEP, until.slice(_ANSWER_SECONDS))
