"""`rig report`: look at a run again, from the record in its directory."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rig.errors import InputError
from rig.report import print_changes, print_summary, write_junit, write_page
from rig.report.words import conclusion, plural
from rig.result import Changes, compare_runs, latest_run, load, rebuild, results_schema
from rig.result.changes import CIRCUMSTANCES
from rig.result.rundir import to_json

app = typer.Typer(no_args_is_help=True, help="Look at a run again: as a page, in the terminal, from its events.")

_WIDE = 160
"""Columns of a table that goes to no terminal: in a log it is not to be cut."""
RunArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[RUN_DIR]", help="The run's directory. Without it: the last run.", show_default=False),
]


@app.command("show")
def show(
    run_dir: RunArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Print a run's summary, also of one that is under way or was killed."""
    place = run_dir or latest_run()
    record = load(place)
    console = Console()
    if as_json:
        _raw(console, to_json(record).rstrip("\n"))
        return
    page = place / "report.html"
    print_summary(record, console, run_dir=place, report=page if page.is_file() else None)


@app.command("html")
def html(
    run_dir: RunArgument = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write, instead of RUN_DIR/report.html.")
    ] = None,
) -> None:
    """Write a run's page: one file that needs nothing else."""
    place = run_dir or latest_run()
    record = load(place)
    home = place if place.is_dir() else place.parent
    _raw(Console(), str(write_page(record, home, out)))


@app.command("rebuild")
def rebuild_results(run_dir: RunArgument = None) -> None:
    """Make results.json, junit.xml and the page again from events.jsonl, after a run was killed."""
    place = run_dir or latest_run()
    record = rebuild(place)
    write_junit(record, place / "junit.xml")
    page = write_page(record, place)
    console = Console()
    _raw(console, f"{place}: {plural(len(record.cases), 'case')}; {conclusion(record)}")
    if record.damaged_events:
        _raw(console, f"{plural(record.damaged_events, 'line')} of events.jsonl could not be read")
    _raw(console, str(page))


@app.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run to compare with.", show_default=False)],
    after: Annotated[
        Path | None, typer.Argument(metavar="[RUN_B]", help="Without it: the last run.", show_default=False)
    ] = None,
    across: Annotated[
        list[str] | None,
        typer.Option(help=f"Compare though this differs (repeat it): {', '.join(CIRCUMSTANCES)}.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what did not change, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say which timings became slower or faster. Exit code 0: none slower; 1: some; 2: nothing could be compared.

    A timing counts as changed when a Mann-Whitney test is sure (p below 0.002) and its median moved by more than its
    clock's least change (wall 5 %, exact 0.3 %) and than three times its own scatter.
    """
    for name in across or ():
        if name not in CIRCUMSTANCES:
            raise InputError(f"--across {name}: unknown", hint=f"There are: {', '.join(CIRCUMSTANCES)}.")
    places = before, after or latest_run()
    changes = compare_runs(load(places[0]), load(places[1]), across=frozenset(across or ()))
    if not changes.compared:
        raise InputError(_incomparable(changes, *places), hint="--across NAME compares though NAME differs.")
    if as_json:
        _raw(Console(), json.dumps(_as_data(changes), indent=1))
    else:
        print_changes(changes, Console(width=None if sys.stdout.isatty() else _WIDE), everything=everything)
    raise typer.Exit(1 if any(one.slower for one in changes.both) else 0)


def _incomparable(changes: Changes, before: Path, after: Path) -> str:
    why = "; ".join(dict.fromkeys(one.why for one in changes.both)) or "no timing is in both runs"
    return f"{before} and {after} have no timing that may be compared: {why}"


def _as_data(changes: Changes) -> dict[str, object]:
    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    rows = [
        {
            "case": one.case,
            "name": one.before.name,
            "bytes": one.before.bytes,
            "unit": one.before.unit,
            **(
                {"verdict": "not compared", "why": one.why}
                if one.found is None
                else {
                    "verdict": one.found.verdict,
                    "before": finite(one.found.before.median),
                    "after": finite(one.found.after.median),
                    "change": finite(one.found.change),
                    "least_change": finite(one.found.limit),
                    "p": finite(one.found.p),
                }
            ),
        }
        for one in changes.both
    ]
    return {"timings": rows, "gone": changes.gone, "new": changes.new, "compared_across": changes.crossed}


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of results.json."""
    _raw(Console(), json.dumps(results_schema(), indent=2))


def _raw(console: Console, text: str) -> None:
    """Text as it is: no markup, no colour, no folding."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)
