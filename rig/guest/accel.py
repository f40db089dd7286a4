"""Which accelerator works here: trust none that has not been seen to boot a kernel.

A /dev/kvm can open and create CPUs and still never boot a kernel (seen on a nested host). So `auto` tries the best
candidate on a real boot; when that boot fails and the same boot under TCG goes further, the verdict is kept with the
host and the QEMU version, and the next boot does not try again.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from rig.paths import cache_dir, ensure
from rig.spec import Accel, GuestOS

FACTORS = {Accel.KVM: 1.0, Accel.HVF: 1.0, Accel.TCG: 5.0}
"""Scale of every deadline. TCG is 10 to 50 times slower than hardware; deadlines have room of their own beside it."""
_FAILURE_HOLDS = 30 * 86_400
"""Seconds after which a failed accelerator is tried again: kernels and nesting change."""


@dataclass(frozen=True)
class Verdict:
    """Whether an accelerator has been seen to boot a kernel here, and how one knows."""

    works: bool
    why: str
    at: float


def host_name() -> str:
    """What a verdict holds for: processor model and host kernel."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {platform.system()} {platform.release()}"


def present() -> list[tuple[Accel, str]]:
    """Accelerators this host offers, best first, each with how that was seen. TCG is always the last."""
    found: list[tuple[Accel, str]] = []
    kvm = Path("/dev/kvm")
    if platform.machine() in {"x86_64", "AMD64"}:
        if kvm.exists() and os.access(kvm, os.R_OK | os.W_OK):
            found.append((Accel.KVM, "/dev/kvm can be opened"))
        elif sys.platform == "darwin":
            found.append((Accel.HVF, "the host is a Mac"))
    return [*found, (Accel.TCG, "emulation works everywhere")]


class Verdicts:
    """The cache file of verdicts, safe under several processes."""

    def __init__(self, qemu_version: str, path: Path | None = None) -> None:
        self._path = path or cache_dir() / "accelerators.json"
        self._qemu = qemu_version

    def _key(self, accel: Accel, os_: GuestOS) -> str:
        return f"{accel} | QEMU {self._qemu} | {os_} guest | {host_name()}"

    def _read(self) -> dict[str, dict[str, object]]:
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}

    def get(self, accel: Accel, os_: GuestOS) -> Verdict | None:
        """What is known; None for an accelerator untried, or one whose failure is old."""
        entry = self._read().get(self._key(accel, os_))
        if not isinstance(entry, dict) or not isinstance(entry.get("at"), int | float):
            return None
        verdict = Verdict(bool(entry.get("works")), str(entry.get("why", "")), float(str(entry["at"])))
        stale = not verdict.works and time.time() - verdict.at > _FAILURE_HOLDS
        return None if stale else verdict

    def put(self, accel: Accel, os_: GuestOS, *, works: bool, why: str) -> None:
        """Keep a verdict."""
        ensure(self._path.parent)
        with FileLock(f"{self._path}.lock"):
            data = self._read()
            data[self._key(accel, os_)] = {"works": works, "why": why, "at": time.time()}
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(data, indent=1), encoding="utf-8")
            fresh.replace(self._path)


def candidates(wanted: Accel, os_: GuestOS, verdicts: Verdicts) -> list[tuple[Accel, str, bool]]:
    """What to try in order: accelerator, reason in words, and whether it is a trial (untried here so far)."""
    if wanted is not Accel.AUTO:
        return [(wanted, "asked for", False)]
    tries: list[tuple[Accel, str, bool]] = []
    passed_over: list[str] = []
    for accel, seen in present():
        verdict = verdicts.get(accel, os_)
        if accel is Accel.TCG:
            why = "; ".join(passed_over) or "no hardware acceleration on this host"
            tries.append((accel, why, False))
        elif verdict is None:
            tries.append((accel, seen, True))
        elif verdict.works:
            tries.append((accel, f"has booted a {os_} guest on this host", False))
        else:
            passed_over.append(f"{accel} was tried and failed: {verdict.why}")
    return tries
