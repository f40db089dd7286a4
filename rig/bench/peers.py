"""The bench `peers`: the rig against labgrid and kirk, on the same kernel, image, accelerator and probes, in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rig.bench.frame import Bed, Finding, Plot, Series
from rig.bench.load import load
from rig.bench.peers_machine import PLACE, prepare_disk
from rig.bench.peers_sides import Job, Took, by_kirk, by_labgrid, functional, kirk_as_it_is
from rig.bench.peers_venv import peers_python, versions
from rig.bench.plainloop import ssh_client
from rig.bench.ratio import ratio
from rig.bench.spread import spread
from rig.bench.subject import CASE, PROBE
from rig.bench.suites import portable, run_suite
from rig.errors import HostError, RigError
from rig.guest.keys import user_key
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.probe.bundle import make_bundle
from rig.probe.manifest import ProbeManifest, load_manifests
from rig.probe.toolchain import Target, build

_SECONDS = 420.0
_ROUNDS = 2
WARM, COLD, LABGRID, KIRK = "rig, warm", "rig, cold", "labgrid", "kirk, its KVM overridden"
OURS = (WARM, COLD)
MEASURES = ("first", "probes", "whole")
_WORDS = {
    "first": "start to first result",
    "probes": "first result to last, all probes",
    "whole": "the whole command",
}

Side = Callable[[int], Took]


@dataclass
class Measured:
    """Every round of every side; why a side has none."""

    took: dict[str, list[Took]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    load: tuple[float, float] = (0.0, 0.0)


def run(bed: Bed) -> Finding:
    """All sides in turns, at most two rounds. A peer that is not to be had, or fails, is told of and left out."""
    try:
        ssh_client()  # labgrid's SSHDriver is OpenSSH's client
        python = peers_python(bed.say)
    except HostError as fault:
        return absent(fault)
    manifests = [one for one in portable(load_manifests()) if functional(one)]
    stored = Store().ensure(Catalogue.load().get(bed.image), bed.say)
    bundle = make_bundle(build(manifests, Target.for_os(stored.spec.os), bed.say))
    job = Job(
        stored=stored,
        python=python,
        disk=bed.directory / "peers.qcow2",
        bundle=bundle.dir,
        manifests=tuple(manifests),
        key=stored.key or user_key(),
        directory=bed.directory,
        seconds=_SECONDS,
    )
    prepare_disk(bed, job.disk, stored, bundle, job.commands(PLACE))
    sides: dict[str, Side] = {
        WARM: lambda number: _by_rig(bed, manifests, f"rig-warm-{number}"),
        COLD: lambda number: _by_rig(bed, manifests, f"rig-cold-{number}", "--cold"),
        LABGRID: lambda number: by_labgrid(job, number),
        KIRK: lambda number: by_kirk(job, number),
    }
    bed.say("the rig's template")
    run_suite(bed, "rig-template", "--accel", "tcg", f"{PROBE}.{CASE}")
    measured = in_turns(sides, min(bed.rounds, _ROUNDS), bed.say)
    bed.say("kirk with the KVM that it insists on")
    told = kirk_as_it_is(job)
    return tell(measured, cases=sum(len(functional(one)) for one in manifests), probes=len(manifests), kvm=told)


def _by_rig(bed: Bed, manifests: Sequence[ProbeManifest], label: str, *more: str) -> Took:
    names = [one.probe for one in manifests]
    options = ("-n", "0", "--accel", "tcg", "--isolation", "suite", "-m", "not timing")
    done = run_suite(bed, label, *options, *more, *names)
    if done.unexpected:
        raise RigError(f"not as expected: {', '.join(done.unexpected)}")
    return Took(done.to_first, done.to_ready + done.tests - done.to_first, done.wall)


def in_turns(sides: dict[str, Side], rounds: int, say: Callable[[str], None]) -> Measured:
    """Each side once a round; one that failed is not asked again. Raises `RigError` where one of ours fails."""
    found = Measured(load=(load(), 0.0))
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            if name in found.failed:
                continue
            say(f"round {number}: {name}")
            try:
                found.took.setdefault(name, []).append(side(number))
            except RigError as fault:
                if name in OURS:
                    raise
                found.failed[name] = fault.message
                found.took.pop(name, None)
    found.load = (found.load[0], load())
    return found


def absent(fault: HostError) -> Finding:
    """What is told where no peer can be had."""
    found = Finding(("peer", "measured"))
    found.rows = [(name, "no") for name in (LABGRID, KIRK)]
    found.notes = [f"nothing was measured: {fault.message}"]
    found.data = {"peers": versions(), "absent": fault.message}
    return found


def tell(measured: Measured, *, cases: int, probes: int, kvm: str) -> Finding:
    """The table: medians in seconds, and of each peer its ratio to ours, round by round."""
    found = Finding(("what", "side", "seconds", "least - greatest", "to the rig warm", "to the rig cold"))
    data: dict[str, Any] = {name: [asdict(one) for one in took] for name, took in measured.took.items()}
    for measure in MEASURES:
        for name, took in measured.took.items():
            here = [float(getattr(one, measure)) for one in took]
            ratios = ["" if name in OURS else _ratio(here, measured.took[ours], measure) for ours in OURS]
            middle = spread(here)
            found.rows.append((_WORDS[measure], name, middle.words("s"), middle.ends(), *ratios))
    for name, took in measured.took.items():
        seconds = median(one.probes for one in took)
        found.rows.append(
            ("a probe; a case", name, f"{seconds / probes:.2f} s; {1000 * seconds / cases:.0f} ms", "", "", "")
        )
    found.notes += [f"{name} is not in the table: {why}" for name, why in measured.failed.items()]
    found.notes += _explanations(cases, probes, kvm, measured)
    found.data = {
        "peers": versions(),
        "cases": cases,
        "probes": probes,
        "load": list(measured.load),
        "sides": data,
        "failed": measured.failed,
        "kirk with KVM": kvm,
    }
    found.plots = [
        Plot(
            "The same probes by the rig, labgrid and kirk",
            "side",
            "seconds",
            tuple(
                Series(
                    _WORDS[measure],
                    tuple(
                        spread([getattr(one, measure) for one in took]).point(name)
                        for name, took in measured.took.items()
                    ),
                )
                for measure in MEASURES
            ),
        )
    ]
    return found


def _ratio(theirs: Sequence[float], ours: Sequence[Took], measure: str) -> str:
    found = ratio(theirs, [getattr(one, measure) for one in ours])
    return f"{found.middle:.2f} ({found.best:.2f})"


def _explanations(cases: int, probes: int, kvm: str, measured: Measured) -> list[str]:
    known = versions()
    return [
        f"labgrid {known['labgrid']}, kirk {known['kirk']}: {cases} cases of {probes} portable probes, without "
        f"timings, TCG, one guest for all, sides in turns; load {measured.load[0]} to {measured.load[1]}",
        "to the rig: the median of the rounds' ratios, above 1 where the rig is faster; in brackets its best round to "
        "the rig's best, which is what a busy host disturbs least",
        "first result: for the rig the first case in its record; for the peers the end of a first command of one case, "
        "for they hand out no result before a command has ended",
        "the peers boot a disk that has the rig's key and host keys in it already, which the rig cold does itself; "
        "labgrid's guest gets the probes by its `put`, kirk, which has no way to send files, finds them on that disk",
        "labgrid: QEMUDriver with the rig's own disk and network as extra arguments (its `disk` is virtio alone on a "
        "PC), its console waited on for the login prompt, then SSHDriver; kirk: its qemu channel, which speaks by the "
        "serial console alone",
        "to the peers a probe is a command and its exit status: they read no case's result, as the rig does all along",
        f"kirk as it is, with -enable-kvm: {kvm}",
        "kirk adds -enable-kvm always; its own `options=-machine accel=tcg`, which comes later, wins over it",
    ]
