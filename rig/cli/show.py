"""`rig probes show`: one case from its contract to its C and the kernel's source, or a probe's cases in a table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rig.cli.output import table_console
from rig.errors import RigError
from rig.probe.manifest import CaseKind, ProbeManifest, find_case, load_manifests
from rig.probe.sources import case_places, kernel_sources, manifest_place
from rig.spec.image import GuestOS


@dataclass(frozen=True)
class LastRun:
    """What the last run on this machine found of a case."""

    run: str
    outcome: str
    guest: str
    via: str | None = None
    reason: str = ""


def show(
    name: Annotated[str, typer.Argument(metavar="CASE", help="probe.case, a case's own name if unique, or a probe.")],
    probes: Annotated[
        Path | None, typer.Option("--probes", metavar="DIR", help="A directory of your own probes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a case means, where that is written, where its C is, and what each OS is expected to do."""
    manifests = load_manifests(probes)
    if probe := next((m for m in manifests if m.probe == name), None):
        _show_probe(probe, as_json)
        return
    manifest, case = find_case(manifests, name)
    spec = manifest.cases[case]
    place, written, last = case_places(manifest).get(case), manifest_place(manifest, case), _last_run(manifest, case)
    links = kernel_sources(spec.source)
    if as_json:
        found = {"probe": manifest.probe, "case": case, "mechanism": manifest.mechanism, **spec.model_dump(mode="json")}
        found |= {"at": str(place) if place else None, "manifest": str(written), "read": links}
        typer.echo(json.dumps({**found, "last": asdict(last) if last else None}, indent=1))
        return
    told = [("case", f"{manifest.probe}.{case} ({manifest.mechanism})"), ("what", spec.what), ("source", spec.source)]
    told += [("read", f"{link} {words}".rstrip()) for link, words in links.items()]
    told += [(f"on {os.value}", _expected(manifest, case, os)) for os in GuestOS]
    told += [
        ("kind", f"{spec.kind.value}, deadline {spec.deadline:g} s"),
        ("manifest", str(written)),
        ("C", str(place) if place else "made by a macro: no line of its own"),
        ("run it", f"rig test {manifest.probe}.{case}"),
    ]
    if last is not None:
        via = f", via {last.via}" if last.via else ""
        why = f": {last.reason}" if last.reason else ""
        told.append(("last run", f"{last.outcome}{via}, on {last.guest}{why} ({last.run})"))
    _print_pairs(told)


def _expected(manifest: ProbeManifest, case: str, os: GuestOS) -> str:
    expectation = manifest.cases[case].expectation(os)
    why = manifest.reason(case, os) if str(expectation) != "pass" else ""
    return f"{expectation}{f': {why}' if why else ''}"


def _last_run(manifest: ProbeManifest, case: str) -> LastRun | None:
    """None where there was no run, it cannot be read, or it had no such case: that is no fault here."""
    from rig.result import latest_run, load

    try:
        place = latest_run()
        record = load(place)
    except RigError:
        return None
    result = next((one for one in record.cases if one.id == f"{manifest.probe}.{case}"), None)
    if result is None:
        return None
    guest = record.guest(result.guest)
    facts = guest.facts if guest is not None else None
    kernel = f"{facts.os} {facts.release}" if facts else record.image.os
    return LastRun(
        run=str(place),
        outcome=str(result.outcome),
        guest=f"{record.image.name} ({kernel})",
        via=result.via,
        reason=result.reason,
    )


def _show_probe(manifest: ProbeManifest, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(plain(manifest), indent=1))
        return
    told = [("probe", f"{manifest.probe} version {manifest.version}: {manifest.summary}")]
    if manifest.only is not None:
        told.append(("only on", f"{manifest.only.os.value}: {manifest.only.reason}"))
    told += [("manifest", str(manifest.path)), *(("C", str(path)) for path in manifest.source_paths)]
    _print_pairs(told)
    shown = plain_table("case", *(os.value for os in GuestOS), "kind", "what")
    for name, spec in manifest.cases.items():
        expected = (str(spec.expectation(os)) for os in GuestOS)
        shown.add_row(name, *expected, "" if spec.kind is CaseKind.FUNCTIONAL else spec.kind.value, escape(spec.what))
    table_console().print(shown)


def plain(manifest: ProbeManifest) -> dict[str, Any]:
    """A manifest as JSON holds it."""
    return {
        **manifest.model_dump(mode="json"),
        "systems": list(manifest.systems),
        "kinds": Counter(case.kind.value for case in manifest.cases.values()),
        "path": str(manifest.path),
    }


def plain_table(*headings: str) -> Table:
    """A table without lines, whose first column is never broken."""
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    return table


def _print_pairs(told: list[tuple[str, str]]) -> None:
    """Names and values, a line each: not in a table, which would break paths and addresses that one wants to copy."""
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    width = max(len(label) for label, _ in told)
    for label, value in told:
        console.print(f"[bold]{label:{width}}[/]  {escape(value)}")
