"""A guest that went down is kept as it is, for somebody to look inside: as those of `rig up`, until `rig down`."""

from __future__ import annotations

import contextlib

from rig.errors import HangError, PanicError, RigError
from rig.guest.guest import Guest
from rig.guest.registry import Registry

_PAUSE_SECONDS = 5.0


def may_be_held(guest: Guest) -> bool:
    """Whether there is something to look into: a kernel that panicked or hangs, in a QEMU that runs."""
    return guest.options.detached and isinstance(guest.lost, PanicError | HangError) and guest.machine.process.alive


def hold(guest: Guest, registry: Registry | None = None) -> str:
    """Stop the guest's CPUs, write it down, and let go of it; returns its name. It outlives this process.

    Raises `HostError`, OSError where it cannot be written down; it is this process's then, as before.
    """
    registry = registry or Registry()
    with registry.reserve(None, f"held-{guest.stored.spec.name}") as name:
        with contextlib.suppress(RigError):
            guest.machine.pause(seconds=_PAUSE_SECONDS)
        registry.add(name, guest)
        guest.leave()
    return name


def how_to_look(name: str) -> str:
    """What one can do with a guest that is held."""
    verbs = ("gdb", "dump", "console", "screenshot", "down")
    return "   ".join(f"rig {verb} {name}" for verb in verbs)
