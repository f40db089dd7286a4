"""The command behind `ci/bench`."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rig.bench import guests, isolation, memory, overhead, peers, repeat, startup, timings
from rig.bench.frame import Bed, Bench, Finding, chosen, host_facts, record, write
from rig.bench.page import PAGE, publish
from rig.errors import EXIT_INPUT, EXIT_INTERRUPTED, RigError
from rig.paths import state_dir

BENCHES = (
    Bench("startup", "a cold boot and a restore, until they are of use, and where a restore's time goes", startup.run),
    Bench("isolation", "wall time a case with one guest for all, for each probe, for each case", isolation.run),
    Bench("overhead", "a whole suite by the rig against the same probes in a plain ssh loop", overhead.run),
    Bench("guests", "cases a minute against the number of guests side by side", guests.run),
    Bench("memory", "private memory of 1, 4 and 8 restored guests side by side", memory.run),
    Bench("timings", "our timings against independent tools, in one boot of the reference guest", timings.run),
    Bench("timings-exact", "the same on a clock of executed instructions: no busy host shows", timings.run_exact),
    Bench("repeatability", "what equal runs differ by on each clock, and the smallest slow-down found", repeat.run),
    Bench("repeatability-all", "the same of every timing: half an hour", repeat.run_all, by_name_only=True),
    Bench("peers", "the same probes by the rig, labgrid and kirk, on the same image under TCG", peers.run),
)
_WIDE = 160
"""Columns of output that is no terminal: a table in a log is not to be cut."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Benches (default: all).", show_default=False)] = None,
    json: Annotated[Path | None, typer.Option(help="Write the results here, too.")] = None,
    directory: Annotated[Path | None, typer.Option("--dir", help="Where results and raw outputs go.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each measurement is repeated.")] = 7,
    image: Annotated[str, typer.Option(help="Guest image.")] = "reference",
    list_them: Annotated[bool, typer.Option("--list", help="Name the benches and leave.")] = False,
) -> None:
    """Measure the rig. Nothing passes or fails by the clock: numbers are printed and kept."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
    wanted = chosen(BENCHES, names or [])
    if list_them:
        for one in chosen(BENCHES, names or [bench.name for bench in BENCHES]):
            console.print(f"{one.name}: {one.summary}{' (by name only)' * one.by_name_only}", markup=False)
        return
    place = directory or state_dir() / "bench" / time.strftime("%Y%m%d-%H%M%S")
    host = host_facts()
    findings: dict[str, Finding] = {}
    faults: list[RigError] = []
    for one in wanted:
        console.print(f"== {one.name}: {one.summary}", markup=False)
        bed = Bed(place / one.name, rounds, lambda words: console.print(f"   {words}", markup=False), image)
        try:
            findings[one.name] = one.run(bed)
        except RigError as fault:
            # The others may well be possible: what one of them lacks, a program or memory, is told at once and last.
            console.print(f"   not measured: {fault}", markup=False)
            faults.append(fault)
            continue
        show(console, findings[one.name])
        # After each: a later bench that fails takes nothing of the earlier ones along.
        text = record(findings, host)
        write(place / "results.json", text)
        if json is not None:
            write(json, text)
        publish(place, wanted, findings, host)
    show_targets(console, findings)
    if findings:
        where = f"results: {place / 'results.json'}; page: {place / PAGE}"
        console.print(f"host load at the start {host['load']}; {where}", markup=False)
    if faults:
        raise faults[0]


def show(console: Console, found: Finding) -> None:
    """Print one finding."""
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(found.columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in found.rows:
        table.add_row(*row)
    console.print(table)
    for note in found.notes:
        console.print(f"- {note}", markup=False)


def show_targets(console: Console, findings: dict[str, Finding]) -> None:
    """All targets of all benches in one table; why, below it, where one was missed."""
    targets = [target for found in findings.values() for target in found.targets]
    if not targets:
        return
    table = Table("target", "limit", "measured", "verdict", box=None, pad_edge=False)
    for target in targets:
        table.add_row(target.what, target.limit, target.measured, "met" if target.met else "missed")
    console.print(table)
    for target in targets:
        if not target.met:
            console.print(f"- {target.what}: {target.why}", markup=False)


def _terminate(*_: Any) -> None:
    """SIGTERM ends a bench as Ctrl-C does: in order, with no guest left behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: 0 measured, 2 something was missing or broke, 130 interrupted."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except RigError as fault:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"bench: error: {fault}", markup=False)
        sys.exit(EXIT_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
