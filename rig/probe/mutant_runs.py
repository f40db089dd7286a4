"""Runs mutants: first a probe as it is, then with each of its mutants until the first case that ends otherwise.

A mutant counts as killed only if the same case, run again at once without it, ends as it did before: a case that fails
by itself kills nothing. Cases that time are left out.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from rig.errors import GuestError, HostError, InputError, ManifestError
from rig.probe.manifest import CaseKind, ProbeManifest
from rig.probe.messages import Check, End, Message, Note, Start
from rig.probe.mutants import Mutant, MutantFile
from rig.probe.protocol import StreamReader
from rig.spec.image import GuestOS

_TRIES = 3
_PATIENCE = 4.0
"""A probe that is not well at first is run again with deadlines longer by this."""
_RUN_SECONDS = 900.0
_RED = {"fail", "crashed", "timeout"}

OnBytes = Callable[[bytes], None]


class Found(StrEnum):
    """How it went with a mutant."""

    KILLED = "killed"
    """A case ended otherwise than without it."""
    SURVIVED = "survived"
    """No case did."""
    UNREACHED = "unreached"
    """None did, and none made the call that it breaks."""
    UNCLEAR = "unclear"
    """The case that did is not steady without it, either."""


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant."""

    mutant: Mutant
    found: Found
    case: str = ""
    """The first case that ended otherwise."""
    how: str = ""
    """Its outcome, and the first check that failed."""
    seconds: float = 0.0


@dataclass
class ProbeReport:
    """What became of a probe's mutants."""

    probe: str
    verdicts: list[Verdict] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Cases that are red here without any mutant, and so cannot judge; with their outcome."""

    @property
    def killed(self) -> int:
        """How many."""
        return sum(verdict.found is Found.KILLED for verdict in self.verdicts)


class Place(Protocol):
    """Where probes are run: this host, or a guest."""

    os: GuestOS
    scale: float
    """Of every deadline."""

    def run(self, probe: str, arguments: Sequence[str], mutant: str, on_output: OnBytes) -> None:
        """Start the probe and hand out its stream till it is over. What `on_output` raises ends the start and is
        passed on. Raises `RigError` when it cannot be run, or the guest is lost."""

    def stop(self) -> None:
        """End what runs, from another thread."""


class Enough(Exception):
    """Raised by a listener that has seen what it wanted."""


class HostPlace:
    """This very machine."""

    os = GuestOS.LINUX

    def __init__(self, executables: Mapping[str, Path], scale: float) -> None:
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise InputError("probes do not run on this host", hint="Give a guest: --image IMAGE or --guest NAME.")
        self.executables = executables
        self.scale = scale
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def stop(self) -> None:
        """End all that runs, and start no more."""
        self._stopped = True
        for process in tuple(self._running):
            process.terminate()

    def run(self, probe: str, arguments: Sequence[str], mutant: str, on_output: OnBytes) -> None:
        """See `Place.run`."""
        environment = {**os.environ, "RIG_MUTANT": mutant}
        command = [str(self.executables[probe].absolute()), *arguments]
        if self._stopped:
            raise HostError("the run was stopped")
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) as process:
            self._running.add(process)
            clock = threading.Timer(_RUN_SECONDS, process.kill)
            clock.start()
            try:
                _read_all(process, on_output)
            finally:
                clock.cancel()
                self._running.discard(process)


def _read_all(process: subprocess.Popen[bytes], on_output: OnBytes) -> None:
    assert process.stdout is not None
    try:
        while data := os.read(process.stdout.fileno(), 1 << 16):
            on_output(data)
    except BaseException:
        # The probe's own way to stop: it ends its case, and removes what that owned.
        process.terminate()
        while os.read(process.stdout.fileno(), 1 << 16):
            pass
        raise


@dataclass
class _Ends:
    """What a start's stream tells, for `on_output`."""

    stop: Callable[[End], bool] = lambda _: False
    ends: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    """Of each case the first failed check."""
    open: str = ""
    notes: set[str] = field(default_factory=set)
    fell: str = ""
    """How the guest itself was lost."""
    reader: StreamReader = field(default_factory=StreamReader)

    def take(self, data: bytes) -> None:
        """Raises `Enough` as soon as `stop` says so of an end."""
        for message in self.reader.feed(data):
            self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case Start(case=name):
                self.open = name
            case Note(text=text):
                self.notes.add(text)
            case Check(ok=False):
                self.words.setdefault(message.case, f"{message.what}: {message.got}, not {message.want}")
            case End(case=name, outcome=outcome, reason=reason):
                self.open = ""
                self.ends[name] = outcome
                self.words.setdefault(name, reason)
                if self.stop(message):
                    raise Enough


class ProbeMutants:
    """One probe's mutants in one place."""

    def __init__(self, file: MutantFile, place: Place) -> None:
        self.file = file
        self.manifest = file.manifest
        self.place = place
        self.usual: dict[str, str] = {}
        """How each case that judges ends without a mutant."""
        self.scale = place.scale
        self.report = ProbeReport(file.manifest.probe)

    def learn(self) -> None:
        """Run the probe as it is. Raises `ManifestError` for what is no stream, `HostError` when no case can judge."""
        names = _judging(self.manifest)
        for scale in (self.scale, self.scale * _PATIENCE):
            self.scale = scale
            seen = self._start(names, "")
            if seen.fell or seen.reader.problem:
                problem = seen.fell or seen.reader.problem
                raise ManifestError(f"{self.manifest.probe} without a mutant: {problem}")
            self.usual = {name: seen.ends[name] for name in names}
            red = {name: how for name, how in self.usual.items() if how in _RED}
            self.report.left_out = {name: f"{how}: {seen.words.get(name, '')}" for name, how in red.items()}
            if not red:
                break
        for name in self.report.left_out:
            del self.usual[name]
        if "pass" not in self.usual.values():
            raise HostError(f"{self.manifest.probe} without a mutant: no case passes here, so none can judge")

    def judge(self, mutant: Mutant) -> Verdict:
        """Run one mutant."""
        began = time.monotonic()
        for _ in range(_TRIES):
            seen = self._start(list(self.usual), mutant.name, lambda end: end.outcome != self.usual.get(end.case))
            reached = f"mutant {mutant.name}" in seen.notes
            case, how = self._first_other(seen)
            if not case:
                return Verdict(mutant, Found.SURVIVED if reached else Found.UNREACHED, seconds=time.monotonic() - began)
            again = self._start([case], "")
            if again.ends.get(case) == self.usual[case]:
                return Verdict(mutant, Found.KILLED, case, how, time.monotonic() - began)
        return Verdict(mutant, Found.UNCLEAR, case, how, time.monotonic() - began)

    def _first_other(self, seen: _Ends) -> tuple[str, str]:
        for name, outcome in seen.ends.items():
            if outcome != self.usual[name]:
                return name, f"{outcome}: {seen.words.get(name, '')}"
        if seen.fell or not seen.reader.complete:
            case = seen.open or next((name for name in self.usual if name not in seen.ends), "")
            return case, seen.fell or seen.reader.problem
        return "", ""

    def _start(self, names: Sequence[str], mutant: str, stop: Callable[[End], bool] | None = None) -> _Ends:
        seen = _Ends(stop or (lambda _: False))
        arguments = ["--only", ",".join(names), "--scale", f"{self.scale:g}"]
        try:
            self.place.run(self.manifest.probe, arguments, mutant, seen.take)
        except Enough:
            pass
        except GuestError as fault:
            seen.fell = fault.message
        return seen


def _judging(manifest: ProbeManifest) -> list[str]:
    return [name for name, case in manifest.cases.items() if case.kind is not CaseKind.TIMING]


def run_mutants(
    files: Sequence[MutantFile],
    place: Place,
    chosen: Mapping[str, frozenset[str]],
    *,
    jobs: int = 1,
    on_verdict: Callable[[Verdict], None] = lambda _: None,
) -> list[ProbeReport]:
    """Run the chosen mutants of these probes, `jobs` at a time; `on_verdict` hears of each as it is known.

    Raises what `ProbeMutants.learn` and `Place.run` raise.
    """
    probes = [ProbeMutants(file, place) for file in files if file.manifest.probe in chosen]

    def judge(task: tuple[ProbeMutants, Mutant]) -> tuple[ProbeReport, Verdict]:
        verdict = task[0].judge(task[1])
        on_verdict(verdict)
        return task[0].report, verdict

    with ThreadPoolExecutor(jobs) as pool:
        try:
            for _ in pool.map(ProbeMutants.learn, probes):
                pass
            tasks = [
                (probe, mutant)
                for probe, file in ((probe, probe.file) for probe in probes)
                for mutant in file.for_os(place.os)
                if mutant.name in chosen[file.manifest.probe]
            ]
            for report, verdict in pool.map(judge, tasks):
                report.verdicts.append(verdict)
        except BaseException:
            place.stop()
            pool.shutdown(cancel_futures=True)
            raise
    return [probe.report for probe in probes]
