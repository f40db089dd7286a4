"""`rig up`, `ps`, `ssh`, `console`, `cp`, `screenshot`, `down`: boot a guest and look around in it."""

from __future__ import annotations

import json
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rig.cli.relay import relay
from rig.console.text import last_lines
from rig.deadline import Deadline
from rig.errors import InputError, TransportError
from rig.events import Event, Events
from rig.guest import GuestOptions, boot_guest
from rig.guest.registry import Registry, RunningGuest
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.machine import Network
from rig.paths import ensure, state_dir
from rig.spec import Accel, Clock

Name = Annotated[str | None, typer.Argument(metavar="[GUEST]", help="A guest of `rig ps`; the only one by default.")]
_COMMAND_SECONDS = 86_400.0
_COPY_SECONDS = 600.0


def _progress(console: Console) -> Events:
    """Events that say each boot stage as it is reached."""
    events = Events()

    def hear(event: Event) -> None:
        data = event.data
        match event.name:
            case "accel.chosen":
                console.print(f"accelerator {data['accel']}: {data['reason']}", highlight=False, markup=False)
            case "accel.failed":
                console.print(f"accelerator {data['accel']} failed: {data['reason']}", highlight=False, markup=False)
            case "boot.stage" if data["seen"]:
                console.print(f"  {data['seconds']:6.1f} s  {data['stage']}", highlight=False)

    events.listen(hear)
    return events


def up(
    image: Annotated[str, typer.Argument(help="Catalogue entry (rig images list).")] = "reference",
    name: Annotated[str | None, typer.Option(help="Name of the guest (default: the image's).")] = None,
    accel: Annotated[Accel, typer.Option(help="Accelerator.")] = Accel.AUTO,
    clock: Annotated[Clock, typer.Option(help="wall, or exact: executed instructions.")] = Clock.WALL,
    ssh_port: Annotated[int, typer.Option(min=0, max=65535, help="Loopback port; 0: a free one.")] = 0,
    memory: Annotated[int | None, typer.Option(min=64, help="RAM in MiB.")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Virtual CPUs.")] = None,
    time_factor: Annotated[float | None, typer.Option(min=0.001, help="Scale of every deadline.")] = None,
    net: Annotated[bool, typer.Option("--net", help="Let the guest reach outside.")] = False,
) -> None:
    """Boot a guest and leave it running."""
    console = Console()
    registry = Registry()
    spec = Catalogue.load().get(image)
    chosen = registry.free_name(name, spec.name)
    stored = Store().ensure(spec, console.print)
    options = GuestOptions(
        logs=ensure(state_dir() / "logs" / f"{chosen}-{time.strftime('%Y%m%d-%H%M%S')}"),
        accel=accel,
        clock=clock,
        network=Network.OPEN if net else Network.CLOSED,
        ssh_port=ssh_port,
        memory=memory,
        cpus=cpus,
        time_factor=time_factor,
        detached=True,
    )
    guest = boot_guest(stored, options, _progress(console))
    try:
        one = registry.add(chosen, guest)
    except BaseException:
        guest.close()
        raise
    guest.leave()
    ways = [f"rig ssh {chosen}"] if one.ssh_port else []
    ways += [f"rig console {chosen}", f"rig down {chosen}"]
    console.print(f"{chosen} runs: {'   '.join(ways)}", highlight=False)


def ps(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the guests that run."""
    running = Registry().all()
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in running], indent=1))
        return
    if not running:
        typer.echo("no guest runs (rig up IMAGE boots one)")
        return
    table = Table("guest", "image", "pid", "ssh port", "accel", "up", box=None, pad_edge=False)
    for one in running:
        hours = f"{(time.time() - one.started) / 60:.0f} min"
        table.add_row(one.name, one.image, str(one.pid), str(one.ssh_port or "none"), one.accel, hours)
    Console().print(table)


def ssh(
    name: Name = None,
    command: Annotated[list[str] | None, typer.Argument(help="Command to run there; a shell without one.")] = None,
) -> None:
    """Open a shell in a guest, or run a command there: `rig ssh GUEST -- uname -a`. Its exit status is kept."""
    one = Registry().get(name)
    transport = one.transport()
    try:
        if command:
            words = command[0] if len(command) == 1 else shlex.join(command)
            answer = transport.run(words, Deadline.after(_COMMAND_SECONDS), on_output=_to_screen)
            sys.stderr.buffer.write(answer.stderr)
            sys.stderr.flush()
            raise typer.Exit(answer.status)
        typer.echo("Ctrl-] leaves.", err=True)
        with transport.shell(Deadline.after(30, one.factor)) as channel:
            relay(channel)
    finally:
        transport.close()


def _to_screen(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def console(name: Name = None) -> None:
    """Join the terminal to a guest's serial console. Ctrl-] leaves."""
    one = Registry().get(name)
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.connect(str(one.console_socket))
    except OSError as fault:
        stream.close()
        raise TransportError(f"the console of {one.name} cannot be reached: {fault}") from fault
    log = one.logs / "console.log"
    typer.echo(last_lines(log.read_bytes()[-8192:], 20) if log.exists() else "", err=True)
    typer.echo(f"(console of {one.name}; the whole log: {log}; Ctrl-] leaves)", err=True)
    with stream:
        relay(stream)


def cp(
    source: Annotated[str, typer.Argument(help="PATH here, or GUEST:PATH.")],
    destination: Annotated[str, typer.Argument(help="PATH here, or GUEST:PATH.")],
) -> None:
    """Copy a file or a directory's content into a guest, or out of one."""
    from_guest, source_path = _split(source)
    to_guest, destination_path = _split(destination)
    if (from_guest is None) == (to_guest is None):
        raise InputError(
            f"one of {source!r} and {destination!r} must name a guest",
            hint="rig cp FILE GUEST:/tmp/FILE, or the reverse",
        )
    one = from_guest or to_guest
    assert one is not None
    transport = one.transport()
    deadline = Deadline.after(_COPY_SECONDS, one.factor)
    try:
        if to_guest is not None:
            transport.push(Path(source_path), destination_path, deadline)
        else:
            transport.pull(source_path, Path(destination_path), deadline)
    finally:
        transport.close()


def _split(place: str) -> tuple[RunningGuest | None, str]:
    """The guest and the path there; no guest for a path of this host (which may hold a colon after a slash)."""
    name, colon, path = place.partition(":")
    if not colon or "/" in name:
        return None, place
    return Registry().get(name or None), path or "."


def screenshot(
    name: Name = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="PNG file (default GUEST.png here).")] = None,
) -> None:
    """Write a guest's screen as PNG."""
    one = Registry().get(name)
    path = (to or Path(f"{one.name}.png")).absolute()
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such directory")
    with one.monitor() as monitor:
        monitor.execute("screendump", {"filename": str(path), "format": "png"})
    typer.echo(path)


def down(
    name: Name = None,
    every: Annotated[bool, typer.Option("--all", help="End all of them.")] = False,
) -> None:
    """End a guest. What it wrote to its disk is gone with it."""
    registry = Registry()
    for one in registry.all() if every else [registry.get(name)]:
        one.stop()
        registry.forget(one)
        typer.echo(f"{one.name} ended; its logs: {one.logs}")
