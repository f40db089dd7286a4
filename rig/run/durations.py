"""How long each case took last time, so that workers begin with the longest probes and end together.

Kept by image and clock in the state directory; each run brings its own cases up to date. Only the order depends on it,
so what cannot be read or written is passed over.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from rig.errors import HostError
from rig.paths import ensure, state_dir
from rig.probe.manifest import ProbeManifest
from rig.result import CaseResult
from rig.result.files import write_atomic
from rig.spec import Clock


class Durations:
    """Of one image on one clock: milliseconds by case id."""

    def __init__(self, image: str, clock: Clock) -> None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", image).strip(".-")
        self.path: Path = state_dir() / "durations" / f"{name}-{clock}.json"
        self._known: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError):
            read = json.loads(self.path.read_bytes())
            if isinstance(read, dict):
                self._known = {str(case): float(ms) for case, ms in read.items() if isinstance(ms, int | float)}

    def note(self, cases: Iterable[CaseResult]) -> None:
        """Keep what these took."""
        fresh = {case.id: round(case.ms, 1) for case in cases if case.ms is not None}
        if fresh:
            self._known |= fresh
            with contextlib.suppress(HostError, OSError):
                ensure(self.path.parent)
                write_atomic(self.path, json.dumps(self._known, indent=0, sort_keys=True))

    def of(self, probe: str, cases: Iterable[str]) -> float:
        """Milliseconds of these cases of a probe; one that never ran is taken for a usual one."""
        usual = median(self._known.values()) if self._known else 1.0
        return sum(self._known.get(f"{probe}.{case}", usual) for case in cases)

    def longest_first(self, manifests: Sequence[ProbeManifest], nodes: Sequence[str]) -> tuple[str, ...]:
        """pytest node ids (`PATH` or `PATH::CASE`) with those of the longest probe first; else as they stood."""
        wanted: dict[str, list[str]] = {}
        for node in nodes:
            path, _, case = node.partition("::")
            wanted.setdefault(path, []).extend([case] if case else [])
        by_path = {str(one.path): one for one in manifests}
        weight = {
            path: self.of(by_path[path].probe, cases or by_path[path].cases)
            for path, cases in wanted.items()
            if path in by_path
        }
        return tuple(sorted(nodes, key=lambda node: -weight.get(node.partition("::")[0], 0.0)))
