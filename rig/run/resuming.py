"""`rig test --resume`: a run that was cut off goes on where it was.

What has a result keeps it. What has none is run, in the world in which the run began: the same image, the same
executables, the same kind of host. Where that has changed there is nothing to go on with, since numbers and outcomes of
two worlds would stand in one record.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from rig.errors import InputError
from rig.probe.manifest import ProbeManifest, load_manifests
from rig.report.console import say
from rig.report.words import plural
from rig.result import HostRecord, RunDir, RunRecord, latest_run
from rig.run.front import Setup, conduct, exit_code, select, set_up, write_reports
from rig.run.request import TestRequest, from_record

_ANEW = "Begin a new run: rig test"


@dataclass(frozen=True)
class ResumeRequest:
    """What a call of `--resume` may say anew; the rest is in the run's record."""

    place: Path | None = None
    """The run's directory; None: the last run."""
    workers: str | None = None
    exit_first: bool = False
    plain: bool | None = None


def resume_tests(wanted: ResumeRequest, console: Console) -> int:
    """Run what has no result yet; returns the exit code of the whole run. A run that is complete is left as it is.

    Raises `InputError` for what is no run, is being written now, or began in another world, and what `run_tests`
    raises.
    """
    with RunDir.resume(wanted.place or latest_run()) as run:
        before = run.record
        if before.state == "complete" and before.cases and not before.missing:
            say(console, f"{run.path}: this run is complete, nothing of it is left to run")
            if not (run.report.is_file() and run.junit.is_file()):
                write_reports(before, run)
            return exit_code(before, interrupted=False)
        request = _request(before, wanted, run)
        every = load_manifests(request.probes)
        manifests = _manifests(before, every, request)
        found = set_up(request, every, manifests, console)
        _check_world(before, found)
        nodes = _nodes(before, manifests, request)
        if before.planned:
            # What -k, -m and --lf chose is in the plan.
            request = replace(request, keyword=None, marks=None, last_failed=False)
        run.go_on(sys.argv)
        if before.bundle is None:
            run.set_probes(found.versions, found.bundle)
        done = plural(len(before.cases), "case")
        say(console, f"{run.path}: goes on, {done} of {len(before.planned) or 'those to come'} have a result")
        return conduct(request, run, found, nodes, console)


def _request(before: RunRecord, wanted: ResumeRequest, run: RunDir) -> TestRequest:
    if before.request is None:
        raise InputError(f"{run.path}: does not say what it was asked for; an older rig made it", hint=_ANEW)
    request = from_record(before.request)
    # A run that -x has ended is resumed to see the rest.
    exit_first = wanted.exit_first or (request.exit_first and before.state != "complete")
    return replace(
        request,
        settings=replace(request.settings, run_dir=run.path, part=before.parts + 1),
        workers=wanted.workers or request.workers,
        exit_first=exit_first,
        plain=wanted.plain,
    )


def _manifests(before: RunRecord, every: Sequence[ProbeManifest], request: TestRequest) -> tuple[ProbeManifest, ...]:
    """Those that the run has; where it had not come so far, those that were asked for."""
    if not before.probes:
        return select(every, request.select).manifests
    _refuse_absent("probes", [name for name in before.probes if name not in {one.probe for one in every}])
    return tuple(one for one in every if one.probe in before.probes)


def _refuse_absent(what: str, names: Sequence[str]) -> None:
    if names:
        raise InputError(f"{what} of this run that are not there any more: {', '.join(names[:5])}", hint=_ANEW)


def _check_world(before: RunRecord, now: Setup) -> None:
    """Raise `InputError` for the first thing that is not as it was when the run began."""
    host = HostRecord.read().host_class
    pairs = [
        (f"image {before.image.name}", before.image.digest, now.image.digest),
        ("host", before.host.host_class, host),
    ]
    if before.bundle or before.cases:
        pairs.append(("compiled probes", before.bundle or "not known any more", now.bundle))
    for what, then, is_now in pairs:
        if then != is_now:
            raise InputError(
                f"run {before.id} cannot go on: its {what} changed (then {_short(then)}, now {_short(is_now)})",
                hint=_ANEW,
            )


def _short(value: str) -> str:
    """A digest by its first digits, words as they are."""
    return value if " " in value else value[:16]


def _nodes(before: RunRecord, manifests: Iterable[ProbeManifest], request: TestRequest) -> tuple[str, ...]:
    """pytest's node ids of what is left to run."""
    if not before.planned:
        if before.cases:
            raise InputError(f"run {before.id} cannot go on: its plan cannot be read any more", hint=_ANEW)
        return select(tuple(manifests), request.select).nodes
    nodes = {f"{one.probe}.{case}": f"{one.path}::{case}" for one in manifests for case in one.cases}
    _refuse_absent("cases", [case for case in before.missing if case not in nodes])
    return tuple(nodes[case] for case in before.missing)
