"""`rig report`: look at a run again, from the record in its directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rig.report import print_summary, write_page
from rig.report.words import conclusion, plural
from rig.result import latest_run, load, rebuild, results_schema
from rig.result.rundir import to_json

app = typer.Typer(no_args_is_help=True, help="Look at a run again: as a page, in the terminal, from its events.")

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
    """Make results.json and the page again from events.jsonl, after a run was killed."""
    place = run_dir or latest_run()
    record = rebuild(place)
    page = write_page(record, place)
    console = Console()
    _raw(console, f"{place}: {plural(len(record.cases), 'case')}; {conclusion(record)}")
    if record.damaged_events:
        _raw(console, f"{plural(record.damaged_events, 'line')} of events.jsonl could not be read")
    _raw(console, str(page))


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of results.json."""
    _raw(Console(), json.dumps(results_schema(), indent=2))


def _raw(console: Console, text: str) -> None:
    """Text as it is: no markup, no colour, no folding."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)
