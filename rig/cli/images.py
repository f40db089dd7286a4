"""`rig images`: what images there are, and how they come, go and are checked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rig.cli.output import table_console
from rig.cli.progress import download_bar
from rig.errors import ImageError
from rig.events import Events
from rig.image.catalogue import Catalogue
from rig.image.importing import import_image
from rig.image.inspect import words
from rig.image.inspect.look import look_into
from rig.image.space import human
from rig.image.status import ImageStatus, State, StoredImage, checksum_words, how_to_get
from rig.image.store import Say, Store
from rig.spec import ImageSpec, SourceKind

app = typer.Typer(help="Guest images: list, fetch, inspect, import, build, verify, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="An entry of the catalogue, or the path of a YAML file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_ABSENT = {
    SourceKind.DOWNLOAD: "not fetched",
    SourceKind.IMPORT: "not imported",
    SourceKind.BUILD: "not built",
}
_COLOURS = {State.READY: "green", State.ABSENT: "dim", State.STALE: "yellow", State.DAMAGED: "red"}


@contextmanager
def _at_work() -> Iterator[tuple[Store, Say, Console]]:
    console, events = Console(), Events()
    with download_bar(events, console):
        yield Store(events=events), lambda words: console.print(escape(words), soft_wrap=True, highlight=False), console


@app.command("list")
def list_images(as_json: Json = False) -> None:
    """List all images: the catalogue's and your own."""
    catalogue, store = Catalogue.load(), Store()
    found = [(spec, store.status(spec)) for spec in map(catalogue.get, catalogue.names())]
    if as_json:
        rows = [{"os": spec.os, "kind": spec.source.kind, **_plain(status)} for spec, status in found]
        broken = [{"name": name, "error": str(fault)} for name, fault in sorted(catalogue.broken.items())]
        typer.echo(json.dumps({"images": rows, "broken": broken}, indent=1))
        return
    table = Table("name", "os", "source", "status", "size", "checksum", box=None, header_style="bold", pad_edge=False)
    table.columns[0].overflow = "fold"  # a name is there to be typed
    for spec, status in found:
        size = human(status.size) if status.size is not None else ""
        table.add_row(spec.name, spec.os, spec.source.kind, _state(spec, status), size, status.checksum)
    console = table_console()
    console.print(table)
    for spec, status in found:
        if status.note:
            console.print(f"{spec.name}: {escape(status.note)}", soft_wrap=True, highlight=False)
    for _, fault in sorted(catalogue.broken.items()):
        console.print(f"[red]not readable:[/red] {escape(fault.message)}", soft_wrap=True, highlight=False)


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show everything known of one image, and how to get it."""
    catalogue, store = Catalogue.load(), Store()
    spec = catalogue.get(name)
    status = store.status(spec)
    if as_json:
        typer.echo(json.dumps({**_plain(status), "spec": spec.model_dump(mode="json")}, indent=1))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _told(spec, status, catalogue.origin(name) or Path(name)):
        table.add_row(label, value)
    table_console().print(table)


@app.command()
def fetch(name: Name) -> None:
    """Bring an image: download it, or build it. An image that is there and sound is left alone."""
    spec = Catalogue.load().get(name)
    with _at_work() as (store, say, console):
        _done(console, store.ensure(spec, say), store)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A raw, qcow2 or vmdk disk image, or an xz, gz or zip of one.")],
    like: Annotated[
        str | None, typer.Option(help="The entry that it is an image of, or is like; without: the one that fits.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Make a new entry of this name instead.")] = None,
    ssh_key: Annotated[Path | None, typer.Option(help="The private key that opens it; the store keeps a copy.")] = None,
    replace: Annotated[bool, typer.Option(help="Take it although another file was imported before.")] = False,
    force: Annotated[bool, typer.Option(help="Take it although it does not fit the entry.")] = False,
) -> None:
    """Import your own disk image. It is looked into first, and refused where it cannot boot; FILE is only read."""
    with _at_work() as (store, say, console):
        image = import_image(
            store,
            Catalogue.load(),
            file,
            like=like,
            name=name,
            ssh_key=ssh_key,
            replace=replace,
            force=force,
            say=say,
        )
        _done(console, image, store)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A raw, qcow2 or vmdk disk image, or an xz, gz or zip of one.")],
    as_json: Json = False,
) -> None:
    """Look into a disk image: tables, file systems, loaders, kernels, and which entry it fits. FILE is only read."""
    store, console = Store(), Console(stderr=as_json)
    with store.bench(lambda words: console.print(escape(words), soft_wrap=True, highlight=False)) as bench:
        look = look_into(file, bench, Catalogue.load())
    if as_json:
        typer.echo(json.dumps(words.as_json(look.survey, look.fits, look.sha256), indent=1))
        return
    for line in (*words.told(look.survey), *words.judged(look.fits), *words.next_steps(file, look.fitting)):
        console.print(escape(line), soft_wrap=True, highlight=False)


@app.command()
def build(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An image that the rig builds.")] = "reference",
    force: Annotated[bool, typer.Option(help="Build it again although nothing has changed.")] = False,
) -> None:
    """Build an image from this host's packages, if it is not there or what it is made of has changed."""
    spec = Catalogue.load().get(name)
    with _at_work() as (store, say, console):
        again = force or spec.source.kind is not SourceKind.BUILD
        _done(console, store.rebuild(spec, say) if again else store.ensure(spec, say), store)


@app.command()
def verify(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One image; all that are there without.")] = None,
) -> None:
    """Read stored images in full and compare them with their recorded checksums."""
    catalogue, store, console = Catalogue.load(), Store(), Console()
    names = [name] if name else [known for known in store.names() if known in catalogue.names()]
    faults: list[ImageError] = []
    for each in names:
        try:
            status = store.verify(catalogue.get(each))
            console.print(f"{each}: intact, sha256 {status.sha256}", soft_wrap=True, highlight=False)
        except ImageError as fault:
            faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise ImageError("\n".join(fault.message for fault in faults), hint=faults[0].hint)
    if not names:
        console.print("no images are in the store")


@app.command("rm")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    entry: Annotated[bool, typer.Option("--entry", help="Also delete your own catalogue entry of that name.")] = False,
) -> None:
    """Remove an image with its key and recorded checksum. Refused while a guest runs on it."""
    catalogue = Catalogue.load()
    with _at_work() as (store, say, console):
        users = catalogue.is_users(name)
        if name in store.names() or not (entry and users):
            store.remove(name, say)
            console.print(f"removed image {escape(name)}")
        origin = catalogue.origin(name)
        if entry and users and origin is not None:
            origin.unlink(missing_ok=True)
            console.print(f"removed entry {escape(str(origin))}", soft_wrap=True)
        elif entry:
            raise ImageError(f"{name} is no entry of your own", hint="Entries that ship with the rig stay.")
        elif users:
            console.print(f"its entry stays: {escape(str(origin))} (rm --entry deletes it)", soft_wrap=True)


def _state(spec: ImageSpec, status: ImageStatus) -> str:
    words = _ABSENT[spec.source.kind] if status.state is State.ABSENT else status.state.value
    return f"[{_COLOURS[status.state]}]{words}[/]"


def _plain(status: ImageStatus) -> dict[str, Any]:
    """A status as JSON holds it."""
    return {
        "name": status.name,
        "state": status.state,
        "note": status.note,
        "checksum": status.checksum,
        "sha256": status.sha256,
        "size": status.size,
        "virtual_size": status.virtual_size,
        "disk": str(status.disk) if status.disk else None,
        "key": str(status.key) if status.key else None,
        "origin": status.record.origin if status.record else None,
        "at": status.record.at if status.record else None,
    }


def _told(spec: ImageSpec, status: ImageStatus, entry: Path) -> Iterator[tuple[str, str]]:
    machine, record = spec.machine, status.record
    yield "image", f"[bold]{spec.name}[/]: {escape(spec.summary)}"
    yield "system", f"{spec.os} {spec.release or ''}".strip()
    yield "status", _state(spec, status) + (f": {escape(status.note)}" if status.note else "")
    if status.state is not State.READY:
        yield "how", escape(how_to_get(spec))
    yield "checksum", checksum_words(spec, record)
    if record is not None:
        yield "came from", escape(f"{record.origin}, {human(record.source_size)}, on {record.at}")
    if status.disk and status.size is not None and status.virtual_size is not None:
        yield "disk", escape(f"{status.disk} ({human(status.size)}; {human(status.virtual_size)} for the guest)")
    if status.key:
        yield "SSH key", escape(str(status.key))
    yield "source", escape(f"{spec.source.kind} {spec.source.url or spec.source.builder or ''}".strip())
    yield (
        "machine",
        f"{machine.board}, {machine.firmware}, {escape(machine.cpu)}, {machine.cpus} CPU, {machine.memory} MiB, "
        f"{machine.disk} disk, {machine.nic} network",
    )
    yield "boot stages", ", ".join(stage.name for stage in spec.boot.stages)
    yield "transports", ", ".join(spec.transports)
    if spec.has:
        yield "known", ", ".join(f"{key}: {'yes' if there else 'no'}" for key, there in spec.has.items())
    for note in spec.notes:
        yield "note", escape(note)
    yield "entry", escape(str(entry))


def _done(console: Console, image: StoredImage, store: Store) -> None:
    status = store.status(image.spec, ask_builder=False)
    size = f", {human(status.size)}" if status.size is not None else ""
    key = "" if image.key is None else f"; SSH key kept at {image.key}"
    console.print(
        escape(f"image {image.spec.name} is ready{size}, sha256 {image.digest}{key}"), soft_wrap=True, highlight=False
    )
