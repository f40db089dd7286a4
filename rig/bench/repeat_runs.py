"""Runs of timings, each in a guest that was restored for it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.bench.frame import Bed
from rig.errors import InputError
from rig.guest import Guest, GuestOptions
from rig.guest.warm import Layer, ready_guest
from rig.image.catalogue import Catalogue
from rig.image.status import StoredImage
from rig.image.store import Store
from rig.probe.bundle import make_bundle
from rig.probe.manifest import CaseKind, ProbeManifest, load_manifests
from rig.probe.protocol import End, Metric, StreamReader
from rig.probe.toolchain import Target, build
from rig.spec import Clock, GuestOS

OWN_PROBES = Path(__file__).parent / "probes"
"""Probes of the benches alone."""
SLOWED = "slowed"
BATCHES = 30
_PASS_SECONDS = 30.0

Samples = tuple[float, ...]
Run = dict[str, Samples]
"""The samples of each timing, by its name."""


@dataclass(frozen=True)
class Start:
    """One start of a probe: these cases of it, in one process after the other."""

    probe: str
    cases: tuple[str, ...]


@dataclass(frozen=True)
class Stand:
    """Everything that the runs share."""

    stored: StoredImage
    layer: Layer
    place: str
    """The probes' directory in the guest."""
    starts: tuple[Start, ...]
    seconds: dict[str, float]
    """How long each probe may take on ordinary hardware."""
    logs: Path

    @classmethod
    def make(cls, bed: Bed, starts: Sequence[Start]) -> Stand:
        """Compile what `starts` names."""
        known = {one.probe: one for one in (*load_manifests(), *load_manifests(OWN_PROBES))}
        wanted = [known[start.probe] for start in starts]
        stored = Store().ensure(Catalogue.load().get(bed.image), bed.say)
        bundle = make_bundle(build(wanted, Target.for_os(stored.spec.os), bed.say))
        place = f"{stored.spec.workdir.rstrip('/')}/bench"

        def put(guest: Guest) -> None:
            guest.push(bundle.dir, place)

        layer = Layer("bench", f"{bundle.digest} {place}", put)
        seconds = {
            start.probe: _PASS_SECONDS + sum(known[start.probe].cases[name].deadline for name in start.cases)
            for start in starts
        }
        return cls(stored, layer, place, tuple(starts), seconds, bed.directory / "guest")

    def fresh(self, clock: Clock) -> Guest:
        """A guest restored for one run. Close it."""
        return ready_guest(self.stored, GuestOptions(logs=self.logs, clock=clock), layers=(self.layer,))

    def run(self, guest: Guest) -> Run:
        """All starts, one after the other. Raises `InputError` for a case that did not pass."""
        found: Run = {}
        for start in self.starts:
            options = ["--only", ",".join(start.cases), "--batches", str(BATCHES), "--scale", f"{guest.factor:g}"]
            command = f"cd {shlex.quote(self.place)} && ./{shlex.join([start.probe, *options])}"
            found |= timings_in(guest.run(command, seconds=self.seconds[start.probe]).stdout, start)
        return found


def timings_in(stream: bytes, start: Start) -> Run:
    """The timings that a start told. Raises `InputError` where a case did not pass or is missing."""
    reader = StreamReader()
    found: Run = {}
    passed: set[str] = set()
    for message in (*reader.feed(stream), *reader.close()):
        if isinstance(message, Metric):
            size = "" if message.bytes is None else f" {message.bytes} B"
            found[f"{start.probe}.{message.case}{size}"] = tuple(message.samples)
        elif isinstance(message, End):
            if message.outcome != "pass":
                raise InputError(f"{start.probe}.{message.case} ended as {message.outcome}: {message.reason}")
            passed.add(message.case)
    if missing := [name for name in start.cases if name not in passed]:
        raise InputError(f"{start.probe} told nothing of: {', '.join(missing)}")
    return found


def all_timings(os: GuestOS) -> tuple[Start, ...]:
    """Every timing that this OS is expected to have, the benches' own probe last."""
    starts = [Start(one.probe, cases) for one in load_manifests() if (cases := _timings(one, os))]
    return (*starts, slowed())


def slowed() -> Start:
    """All cases of the probe with a known share of work more."""
    (manifest,) = load_manifests(OWN_PROBES)
    return Start(manifest.probe, tuple(manifest.cases))


def _timings(manifest: ProbeManifest, os: GuestOS) -> tuple[str, ...]:
    return tuple(
        name
        for name, case in manifest.cases.items()
        if case.kind is CaseKind.TIMING and str(case.expected(os)) == "pass"
    )
