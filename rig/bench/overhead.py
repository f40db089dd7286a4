"""The time that the rig itself adds: a whole suite by the rig, against the same probes in a plain `ssh` loop."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rig.bench.frame import Bed, Finding, Plot, Series, Target
from rig.bench.plainloop import Login, missing, run_loop, script, ssh_client
from rig.bench.ratio import Ratio, ratio
from rig.bench.spread import spread
from rig.bench.subject import Subject
from rig.bench.suites import portable, run_suite
from rig.errors import HostError, RigError
from rig.events import Events
from rig.guest import Guest
from rig.guest.warm import ready_guest
from rig.probe.bundle import Bundle, make_bundle
from rig.probe.manifest import CaseKind, ProbeManifest, load_manifests
from rig.probe.toolchain import Target as Compiled
from rig.probe.toolchain import build
from rig.run.probe_run import probe_command

_LIMIT = 0.15
_BATCHES = 30


@dataclass
class Sides:
    """Seconds of each round. `ours`, `theirs`: from a guest's readiness to the last result; `whole_`: from nothing."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    whole_ours: list[float] = field(default_factory=list)
    whole_theirs: list[float] = field(default_factory=list)
    cpu_ours: list[float] = field(default_factory=list)
    """Processor seconds of the whole command, QEMU's included: a busy host hardly alters them."""
    cpu_theirs: list[float] = field(default_factory=list)
    cases: int = 0
    unexpected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """What both sides run, at most so many rounds of it."""

    name: str
    timings: bool
    rounds: int

    def cases(self, manifest: ProbeManifest) -> list[str]:
        """Of one probe."""
        return [name for name, spec in manifest.cases.items() if self.timings or spec.kind is not CaseKind.TIMING]


SUITES = (Suite("without timings", timings=False, rounds=5), Suite("with timings", timings=True, rounds=2))


def run(bed: Bed) -> Finding:
    """Both suites by both sides in turns, five rounds and two at most: four minutes on the reference guest."""
    ssh = ssh_client()
    subject = Subject(bed)
    manifests = portable(load_manifests())
    bundle = make_bundle(build(manifests, Compiled.for_os(subject.os), bed.say))
    measured = {suite.name: Sides() for suite in SUITES}
    subject.warm_up()
    for number in range(1, bed.rounds + 1):
        for suite in (one for one in SUITES if number <= one.rounds):
            bed.say(f"round {number}: {suite.name}")
            sides, label = measured[suite.name], f"{suite.name.replace(' ', '-')}-{number}"
            _by_loop(bed, subject, ssh, bundle, manifests, suite, sides, f"plain-{label}")
            _by_rig(bed, manifests, suite, sides, f"rig-{label}")
    return tell(measured, len(manifests))


def _by_rig(bed: Bed, manifests: Sequence[ProbeManifest], suite: Suite, sides: Sides, label: str) -> None:
    arguments = [] if suite.timings else ["-m", "not timing"]
    names = [one.probe for one in manifests]
    spent = _processor_seconds()
    done = run_suite(bed, label, "-n", "0", "--isolation", "suite", "--batches", str(_BATCHES), *arguments, *names)
    sides.ours.append(done.tests)
    sides.whole_ours.append(done.wall)
    sides.cpu_ours.append(_processor_seconds() - spent)
    sides.cases = done.cases
    sides.unexpected += done.unexpected


def _by_loop(
    bed: Bed,
    subject: Subject,
    ssh: str,
    bundle: Bundle,
    manifests: Sequence[ProbeManifest],
    suite: Suite,
    sides: Sides,
    label: str,
) -> None:
    begun, spent = time.perf_counter(), _processor_seconds()
    with ready_guest(subject.stored, subject.options, Events()) as guest:
        ready = time.perf_counter() - begun
        commands = {
            one.probe: probe_command(one, suite.cases(one), subject.directory, guest.factor, _BATCHES)
            for one in manifests
            if suite.cases(one)
        }
        text = script(_login(guest), ssh, bundle.dir, subject.directory, commands)
        guest.let_go_of_transport()  # this side has one connection at a time, as the loop's
        took = run_loop(text, bed.directory / label)
    if lost := missing(bed.directory / label / "output", list(commands)):
        raise RigError(f"the plain ssh loop lost the stream of: {', '.join(lost)}", hint=f"See {bed.directory / label}")
    sides.cpu_theirs.append(_processor_seconds() - spent)
    sides.theirs.append(took)
    sides.whole_theirs.append(ready + took)


def _processor_seconds() -> float:
    """What all children of this process that have ended used, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _login(guest: Guest) -> Login:
    if guest.key is None:
        raise HostError(f"{guest.stored.spec.name} has no SSH, which a plain loop needs")
    return Login(guest.machine.ssh_port(), guest.stored.spec.ssh.user, guest.key)


def tell(measured: dict[str, Sides], probes: int) -> Finding:
    """The table, its targets and a plot."""
    found = Finding(("suite", "the rig", "plain ssh loop", "ratio", "least - greatest", "of the best", "cases"))
    data: dict[str, Any] = {}
    points: dict[str, list[tuple[float | str, float, float | None, float | None]]] = {"the rig": [], "plain loop": []}
    for name, sides in measured.items():
        inner, whole = ratio(sides.ours, sides.theirs), ratio(sides.whole_ours, sides.whole_theirs)
        cpu = ratio(sides.cpu_ours, sides.cpu_theirs)
        for what, one in (
            (f"{name}, guest ready to last result", inner),
            (f"{name}, whole command", whole),
            (f"{name}, processor time of it, QEMU's included", cpu),
        ):
            found.rows.append(_row(what, one, sides.cases))
        found.targets += [_target(name, inner, sides)]
        for side, some, all_of_it in (
            ("the rig", sides.ours, sides.whole_ours),
            ("plain loop", sides.theirs, sides.whole_theirs),
        ):
            points[side] += [spread(some).point(name), spread(all_of_it).point(f"{name}, whole command")]
        data[name] = {**asdict(sides), "ratio": asdict(inner), "whole_ratio": asdict(whole), "cpu_ratio": asdict(cpu)}
        if sides.unexpected:
            found.notes.append(f"{name}: not as expected: {', '.join(sorted(set(sides.unexpected)))}")
    series = tuple(Series(side, tuple(some)) for side, some in points.items())
    found.plots = [Plot("A whole suite: the rig against a plain ssh loop", "suite", "seconds", series)]
    found.notes += [
        f"{probes} portable probes, suite isolation, -n 0, taken in turns; ratio: the median of the rounds' ratios; "
        "of the best: the rig's least round to the loop's least",
        "the loop sends all probes by one `tar | ssh`, then starts each by an `ssh` with a connection of its own; the "
        "rig sends all at once, too, starts each by one connection, reads, checks and records every result as it comes",
        "whole command: for the rig from the start of `rig test` to its end, Python, collection and report included; "
        "for the loop the rig's own restore of the guest in a process that runs already, and then the loop",
    ]
    found.data = data
    return found


def _row(what: str, one: Ratio, cases: int) -> tuple[str, ...]:
    ends = f"{one.least:.2f} - {one.greatest:.2f}"
    best = f"{one.best:.2f}"
    return (what, f"{one.ours:.2f} s", f"{one.theirs:.2f} s", f"{one.middle:.2f}", ends, best, str(cases))


def _target(name: str, found: Ratio, sides: Sides) -> Target:
    own = found.middle - 1
    more = ratio(sides.cpu_ours, sides.cpu_theirs).middle - 1
    if found.least - 1 <= _LIMIT < found.greatest - 1:
        doubt = "The rounds lie on both sides of the limit: this host was too busy to tell. "
    else:
        doubt = ""
    why = doubt + (
        f"{found.ours - found.theirs:.1f} s more for {sides.cases} cases; of the best rounds {found.best - 1:+.0%}; "
        f"processor time of the whole command, QEMU's included, {more:+.0%}. The rest is waiting, for the guest or, "
        "where the host is busy, for a processor: the rig keeps one busy beside QEMU's"
    )
    return Target(
        f"rig's own time over the plain ssh loop, {name}",
        f"at most {_LIMIT:.0%}",
        f"{own:+.0%} ({found.least - 1:+.0%} - {found.greatest - 1:+.0%})",
        own <= _LIMIT,
        "" if own <= _LIMIT else why,
    )
