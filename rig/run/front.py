"""`rig test` from end to end: image, probes, pytest, record, report, exit code.

pytest is the runner: this only puts its arguments together and shows what comes of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from rig.errors import BootError, Evidence, HostError, InputError
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.paths import ensure, probes_dir, state_dir
from rig.probe.bundle import make_bundle
from rig.probe.manifest import ProbeManifest, find_case, load_manifests
from rig.probe.toolchain import Target, build
from rig.report import LiveTable, print_summary, write_page
from rig.result import ImageRecord, Outcome, RunDir, RunRecord
from rig.run.recorder import Recorder
from rig.run.settings import RunSettings

EXIT_RED = 1
EXIT_INPUT = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class TestRequest:
    """What the command line asks for."""

    settings: RunSettings
    select: tuple[str, ...] = ()
    """Probes, mechanisms, `probe.case` ids or case names; empty: all."""
    keyword: str | None = None
    marks: str | None = None
    exit_first: bool = False
    last_failed: bool = False
    workers: str | None = None
    plain: bool | None = None
    probes: Path | None = None
    """A directory of the user's own probes instead of the rig's."""
    pytest_args: tuple[str, ...] = ()


def run_tests(request: TestRequest, console: Console) -> int:
    """Run; returns the exit code: 0 as expected, 1 an unexpected outcome, 2 nothing could be run, 130 interrupted.

    Raises `InputError`, `ImageError`, `ToolchainError`, `HostError` before anything is started.
    """
    manifests = load_manifests(request.probes)
    nodes = node_ids(manifests, request.select)
    spec = Catalogue.load().get(request.settings.image)
    stored = Store().ensure(spec, console.print)
    executables = build(manifests, Target.for_os(spec.os), console.print)
    image = ImageRecord(name=spec.name, digest=stored.digest, os=str(spec.os), release=spec.release)
    run = RunDir.create(request.settings.run_dir, image=image, argv=sys.argv)
    run.set_probes({one.probe: one.version for one in manifests}, make_bundle(executables).digest)
    with LiveTable(console, {}, plain=request.plain) as table:
        recorder = Recorder(run, table)
        status = _pytest(arguments(request, nodes, run), recorder)
    record = run.finish("interrupted" if status == pytest.ExitCode.INTERRUPTED else "complete")
    if status in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR} or recorder.failed_collection:
        words = "\n".join(recorder.failed_collection) or "pytest refused its arguments (its words stand above)"
        raise InputError(words)
    if not recorder.cases and status != pytest.ExitCode.INTERRUPTED:
        raise InputError("no case matches the selection", hint="`rig probes list` shows what there is.")
    with contextlib.suppress(HostError):
        write_page(record, run.path)
    code = exit_code(record, interrupted=status == pytest.ExitCode.INTERRUPTED)
    if code == EXIT_INPUT:
        # One error instead of the same one for each case.
        raise no_guest(record, run.path)
    print_summary(record, console, run_dir=run.path, report=run.report)
    return code


def no_guest(record: RunRecord, place: Path) -> BootError:
    """The error for a run in which no guest ever became ready: the first case tells why."""
    first = record.cases[0]
    console = first.evidence.console if first.evidence else ""
    return BootError(
        f"no guest became ready: {first.reason}",
        evidence=Evidence(console=console),
        hint=f"The whole console, QEMU's words, screenshot and registers: {place}",
    )


def exit_code(record: RunRecord, *, interrupted: bool) -> int:
    """0: all as expected. 1: not. 2: no guest ever became ready. 130: interrupted."""
    if interrupted:
        return EXIT_INTERRUPTED
    if not record.guests and all(case.outcome is Outcome.ERROR for case in record.cases):
        return EXIT_INPUT
    return EXIT_RED if record.is_red else 0


def node_ids(manifests: Sequence[ProbeManifest], select: Sequence[str]) -> list[str]:
    """pytest node ids for what was selected. Raises `InputError` for a name that is neither probe nor case."""
    if not select:
        return [str(manifest.path) for manifest in manifests]
    nodes: list[str] = []
    for name in select:
        whole = [manifest for manifest in manifests if name in {manifest.probe, manifest.mechanism}]
        if whole:
            nodes += [str(manifest.path) for manifest in whole]
        else:
            manifest, case = find_case(manifests, name)
            nodes.append(f"{manifest.path}::{case}")
    return list(dict.fromkeys(nodes))


def arguments(request: TestRequest, nodes: Sequence[str], run: RunDir) -> list[str]:
    """pytest's command line."""
    settings = request.settings
    args = ["-c", os.devnull, "--rootdir", str(request.probes or probes_dir())]
    # The terminal is the live table's; the cache is the user's, not the installed package's.
    args += ["-p", "no:terminal", "-o", f"cache_dir={ensure(state_dir()) / 'pytest-cache'}"]
    args += ["--rig-image", settings.image, "--rig-accel", str(settings.accel), "--rig-clock", str(settings.clock)]
    args += ["--rig-batches", str(settings.batches), "--rig-run-dir", str(run.path)]
    args += ["--junitxml", str(run.junit), "-o", "junit_suite_name=rig", "-o", "junit_family=xunit2"]
    if settings.time_factor is not None:
        args += ["--rig-time-factor", str(settings.time_factor)]
    if settings.memory is not None:
        args += ["--rig-memory", str(settings.memory)]
    if request.keyword:
        args += ["-k", request.keyword]
    if request.marks:
        args += ["-m", request.marks]
    if request.exit_first:
        args.append("-x")
    if request.last_failed:
        args.append("--lf")
    if request.workers and request.workers != "0":
        # One probe's cases stay together: it is started once, in one worker's guest.
        args += ["-n", request.workers, "--dist", "loadfile"]
    return [*args, *request.pytest_args, *nodes]


def _pytest(args: list[str], recorder: Recorder) -> int:
    try:
        return int(pytest.main(args, plugins=[recorder]))
    except KeyboardInterrupt:
        return int(pytest.ExitCode.INTERRUPTED)
