"""`rig ps`: which guests run. A file of its own, because all else that is done with guests brings SSH along."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.table import Table

from rig.cli.output import table_console
from rig.guest.registry import Registry


def ps(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the guests that run."""
    registry = Registry()
    running = registry.all()
    for path in registry.damaged:
        typer.echo(f"{path}: cannot be read; a guest may run that is not listed here", err=True)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in running], indent=1))
        return
    if not running:
        typer.echo("no guest runs (rig up IMAGE boots one)")
        return
    from rig.report.words import seconds

    table = Table("guest", "image", "pid", "ssh port", "accel", "up", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"  # a name is there to be typed
    for one in running:
        port = str(one.ssh_port or "none")
        table.add_row(one.name, one.image, str(one.pid), port, one.accel, seconds(time.time() - one.started))
    table_console().print(table)
