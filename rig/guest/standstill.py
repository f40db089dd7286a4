"""Whether a guest that was left running stands still: its QEMU is asked before anybody waits for the guest's answer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from rig.errors import RigError

if TYPE_CHECKING:  # the registry asks, too
    from rig.guest.registry import RunningGuest
    from rig.machine.qmp import Monitor

_SECONDS = 2.0
_WORDS = {
    "paused": "it was stopped",
    "shutdown": "its machine has powered off or asked for a reset",
    "guest-panicked": "its kernel panicked",
    "internal-error": "its QEMU met an error inside",
    "io-error": "its disk could not be read or written",
}
"""By the run states of QMP's query-status in which nothing goes on by itself."""


def standstill(one: RunningGuest) -> str | None:
    """Why nothing goes on in this guest, in words; None where it runs, or where QEMU does not tell in a moment."""
    process = one.process()
    with contextlib.suppress(psutil.Error):
        if process is not None and process.status() == psutil.STATUS_STOPPED:
            return f"its QEMU, process {one.pid}, is stopped; kill -CONT {one.pid} lets it go on"
    try:
        with one.monitor(_SECONDS) as monitor:
            status = run_state(monitor, seconds=_SECONDS)
    except (RigError, OSError):
        return None  # one client at a time: somebody else may have it for long, as `rig dump` does
    return None if status is None else _WORDS.get(status, f"QEMU says {status}")


def run_state(monitor: Monitor, *, seconds: float = 30.0) -> str | None:
    """The state in which a guest stands still; None for one that runs. Raises what `Monitor.execute` raises."""
    found = monitor.execute("query-status", seconds=seconds)
    return None if found["running"] else str(found["status"])
