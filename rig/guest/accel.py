"""Which accelerator works here: trust none that has not been seen to boot a kernel.

A /dev/kvm can open and create CPUs and still never boot a kernel (seen on a nested host). So `auto` tries the best
candidate on a real boot, impatiently; when that boot fails and the same boot under TCG goes further, the verdict is
kept with the host and the QEMU version, and the next boot does not try again.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from rig.errors import HostError
from rig.paths import cache_dir, ensure
from rig.spec import Accel, Clock, GuestOS

FACTORS = {Accel.KVM: 1.0, Accel.HVF: 1.0, Accel.TCG: 5.0}
"""Scale of every deadline. TCG is 10 to 50 times slower than hardware; deadlines have room of their own beside it."""
FAILURE_HOLDS = 30 * 86_400
"""Seconds after which a failed accelerator is tried again: kernels and nesting change."""


@dataclass(frozen=True)
class Verdict:
    """Whether an accelerator has been seen to boot a kernel here, and how one knows."""

    works: bool
    why: str
    at: float


@dataclass(frozen=True)
class Candidate:
    """An accelerator to boot with, and why. A `trial` is one that is untried on this host so far."""

    accel: Accel
    why: str
    trial: bool = False


def host_name() -> str:
    """What a verdict holds for: processor model and host kernel."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {platform.system()} {platform.release()}"


def present(kvm: Path = Path("/dev/kvm")) -> list[tuple[Accel, str]]:
    """Accelerators this host offers, best first, each with how that was seen. TCG is always the last.

    TCG's words say why there is nothing better.
    """
    if platform.machine() not in {"x86_64", "AMD64"}:
        return [(Accel.TCG, f"this host is {platform.machine()}, the guest is x86_64")]
    if sys.platform == "darwin":
        return [(Accel.HVF, "the host is a Mac"), (Accel.TCG, "emulation works everywhere")]
    if not kvm.exists():
        return [(Accel.TCG, f"this host has no {kvm}")]
    if not os.access(kvm, os.R_OK | os.W_OK):
        return [(Accel.TCG, f"{kvm} may not be opened by this user")]
    return [(Accel.KVM, f"{kvm} can be opened"), (Accel.TCG, "emulation works everywhere")]


class Verdicts:
    """The cache file of verdicts, safe under several processes. One that cannot be written down is found again."""

    def __init__(self, qemu_version: str, path: Path | None = None) -> None:
        self._path = path or cache_dir() / "accelerators.json"
        self._qemu = qemu_version

    def _key(self, accel: Accel, os_: GuestOS) -> str:
        return f"{accel} | QEMU {self._qemu} | {os_} guest | {host_name()}"

    def _read(self) -> dict[str, object]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}

    def get(self, accel: Accel, os_: GuestOS) -> Verdict | None:
        """What is known; None for an accelerator untried, or one whose failure is old."""
        entry = self._read().get(self._key(accel, os_))
        if not isinstance(entry, dict):
            return None
        works, at = entry.get("works"), entry.get("at")
        if not isinstance(works, bool) or not isinstance(at, int | float) or not math.isfinite(at):
            return None
        stale = not works and time.time() - at > FAILURE_HOLDS
        return None if stale else Verdict(works, str(entry.get("why", "")), float(at))

    def put(self, accel: Accel, os_: GuestOS, *, works: bool, why: str) -> None:
        """Keep a verdict."""
        with contextlib.suppress(OSError, HostError):
            ensure(self._path.parent)
            with FileLock(f"{self._path}.lock"):
                data = self._read()
                data[self._key(accel, os_)] = {"works": works, "why": why, "at": time.time()}
                fresh = self._path.with_suffix(".new")
                fresh.write_text(json.dumps(data, indent=1), encoding="utf-8")
                fresh.replace(self._path)


def candidates(wanted: Accel, os_: GuestOS, verdicts: Verdicts, clock: Clock = Clock.WALL) -> list[Candidate]:
    """What to try, in order. The last is never a trial."""
    if wanted is not Accel.AUTO:
        return [Candidate(wanted, "asked for")]
    if clock is Clock.EXACT:
        return [Candidate(Accel.TCG, "the exact clock needs emulation")]
    tries: list[Candidate] = []
    passed_over: list[str] = []
    for accel, seen in present():
        if accel is Accel.TCG:
            tries.append(Candidate(accel, "; ".join(passed_over) or seen))
            continue
        verdict = verdicts.get(accel, os_)
        if verdict is None:
            tries.append(Candidate(accel, seen, trial=True))
        elif verdict.works:
            return [Candidate(accel, f"has booted a {os_} guest on this host")]
        else:
            passed_over.append(f"{accel} was tried and failed: {verdict.why}")
    return tries
