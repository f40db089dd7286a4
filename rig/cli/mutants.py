"""`rig probes mutants`: does a broken system call turn a case red? Where none does, the probe is weak."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rig.cli.output import table_console
from rig.errors import InputError
from rig.probe.manifest import load_manifests
from rig.probe.mutant_runs import Found, HostPlace, Place, ProbeReport, Verdict, run_mutants
from rig.probe.mutants import MutantFile, build_mutants, choose, load_mutants
from rig.probe.toolchain import Target
from rig.spec.image import GuestOS

_COLOURS = {Found.KILLED: "green", Found.SURVIVED: "red", Found.UNREACHED: "red", Found.UNCLEAR: "yellow"}


def mutants(
    select: Annotated[
        list[str] | None, typer.Argument(metavar="[PROBE|PROBE.MUTANT]...", help="Which; all without.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Boot this image and run them there.")] = None,
    guest: Annotated[str | None, typer.Option(help="Run them in a guest of `rig ps`.")] = None,
    jobs: Annotated[int, typer.Option("-n", min=1, help="At a time, on this host.")] = 2,
    scale: Annotated[
        float, typer.Option(min=0.001, help="Scale of the cases' deadlines; a guest's own comes on top.")
    ] = 0.5,
    at_least: Annotated[float, typer.Option(min=0, max=100, help="Percent that must be killed.")] = 90,
    list_them: Annotated[bool, typer.Option("--list", help="List them, run none.")] = False,
    mutants_dir: Annotated[Path | None, typer.Option("--mutants", help="A directory of your own mutants.")] = None,
    probes_dir: Annotated[Path | None, typer.Option("--probes", help="A directory of your own probes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Break each probe's system calls, one way at a time, and see that a case notices. On this host, or in a guest.

    Exit code 1: fewer were noticed than --at-least.
    """
    if image and guest:
        raise InputError("--image boots a guest, --guest takes one that runs: give one of them")
    files = load_mutants(load_manifests(probes_dir), mutants_dir)
    chosen = choose(files, select or ())
    files = [file for file in files if file.manifest.probe in chosen]
    if list_them:
        _list(files, as_json)
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(words: str) -> None:
        console.print(escape(words), style="dim")

    def tell(verdict: Verdict) -> None:
        by = f" by {verdict.case}: {verdict.how}" if verdict.case else f": {verdict.mutant.what}"
        console.print(
            f"[{_COLOURS[verdict.found]}]{verdict.found:9}[/] {verdict.mutant}{escape(by)} ({verdict.seconds:.1f} s)"
        )

    def run(place: Place, at_a_time: int) -> list[ProbeReport]:
        return run_mutants(files, place, chosen, jobs=at_a_time, on_verdict=tell)

    if image or guest:
        from rig.run.mutant_guests import guest_place

        with guest_place(image, guest, files, say, scale) as (place, files):
            reports = run(place, 1)
    else:
        files = [file for file in files if file.for_os(GuestOS.LINUX)]
        if not files:
            raise InputError("these mutants are not for Linux", hint="Give a guest: --image IMAGE or --guest NAME.")
        reports = run(HostPlace(build_mutants(files, Target.LINUX, say), scale), jobs)
    rate = _print(reports, as_json)
    if rate < at_least:
        raise typer.Exit(1)


def _list(files: Sequence[MutantFile], as_json: bool) -> None:
    every = [mutant for file in files for mutant in file.mutants]
    if as_json:
        rows = [{"probe": m.probe, "mutant": m.name, "what": m.what, "systems": m.systems} for m in every]
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table("mutant", "OS", "what it breaks", box=None, header_style="bold", pad_edge=False)
    for mutant in every:
        table.add_row(str(mutant), " ".join(mutant.systems), escape(mutant.what))
    table_console().print(table)


def _print(reports: Sequence[ProbeReport], as_json: bool) -> float:
    """Returns the percentage that was killed."""
    total = sum(len(report.verdicts) for report in reports)
    killed = sum(report.killed for report in reports)
    rate = 100 * killed / total if total else 0.0
    if as_json:
        typer.echo(json.dumps({"rate": rate, "probes": [_plain(report) for report in reports]}, indent=1))
        return rate
    console = table_console(highlight=False)
    table = Table("probe", "mutants", "killed", "rate", "not killed", box=None, header_style="bold", pad_edge=False)
    for column in (1, 2, 3):
        table.columns[column].justify = "right"
    for report in reports:
        others = [f"{v.mutant.name} ({v.found})" for v in report.verdicts if v.found is not Found.KILLED]
        count = len(report.verdicts)
        percent = f"{100 * report.killed / count:.0f} %" if count else ""
        table.add_row(report.probe, str(count), str(report.killed), percent, ", ".join(others))
    console.print(table)
    for report in reports:
        for case, how in report.left_out.items():
            console.print(f"[yellow]left out[/] {report.probe}.{case}, red without a mutant: {escape(how)}")
    console.print(f"kill rate {rate:.1f} %: {killed} of {total} mutants turned a case red")
    return rate


def _plain(report: ProbeReport) -> dict[str, object]:
    return {
        "probe": report.probe,
        "killed": report.killed,
        "left_out": report.left_out,
        "mutants": [
            {
                "mutant": v.mutant.name,
                "what": v.mutant.what,
                "found": v.found,
                "case": v.case,
                "how": v.how,
                "seconds": round(v.seconds, 3),
            }
            for v in report.verdicts
        ],
    }
