"""`rig test` from end to end: image, probes, pytest, record, report, exit code.

pytest is the runner: this only puts its arguments together and shows what comes of it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from rig.errors import EXIT_INPUT, EXIT_INTERRUPTED, HostError, InputError, RigError
from rig.guest import GuestOptions
from rig.guest.flags import check_flags
from rig.guest.ways import chosen_way
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.machine import Network
from rig.machine.argv import check_clock
from rig.paths import ensure, probes_dir, state_dir
from rig.probe.agent import build_agent
from rig.probe.bundle import make_bundle
from rig.probe.manifest import ProbeManifest, find_case, load_manifests
from rig.probe.sources import check_named
from rig.probe.toolchain import Target, build
from rig.report import LiveTable, print_summary, write_junit, write_page
from rig.report.console import say
from rig.result import ImageRecord, Outcome, RunDir, RunRecord
from rig.run import capacity
from rig.run.durations import Durations
from rig.run.quarantine import check_quarantine
from rig.run.recorder import Recorder
from rig.run.request import TestRequest, to_record
from rig.run.settings import RunSettings
from rig.spec import ImageSpec, Isolation, OnPanic, TransportChoice, load_quarantine

EXIT_RED = 1

_ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
"""What the user has set for pytest, or installed beside it, is for the user's own tests."""


@dataclass(frozen=True)
class Selection:
    """What was selected: manifests, and the pytest node ids of it."""

    manifests: tuple[ProbeManifest, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Setup:
    """What a run needs, found and compiled."""

    spec: ImageSpec
    image: ImageRecord
    manifests: tuple[ProbeManifest, ...]
    bundle: str
    """Digest of the probes' executables."""

    @property
    def versions(self) -> dict[str, str]:
        """Of the probes, by name."""
        return {one.probe: one.version for one in self.manifests}


def run_tests(request: TestRequest, console: Console) -> int:
    """Run; returns the exit code, as `exit_code` says.

    Raises `InputError`, `ImageError`, `ToolchainError`, `HostError` before anything is started, and the reason where
    nothing could be run.
    """
    every = load_manifests(request.probes)
    selection = select(every, request.select)
    found = set_up(request, every, selection.manifests, console)
    place, asked = request.settings.run_dir, to_record(request)
    with RunDir.create(place, image=found.image, argv=sys.argv, request=asked) as run:
        run.set_probes(found.versions, found.bundle)
        return conduct(request, run, found, selection.nodes, console)


def set_up(
    request: TestRequest, every: Sequence[ProbeManifest], manifests: tuple[ProbeManifest, ...], console: Console
) -> Setup:
    """Find the image, compile `manifests` of `every` probe that there is. Raises as `run_tests` does."""
    for manifest in manifests:
        check_named(manifest)
    spec = Catalogue.load().get(request.settings.image)
    _check_way_in(spec, request.settings)
    if request.settings.quarantine is not None:
        known = {*Catalogue.load().names(), spec.name}
        check_quarantine(load_quarantine(request.settings.quarantine), every, known)

    def tell(words: str) -> None:
        say(console, words)

    stored = Store().ensure(spec, tell)
    executables = build(manifests, Target.for_os(spec.os), tell)
    image = ImageRecord(name=spec.name, digest=stored.digest, os=str(spec.os), release=spec.release)
    return Setup(spec, image, manifests, make_bundle(executables).digest)


def conduct(request: TestRequest, run: RunDir, found: Setup, nodes: Sequence[str], console: Console) -> int:
    """Have pytest run these nodes into the record, and report the whole run; returns the exit code."""
    if request.workers == "auto":
        count = capacity.workers(request.settings.memory or found.spec.machine.memory, found.spec.machine.cpus)
        request = replace(request, workers=str(count if count > 1 else 0))
    durations = Durations(found.spec.name, request.settings.clock)
    if side_by_side(request):
        nodes = durations.longest_first(found.manifests, nodes)
    status, words = int(pytest.ExitCode.OK), ""
    with LiveTable(console, {}, plain=request.plain) as table:
        recorder = Recorder(run, table, found.manifests, found.spec.os, request.settings.isolation)
        if nodes:
            status, words = _pytest(arguments(request, nodes, run), recorder)
    interrupted = status == pytest.ExitCode.INTERRUPTED
    record = run.finish("interrupted" if interrupted else "complete")
    durations.note(record.cases)
    write_reports(record, run)
    _raise_if_nothing_ran(recorder, record, status, words)
    if recorder.gave_up:
        say(console, f"One worker got no guest and gave up: {recorder.gave_up}", "red")
    print_summary(record, console, run_dir=run.path, report=run.report)
    for disk in sorted(run.path.glob("guests/*/disk*.qcow2")) if request.settings.keep else ():
        say(console, f"A guest's disk, over the image's: {disk}")
    if interrupted:
        say(console, f"To go on: rig test --resume {run.path}")
    return exit_code(record, interrupted=interrupted)


def write_reports(record: RunRecord, run: RunDir) -> None:
    """The page, and the file for other tools. A disk that is full now has not spoilt the record."""
    with contextlib.suppress(HostError):
        write_junit(record, run.junit)
        write_page(record, run.path)


def _check_way_in(spec: ImageSpec, settings: RunSettings) -> None:
    options = GuestOptions(logs=state_dir(), transport=settings.transport, agent=build_agent, flags=settings.flags)
    check_flags(spec, options)
    check_clock(settings.clock, settings.accel, settings.cpus or spec.machine.cpus)
    if chosen_way(spec, options) is None:
        raise InputError(
            f"image {spec.name} has no way in: no SSH, and a console that takes no input",
            hint=f"Boot it and watch: rig up {spec.name}, rig console",
        )


def _raise_if_nothing_ran(recorder: Recorder, record: RunRecord, status: int, words: str) -> None:
    if recorder.fault is not None:
        raise recorder.fault
    if recorder.gave_up and not record.guests:
        raise RigError(f"{recorder.gave_up}\n  all of it: {recorder.run.path / 'guests'}")
    if recorder.failed_collection:
        raise InputError("\n".join(recorder.failed_collection))
    if status == pytest.ExitCode.USAGE_ERROR:
        raise InputError(f"pytest did not take its arguments: {words.strip() or 'it did not say why'}")
    if status == pytest.ExitCode.INTERNAL_ERROR:
        raise RigError(f"pytest, or the rig in it, failed:\n{words.rstrip()}", hint=f"The record: {recorder.run.path}")
    if not recorder.cases and status != pytest.ExitCode.INTERRUPTED:
        raise InputError("no case matches the selection", hint="`rig probes list` shows what there is.")


def exit_code(record: RunRecord, *, interrupted: bool) -> int:
    """0: all as expected. 1: not. 2: nothing unexpected but errors of rig, probes or set-up. 130: interrupted."""
    if interrupted:
        return EXIT_INTERRUPTED
    red = [case for case in record.cases if case.verdict.is_red]
    if red and all(case.outcome is Outcome.ERROR or case.broken for case in red):
        return EXIT_INPUT
    return EXIT_RED if record.is_red else 0


def select(manifests: Sequence[ProbeManifest], names: Sequence[str]) -> Selection:
    """What `names` (probes, mechanisms, cases) mean; all for none.

    Raises `InputError` for a name that is neither probe nor case.
    """
    if not names:
        return Selection(tuple(manifests), tuple(str(manifest.path) for manifest in manifests))
    whole = [one for one in manifests if {one.probe, one.mechanism} & set(names)]
    single = [
        find_case(manifests, name) for name in names if not any(name in {one.probe, one.mechanism} for one in whole)
    ]
    # A case of a probe that runs whole would run twice.
    cases = {f"{one.path}::{case}": one for one, case in single if one not in whole}
    wanted = [one for one in manifests if one in whole or any(one is other for other in cases.values())]
    return Selection(tuple(wanted), (*(str(one.path) for one in whole), *cases))


def side_by_side(request: TestRequest) -> bool:
    """Whether guests run side by side, each in a worker of xdist."""
    return bool(request.workers) and request.workers != "0"


def arguments(request: TestRequest, nodes: Sequence[str], run: RunDir) -> list[str]:
    """pytest's command line."""
    settings = request.settings
    args = ["-c", os.devnull, "--rootdir", str(request.probes or probes_dir())]
    # Plugins by module, because xdist's workers know no other names.
    args += ["-p", "rig.run.plugin", "-p", "xdist.plugin"]
    # The screen is the live table's, also while a case runs; the cache is the user's, not the installed package's.
    args += ["-p", "no:terminal", "--capture", "no", "-o", f"cache_dir={ensure(state_dir()) / 'pytest-cache'}"]
    args += ["--rig-image", settings.image, "--rig-accel", str(settings.accel), "--rig-clock", str(settings.clock)]
    args += ["--rig-batches", str(settings.batches), "--rig-run-dir", str(run.path), "--rig-part", str(settings.part)]
    if settings.time_factor is not None:
        args += ["--rig-time-factor", str(settings.time_factor)]
    if settings.memory is not None:
        args += ["--rig-memory", str(settings.memory)]
    if settings.network is Network.OPEN:
        args.append("--rig-net")
    if settings.transport is not TransportChoice.AUTO:
        args += ["--rig-transport", str(settings.transport)]
    if settings.isolation is not Isolation.SUITE:
        args += ["--rig-isolation", str(settings.isolation)]
    if settings.retries:
        args += ["--rig-retries", str(settings.retries)]
    args += _about_failures(settings)
    args += _about_disks_and_flags(settings)
    if request.keyword:
        args += ["-k", request.keyword]
    if request.marks:
        args += ["-m", request.marks]
    if request.exit_first:
        args.append("-x")
    if request.last_failed:
        args.append("--lf")
    if side_by_side(request):
        # One probe's cases stay together: it is started once, in one worker's guest. Where each case has a guest of its
        # own there is nothing to keep together.
        dist = "load" if settings.isolation is Isolation.CASE else "loadfile"
        # The order is that of the nodes, not by their number of cases.
        args += ["-n", str(request.workers), "--dist", dist, "--no-loadscope-reorder"]
    return [*args, *request.pytest_args, *nodes]


def _about_disks_and_flags(settings: RunSettings) -> list[str]:
    args = ["--rig-cold"] if settings.cold else []
    if settings.keep:
        args.append("--rig-keep")
    if settings.flags:
        args += ["--rig-flags", settings.flags.model_dump_json(exclude_defaults=True)]
    return args


def _about_failures(settings: RunSettings) -> list[str]:
    args = []
    if settings.on_panic is not OnPanic.END:
        args += ["--rig-on-panic", str(settings.on_panic)]
    if settings.find_order is not None:
        args += ["--rig-find-order", "yes" if settings.find_order else "no"]
    if settings.quarantine is not None:
        args += ["--rig-quarantine", str(settings.quarantine.absolute())]
    return args


def _pytest(args: list[str], recorder: Recorder) -> tuple[int, str]:
    """pytest's exit status, and what it said on standard error where that is the reason for having run nothing."""
    said = io.StringIO()
    try:
        with _alone(), contextlib.redirect_stderr(said):
            status = int(pytest.main(args, plugins=[recorder]))
    except KeyboardInterrupt:
        status = int(pytest.ExitCode.INTERRUPTED)
    return status, said.getvalue()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """pytest as the rig knows it, in this process and in its workers."""
    before = {name: os.environ.get(name) for name in _ALONE}
    os.environ.update(_ALONE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
