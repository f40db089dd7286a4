"""`rig test` as a user starts it, timed: a process of its own, its record read afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.bench.frame import Bed
from rig.errors import EXIT_INPUT, HostError, RigError
from rig.paths import ensure
from rig.probe.expect import Expected
from rig.probe.manifest import CaseKind, ProbeManifest, load_manifests
from rig.result import Verdict
from rig.result.place import EVENTS
from rig.result.reading import load
from rig.spec import GuestOS

_END_SECONDS = 60.0
_TAIL = 12


@dataclass(frozen=True)
class SuiteRun:
    """One `rig test`. Seconds: `wall` is the whole command's."""

    wall: float
    to_ready: float
    """From its start until its first guest was ready."""
    to_first: float
    """From its start until the first case's result was in the record."""
    tests: float
    """From the first guest's readiness until the last case's result was in the record."""
    cases: int
    unexpected: tuple[str, ...]
    """Ids of cases that were not as expected."""
    directory: Path

    @property
    def a_case(self) -> float:
        """Wall seconds for each case."""
        return self.wall / self.cases


def portable(manifests: Sequence[ProbeManifest]) -> list[ProbeManifest]:
    """Probes that every guest can be asked: those of no OS alone."""
    return [one for one in manifests if one.only is None]


def functional_cases(manifests: Sequence[ProbeManifest], most: int) -> list[str]:
    """Ids of functional cases that are to pass on every OS: at most so many, taken evenly from all."""
    every = [
        f"{one.probe}.{name}"
        for one in portable(manifests)
        for name, spec in one.cases.items()
        if spec.kind is CaseKind.FUNCTIONAL and all(spec.expectation(os).values == {Expected.PASS} for os in GuestOS)
    ]
    count = min(most, len(every))
    return [every[index * len(every) // count] for index in range(count)]


def chosen_cases(most: int) -> list[str]:
    """The same of the rig's own probes."""
    return functional_cases(load_manifests(), most)


def one_of_each(cases: Sequence[str]) -> list[str]:
    """The first case of each probe: a run of these makes the same template as one of all of them."""
    first: dict[str, str] = {}
    for case in cases:
        first.setdefault(case.partition(".")[0], case)
    return list(first.values())


def run_suite(bed: Bed, label: str, *arguments: str) -> SuiteRun:
    """`rig test ARGUMENTS`. Raises `RigError` where nothing could be run, `KeyboardInterrupt` after having ended it."""
    directory = ensure(bed.directory) / label
    argv = [sys.executable, "-m", "rig.cli.main", "test", "--image", bed.image, "--plain", "--run-dir", str(directory)]
    log = directory.with_suffix(".log")
    begun_at, begun = time.time(), time.perf_counter()
    status = _follow([*argv, *arguments], log)
    wall = time.perf_counter() - begun
    record = None if status >= EXIT_INPUT or status < 0 else load(directory)
    if record is None or not record.cases:
        said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:])
        raise RigError(f"rig test ended with status {status}:\n{said}", hint=f"All it said: {log}")
    unexpected = (*(case.id for case in record.with_verdict(Verdict.UNEXPECTED, Verdict.FLAKY)), *record.missing)
    ready, first, last = _span(directory / EVENTS)
    return SuiteRun(wall, ready - begun_at, first - begun_at, last - ready, len(record.cases), unexpected, directory)


def _follow(argv: list[str], log: Path) -> int:
    """Its exit status. Whatever ends this process early ends it first, in order: it has guests."""
    try:
        with log.open("wb") as file:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
    except OSError as fault:
        raise HostError(f"{log}: {fault.strerror}") from fault
    try:
        return process.wait()
    except BaseException:
        process.terminate()  # as Ctrl-C to it, which it might have been started to ignore
        try:
            process.wait(_END_SECONDS)
        finally:
            process.kill()
            process.wait()
        raise


def _span(path: Path) -> tuple[float, float, float]:
    """When the first guest was ready, the first case ended and the last one did: seconds since the epoch.

    Raises `RigError`.
    """
    ready = [event["at"] for event in _events(path) if event["event"] in {"guest.ready", "record.guest"}]
    ended = [event["at"] for event in _events(path) if event["event"] == "record.case"]
    if not ready or not ended:
        raise RigError(f"{path} tells of no guest, or of no case")
    return ready[0], ended[0], ended[-1]


def _events(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file)
    except (OSError, ValueError) as fault:
        raise RigError(f"{path} cannot be read: {fault}") from fault
