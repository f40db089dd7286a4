"""`rig probes`: what probes there are, compiling them, and checking them without a guest."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from rig.cli.analyze import analyze
from rig.cli.mutants import mutants
from rig.cli.output import table_console
from rig.cli.show import plain, plain_table, show
from rig.cli.table import table
from rig.errors import HostError, InputError, ToolchainError
from rig.probe.manifest import load_manifests, select
from rig.probe.toolchain import Target
from rig.spec.image import GuestOS

if TYPE_CHECKING:
    from rig.probe.abi import Report

app = typer.Typer(help="Probes: list, show, compile, check.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Probes = Annotated[list[str] | None, typer.Argument(metavar="[PROBE]...", help="Probes or mechanisms; all without.")]


_WIDE = 100
"""Columns of a terminal that has room for summaries beside the rest."""


class TargetChoice(StrEnum):
    """What `--target` takes."""

    LINUX = "linux"
    DARWIN = "darwin"
    ALL = "all"

    @property
    def targets(self) -> list[Target]:
        """The targets meant."""
        return list(Target) if self is TargetChoice.ALL else [Target.for_os(GuestOS(self.value))]


@app.command("list")
def list_probes(as_json: Json = False) -> None:
    """List all probes."""
    manifests = load_manifests()
    if as_json:
        typer.echo(json.dumps([plain(manifest) for manifest in manifests], indent=1))
        return
    console = table_console()
    wide = console.width >= _WIDE
    table = plain_table("probe", "mechanism", "cases", "timings", "OS", *["summary"] * wide)
    table.columns[1].no_wrap = True
    for column in (2, 3):
        table.columns[column].justify = "right"
    for m in manifests:
        counts = (str(len(m.cases)), str(len(m.timings) or ""))
        table.add_row(m.probe, m.mechanism, *counts, " ".join(m.systems), *[escape(m.summary)] * wide)
    console.print(table)
    cases = sum(len(m.cases) for m in manifests)
    mechanisms = len({m.mechanism for m in manifests})
    console.print(f"{len(manifests)} probes, {mechanisms} mechanisms, {cases} cases", highlight=False)


app.command()(show)


@app.command()
def build(
    probes: Probes = None,
    target: Annotated[TargetChoice, typer.Option(help="The guest's OS.")] = TargetChoice.ALL,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Copy them to DIR/linux and DIR/darwin.")] = None,
    as_json: Json = False,
) -> None:
    """Compile probes. What is compiled already is taken from the cache."""
    from rig.probe.checkup import build_all

    manifests = select(load_manifests(), probes or ())
    built = build_all(manifests, target.targets, _say)
    rows = [(kind.os.value, probe, path) for kind, found in built.items() for probe, path in sorted(found.items())]
    if out is not None:
        rows = [(os, probe, _copied(path, out / os / probe)) for os, probe, path in rows]
    if as_json:
        typer.echo(
            json.dumps([{"target": os, "probe": probe, "path": str(path)} for os, probe, path in rows], indent=1)
        )
        return
    console = Console()
    for os, probe, path in rows:
        size = f"{path.stat().st_size / 1024:.0f} KB"
        console.print(f"{os:6}  {probe:12}  {size:>7}  {escape(str(path))}", soft_wrap=True, highlight=False)


@app.command()
def check(
    probes: Probes = None,
    exports: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="Hold imports against this libSystem: an SDK's directory, a dylib, a .tbd or a list of names.",
        ),
    ] = None,
    update_fixture: Annotated[
        bool, typer.Option("--update-fixture", help="Record what these libSystems have of the names probes import.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compile all probes, hold them against their manifests, and see that every Darwin would load them."""
    from rig.paths import agent_dir
    from rig.probe import libsystem
    from rig.probe.agent import EXECUTABLE, build_agent
    from rig.probe.checkup import build_all, checkup
    from rig.probe.exports import read_exports

    manifests = load_manifests()
    if update_fixture and probes:
        raise InputError("--update-fixture is for all probes at once", hint="Leave the probes' names out.")
    lists = {name: read_exports(path) for name, path in map(_named_path, exports or ())}
    fixture = libsystem.load_fixture()
    chosen = select(manifests, probes or ())
    built = build_all(chosen, list(Target), _say)
    if not probes and agent_dir().is_dir():  # a checkout with probes alone is held against what it has
        for target, executables in built.items():
            executables[EXECUTABLE] = build_agent(target.os, _say)
    if update_fixture:
        imports = checkup(chosen, built, None).imports
        fixture = libsystem.update_fixture(fixture, lists, imports)
        _say(f"wrote {libsystem.write_fixture(fixture)}")
    if lists and not update_fixture:
        symbols = libsystem.Symbols.given(lists, fixture)
    else:
        symbols = libsystem.Symbols.recorded(fixture, str(libsystem.fixture_path()))
    found = checkup(chosen, built, symbols if symbols.lists else None)
    if as_json:
        typer.echo(json.dumps({"lists": list(symbols.lists), **asdict(found)}, indent=1))
    else:
        _print_checkup(found.reports, symbols.lists)
    if found.faults:
        count = f"{len(found.faults)} faults" if len(found.faults) > 1 else "1 fault"
        raise ToolchainError(f"{count} in the probes:\n" + "\n".join(f"  {fault}" for fault in found.faults))


def _print_checkup(reports: Sequence[Report], lists: Iterable[str]) -> None:
    table = plain_table("probe", "target", "KB", "strong", "weak", "")
    for column in (2, 3, 4):
        table.columns[column].justify = "right"
    for report in reports:
        darwin = report.target is Target.DARWIN
        imports = (str(len(report.strong)), str(len(report.weak))) if darwin else ("", "")
        verdict = "[red]faults[/]" if report.faults else "[green]fit[/]"
        table.add_row(report.probe, report.target.os.value, f"{report.size / 1024:.0f}", *imports, verdict)
    console = table_console()
    console.print(table)
    against = ", ".join(lists) or "nothing: no libSystem is recorded here, so give one (--exports)"
    console.print(f"imports held against {against}", highlight=False)


def _named_path(given: str) -> tuple[str, Path]:
    """`NAME=PATH`, or a path that gives its own name."""
    name, equals, rest = given.partition("=")
    if not equals or Path(given).exists():
        name, rest = re.sub(r"[^a-z0-9._-]+", "-", Path(given).stem.lower()).strip("-.") or "given", given
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise InputError(f"--exports: found the name {name!r}", hint="A name has small letters, digits, `.`, `_`, `-`.")
    return name, Path(rest).expanduser()


def _copied(source: Path, to: Path) -> Path:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, to)
        to.chmod(0o755)
    except OSError as fault:
        raise HostError(f"cannot write {to}: {fault.strerror or fault}") from fault
    return to


def _say(words: str) -> None:
    """Progress goes to stderr: stdout may be read by a machine."""
    Console(stderr=True).print(escape(words), style="dim", highlight=False, soft_wrap=True)


app.command()(table)
app.command()(analyze)
app.command()(mutants)
