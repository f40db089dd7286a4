"""`rig templates`: the warm templates that guests are restored from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from rig.cli.output import table_console
from rig.errors import InputError
from rig.guest.templates import Templates, limit_bytes

app = typer.Typer(help="Warm templates that guests are restored from: list, remove.", no_args_is_help=True)

_GIB = 1 << 30


@app.command("list")
def list_templates(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the templates, those used last first."""
    templates = Templates()
    found = templates.all()
    if as_json:
        rows = [
            {"bytes": one.size, "last_used": one.last_used, **one.meta.model_dump(mode="json", exclude={"files"})}
            for one in found
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    console, limit = table_console(), limit_bytes()
    for why in templates.failures():
        console.print(f"a kind of guest is booted each time: {escape(why)} (rig templates rm --all: try again)")
    if not found:
        console.print("no template yet: the first guest of each kind makes one", highlight=False)
        return
    table = Table(
        "key", "image", "with", "accel", "clock", "MiB", "used", box=None, header_style="bold", pad_edge=False
    )
    for one in found:
        facts = one.meta.facts
        layers = ", ".join(name.partition(": ")[2] for name in facts if name.startswith("layer "))
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last_used))
        size = f"{one.size / (1 << 20):.0f}"
        row = (one.meta.key, one.meta.image, layers, facts.get("accelerator", ""), facts.get("clock", ""), size, used)
        table.add_row(*map(escape, row))
    console.print(table)
    total = sum(one.size for one in found) / _GIB
    console.print(f"{total:.2f} GiB of at most {limit / _GIB:g} GiB (RIG_TEMPLATES_GIB)", highlight=False)


@app.command()
def rm(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY...", help="Keys of `rig templates list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them, and what is known of guests to be saved.")] = False,
) -> None:
    """Remove templates. Guests that were restored from them run on; the next one makes a new template."""
    templates = Templates()
    found = {one.meta.key: one for one in templates.all()}
    if bool(keys) == every:
        raise InputError("name templates to remove, or give --all", hint="rig templates list")
    chosen = list(found) if every else [_whole(key, found) for key in keys or ()]
    for key in dict.fromkeys(chosen):
        templates.remove(key, "asked for")
    notes = templates.forget_failures() if every else 0
    count = len(set(chosen)) + (templates.remove_damaged() if every else 0)
    more = f"; {notes} kinds of guest that could not be saved will be tried again" if notes else ""
    typer.echo(f"removed {count} template{'s' if count != 1 else ''}{more}")


def _whole(key: str, found: Iterable[str]) -> str:
    """The one key that begins so. Raises `InputError`."""
    alike = [one for one in found if key and one.startswith(key)]
    if len(alike) != 1:
        what = f"{len(alike)} templates' keys begin with" if alike else "there is no template"
        raise InputError(f"{what} {key!r}", hint="rig templates list")
    return alike[0]
