"""`rig probes table`: the mechanisms, what is probed of each, and what that rests on."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from rig.cli.output import table_console
from rig.errors import InputError
from rig.probe.manifest import load_manifests
from rig.probe.table import HEADINGS, Row, check, make_rows, markdown, total, write


class Format(StrEnum):
    """How it is printed."""

    RICH = "rich"
    MARKDOWN = "markdown"
    JSON = "json"


def table(
    form: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.RICH,
    to_check: Annotated[
        Path | None,
        typer.Option("--check", metavar="FILE", help="See that the table in this Markdown file is this one."),
    ] = None,
    to_write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Renew the table in this Markdown file.")
    ] = None,
    probes: Annotated[
        Path | None, typer.Option("--probes", metavar="DIR", help="A directory of your own probes.")
    ] = None,
) -> None:
    """The table of mechanisms: probes, cases, timings, what each OS is expected to do, sources."""
    if to_check and to_write:
        raise InputError("--check looks, --write changes: give one of them")
    rows = make_rows(load_manifests(probes))
    if to_check:
        check(to_check, rows)
        typer.echo(f"{to_check}: the table is that of the manifests")
    elif to_write:
        typer.echo(f"{to_write}: {'renewed' if write(to_write, rows) else 'the table was that of the manifests'}")
    elif form is Format.JSON:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=1))
    elif form is Format.MARKDOWN:
        typer.echo(markdown(rows), nl=False)
    else:
        _print(rows)


def _print(rows: list[Row]) -> None:
    shown = Table(*HEADINGS, box=None, header_style="bold", pad_edge=False)
    for narrow in shown.columns:
        narrow.overflow = "fold"  # no count is cut off
    shown.columns[0].no_wrap = True
    for column in (2, 3):
        shown.columns[column].justify = "right"
    for row in rows:
        shown.add_row(*row.cells())
    shown.add_row(*total(rows).cells(), style="bold")
    table_console().print(shown)
