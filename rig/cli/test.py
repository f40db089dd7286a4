"""`rig test`: the friendly front of the pytest plugin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Annotated, cast

import typer
from rich.console import Console

from rig.cli.output import Enduring
from rig.errors import HostError, InputError
from rig.guest.bootargs import asked
from rig.machine import Network
from rig.run.front import run_tests
from rig.run.request import TestRequest
from rig.run.resuming import ResumeRequest, resume_tests
from rig.run.settings import DEFAULT_IMAGE, RunSettings
from rig.spec import Accel, Clock, Isolation, OnPanic, PanicMode, SuiteSpec, TransportChoice, load_spec

_SUITE = SuiteSpec(name="default")
_MOST_WORKERS = 256
_ANEW = {"resume", "select", "run_dir", "workers", "exit_first", "plain"}
"""Parameters that may stand beside --resume: where the run lies, and how it is gone on with."""


def test(
    context: typer.Context,
    select: Annotated[list[str] | None, typer.Argument(help="Probes, mechanisms or cases; all without one.")] = None,
    image: Annotated[str | None, typer.Option(help=f"Catalogue entry to boot (default {DEFAULT_IMAGE}).")] = None,
    suite: Annotated[Path | None, typer.Option(help="A suite's YAML file; options here win over it.")] = None,
    workers: Annotated[str, typer.Option("-n", help="Guests side by side: a number, or auto.")] = "0",
    keyword: Annotated[str | None, typer.Option("-k", help="pytest expression over case names.")] = None,
    marks: Annotated[str | None, typer.Option("-m", help="pytest expression over marks: 'not timing'.")] = None,
    exit_first: Annotated[bool, typer.Option("-x", help="Stop at the first failure.")] = False,
    last_failed: Annotated[bool, typer.Option("--lf", help="Only what failed last time.")] = False,
    run_dir: Annotated[Path | None, typer.Option(help="Where results go (default: one by date).")] = None,
    accel: Annotated[Accel | None, typer.Option(help="Accelerator (default: the best seen to work).")] = None,
    clock: Annotated[Clock | None, typer.Option(help="wall, or exact: executed instructions.")] = None,
    batches: Annotated[int | None, typer.Option(min=2, max=10_000, help="Samples of each timing (default 30).")] = None,
    time_factor: Annotated[float | None, typer.Option(min=0.001, max=1000, help="Scale of every deadline.")] = None,
    memory: Annotated[int | None, typer.Option(min=64, help="RAM of each guest in MiB.")] = None,
    isolation: Annotated[
        Isolation | None, typer.Option(help="Which cases share a guest: all, those of one probe, or none.")
    ] = None,
    retries: Annotated[
        int | None, typer.Option(min=0, max=100, help="Run a case that failed again, N times, each in a fresh guest.")
    ] = None,
    find_order: Annotated[
        bool | None,
        typer.Option(
            "--find-order/--no-find-order",
            help="Look for the case before a failure that brings it about (default: where guests are restored).",
        ),
    ] = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="A YAML file of cases that fail for a known reason, until a day.")
    ] = None,
    on_panic: Annotated[
        OnPanic, typer.Option(help="A guest that panicked or hangs: end it, or hold it to look inside (rig gdb).")
    ] = OnPanic.END,
    cold: Annotated[bool, typer.Option("--cold", help="Boot every guest; use no warm template.")] = False,
    probes: Annotated[Path | None, typer.Option(help="A directory of your own probes.")] = None,
    transport: Annotated[
        TransportChoice | None, typer.Option(help="The way into the guest (default auto: what the image has).")
    ] = None,
    panic: Annotated[
        PanicMode | None, typer.Option(help="What the kernel does once it has panicked (Darwin's debug= flag).")
    ] = None,
    boot_args: Annotated[str, typer.Option(help="Kernel flags beside the image's own: '-v keepsyms=1'.")] = "",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep each guest's disk, in the run's directory, when it ends.")
    ] = False,
    net: Annotated[bool, typer.Option("--net", help="Let the guest reach outside.")] = False,
    plain: Annotated[bool | None, typer.Option("--plain/--live", help="Lines instead of the live table.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run, or that of a directory: --resume [RUN_DIR].")
    ] = False,
) -> None:
    """Boot a guest, run the probes in it, report. Exit code 0: as expected; 1: not; 2: could not be run."""
    if workers != "auto" and not (workers.isdecimal() and int(workers) <= _MOST_WORKERS):
        raise InputError(f"-n {workers}: found {workers!r}; a number up to {_MOST_WORKERS}, or auto, is wanted")
    if resume:
        again = _resumption(context, select or [], run_dir, workers, exit_first=exit_first, plain=plain)
        raise typer.Exit(_heard(lambda console: resume_tests(again, console)))
    wanted = load_spec(SuiteSpec, suite) if suite else _SUITE
    settings = RunSettings(
        image=next(one for one in (image, wanted.image, DEFAULT_IMAGE) if one is not None),
        accel=accel or wanted.accel,
        clock=clock or wanted.clock,
        time_factor=time_factor or wanted.time_factor,
        batches=batches or wanted.batches,
        transport=transport or wanted.transport,
        network=Network.OPEN if net else Network.CLOSED,
        memory=memory,
        isolation=isolation or wanted.isolation,
        cold=cold,
        flags=asked(panic, boot_args),
        keep=keep,
        on_panic=on_panic,
        find_order=wanted.find_order if find_order is None else find_order,
        quarantine=quarantine or _beside(suite, wanted.quarantine),
        retries=wanted.retries if retries is None else retries,
        run_dir=run_dir,
    )
    request = TestRequest(
        settings=settings,
        select=tuple(select or wanted.probes),
        keyword=keyword or wanted.keyword,
        marks=marks or wanted.marks,
        exit_first=exit_first,
        last_failed=last_failed,
        workers=workers,
        plain=plain,
        probes=probes,
    )
    raise typer.Exit(_heard(lambda console: run_tests(request, console)))


def _heard(run: Callable[[Console], int]) -> int:
    """A run whose record becomes whole also where nobody reads what it prints, or that cannot be written.

    Raises `HostError` at its end where it could not be written.
    """
    output = Enduring()
    code = run(Console(file=cast(IO[str], output)))
    output.flush()
    if output.fault is not None:
        raise HostError(
            f"standard output: {output.fault.strerror}; the run itself went on to its end (exit code {code})",
            hint="Its record is whole: rig report show",
        )
    return code


def _beside(suite: Path | None, name: str | None) -> Path | None:
    """A file that a suite names, relative to the suite's own."""
    return suite.parent / name if suite is not None and name is not None else None


def _resumption(
    context: typer.Context,
    places: list[str],
    run_dir: Path | None,
    workers: str,
    *,
    exit_first: bool,
    plain: bool | None,
) -> ResumeRequest:
    """What is asked for beside --resume. Raises `InputError` for what would make another run of it."""
    given = [one for one in context.command.params if _is_given(context, str(one.name))]
    refused = [one for one in given if one.name not in _ANEW]
    if refused:
        raise InputError(
            f"--resume goes on with what the run was asked for; {refused[0].opts[0]} cannot be given anew",
            hint="Leave it out, or begin a new run. Beside --resume may stand: -n, -x, --plain or --live.",
        )
    found = [*map(Path, places), *([run_dir] if run_dir else [])]
    if len(found) > 1:
        raise InputError(
            f"--resume takes one run's directory, found: {', '.join(map(str, found))}",
            hint="What the run was to run is in its record.",
        )
    return ResumeRequest(
        place=found[0] if found else None,
        workers=workers if _is_given(context, "workers") else None,
        exit_first=exit_first,
        plain=plain,
    )


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
