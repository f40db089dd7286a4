"""`rig up`, `ssh`, `console`, `cp`, `screenshot`, `down`: boot a guest and look around in it."""

from __future__ import annotations

import contextlib
import shlex
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from typer.core import TyperCommand

from rig.cli.relay import relay
from rig.console.text import last_lines
from rig.deadline import Deadline
from rig.errors import HostError, InputError, RigError, TransportError, TransportTimeout
from rig.events import Event, Events
from rig.guest import GuestOptions
from rig.guest.bootargs import asked
from rig.guest.commands import CommandTransport
from rig.guest.registry import Registry, RunningGuest
from rig.guest.serial import SerialTransport
from rig.guest.ssh import SshTransport
from rig.guest.standstill import standstill
from rig.guest.warm import ready_guest
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.machine import Network
from rig.machine.argv import check_clock
from rig.paths import ensure, state_dir
from rig.probe.agent import build_agent
from rig.spec import Accel, Clock, PanicMode, TransportChoice

Name = Annotated[str | None, typer.Argument(metavar="[GUEST]", help="A guest of `rig ps`; the only one by default.")]
_REACH_SECONDS = 30.0
_WITHOUT_END = 1e9
_COPY_SECONDS = 600.0


def _say(console: Console, words: str) -> None:
    from rig.report.console import say  # its room brings statistics along, which most verbs can do without

    say(console, words)


def _progress(console: Console) -> Events:
    """Events that say each boot stage as it is reached."""
    events = Events()

    def hear(event: Event) -> None:
        data = event.data
        match event.name:
            case "accel.chosen":
                _say(console, f"accelerator {data['accel']}: {data['reason']}")
            case "accel.failed":
                _say(console, f"accelerator {data['accel']} failed: {data['reason']}")
            case "template.make.started":
                _say(console, "no warm template of this kind yet: one is made of a first boot")
            case "template.waiting":
                _say(console, "another process makes the warm template of this kind: waiting for it")
            case "template.removed" | "template.unused":
                _say(console, f"warm template not used: {data['reason']}")
            case "template.restore.failed":
                _say(console, f"the restored guest was lost, once more: {data['reason']}")
            case "boot.stage" if data["seen"]:
                _say(console, f"  {data['seconds']:6.1f} s  {data['stage']}")

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
    time_factor: Annotated[float | None, typer.Option(min=0.001, max=1000, help="Scale of every deadline.")] = None,
    transport: Annotated[
        TransportChoice, typer.Option(help="The way in: auto is what the image has; serial does without a network.")
    ] = TransportChoice.AUTO,
    net: Annotated[bool, typer.Option("--net", help="Let the guest reach outside.")] = False,
    cold: Annotated[bool, typer.Option("--cold", help="Boot; use no warm template.")] = False,
    panic: Annotated[
        PanicMode | None, typer.Option(help="What the kernel does once it has panicked (Darwin's debug= flag).")
    ] = None,
    boot_args: Annotated[str, typer.Option(help="Kernel flags beside the image's own: '-v keepsyms=1'.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Keep what it writes to its disk when it ends.")] = False,
) -> None:
    """Boot a guest and leave it running."""
    console = Console()
    registry = Registry()
    spec = Catalogue.load().get(image)
    check_clock(clock, accel, cpus or spec.machine.cpus)
    stored = Store().ensure(spec, lambda words: _say(console, words))
    with registry.reserve(name, spec.name) as chosen:
        options = GuestOptions(
            logs=_new_logs(chosen),
            accel=accel,
            clock=clock,
            network=Network.OPEN if net else Network.CLOSED,
            ssh_port=ssh_port,
            memory=memory,
            cpus=cpus,
            time_factor=time_factor,
            detached=True,
            cold=cold,
            transport=transport,
            agent=build_agent,
            flags=asked(panic, boot_args),
            keep=keep,
        )
        guest = ready_guest(stored, options, _progress(console))
        try:
            guest.set_clock()
            one = registry.add(chosen, guest)
        except BaseException:
            guest.close()
            raise
        guest.leave()
    ways = [f"rig ssh {chosen}"] if one.ssh_port else [f"rig ssh {chosen} -- COMMAND"] if one.serial else []
    ways += [f"rig console {chosen}", f"rig down {chosen}"]
    _say(console, f"{chosen} runs: {'   '.join(ways)}")


def _new_logs(name: str) -> Path:
    """A directory that no other guest writes to."""
    parent = ensure(state_dir() / "logs")
    try:
        return Path(tempfile.mkdtemp(prefix=f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-", dir=parent))
    except OSError as fault:
        raise HostError(f"{parent}: {fault.strerror}", hint="Check the path and its rights.") from fault


class GuestFirst(TyperCommand):
    """A command that takes a guest and more: where the dashes come first, the guest is the only one that runs."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """An empty name stands for the guest that was left out."""
        return super().parse_args(ctx, ["--", "", *args[1:]] if args[:1] == ["--"] else args)


def ssh(
    name: Name = None,
    command: Annotated[list[str] | None, typer.Argument(help="Command to run there; a shell without one.")] = None,
) -> None:
    """Open a shell in a guest, or run a command there: `rig ssh GUEST -- uname -a`. Its exit status is kept."""
    one = Registry().get(name or None)
    if one.serial is not None and not command:
        raise InputError(f"guest {one.name} has no SSH, so no terminal but its console", hint=f"rig console {one.name}")
    with _transport(one) as transport:
        if command:
            words = command[0] if len(command) == 1 else shlex.join(command)
            answer = transport.run(
                words, Deadline.after(_WITHOUT_END), on_output=_to(sys.stdout), on_error=_to(sys.stderr), keep=False
            )
            if answer.killed_by:
                typer.echo(f"rig: the command was killed by SIG{answer.killed_by} in the guest", err=True)
            raise typer.Exit(answer.status)
        assert isinstance(transport, SshTransport)
        typer.echo("Ctrl-] leaves.", err=True)
        with transport.shell(Deadline.after(_REACH_SECONDS)) as channel:
            relay(channel)


ssh.command_class = GuestFirst  # type: ignore[attr-defined]  # rig.cli.lazy reads it


@contextlib.contextmanager
def _transport(one: RunningGuest) -> Iterator[SshTransport | SerialTransport]:
    """A connection that is there: a guest that stands still is told at once, a silent one in bounded time."""
    why = standstill(one)
    if why is not None:
        raise TransportError(
            f"guest {one.name} stands still: {why}",
            hint=f"Look inside: rig gdb {one.name}, rig console {one.name}; end it: rig down {one.name}",
        )
    transport = one.transport()
    try:
        transport.connect(Deadline.after(_REACH_SECONDS, one.factor), lost=lambda: not one.alive)
    except TransportTimeout as fault:
        transport.close()
        raise TransportTimeout(
            f"guest {one.name} does not answer: {fault.message}",
            hint=f"Is somebody else at its console?  rig console {one.name}"
            if one.serial
            else f"Look at its console: rig console {one.name}",
        ) from fault
    except BaseException:
        transport.close()
        raise
    try:
        yield transport
    finally:
        transport.close()


def _to(stream: TextIO) -> Callable[[bytes], None]:
    """Bytes to the screen as they are."""

    def write(data: bytes) -> None:
        stream.buffer.write(data)
        stream.buffer.flush()

    return write


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
    with contextlib.suppress(OSError):
        typer.echo(last_lines(log.read_bytes()[-8192:], 20), err=True)
    typer.echo(f"(console of {one.name}; the whole log: {log}; Ctrl-] leaves)", err=True)
    with stream:
        if one.serial is not None:
            stream.sendall(b"\x03")  # the rig's agent leaves the console to the shell
        relay(stream)


def cp(
    source: Annotated[str, typer.Argument(help="PATH here, or GUEST:PATH.")],
    destination: Annotated[str, typer.Argument(help="PATH here, or GUEST:PATH.")],
) -> None:
    """Copy a file or a directory's content into a guest, or out of one."""
    if not source or not destination:
        raise InputError(
            "an empty path was given", hint="rig cp FILE GUEST:/tmp/FILE, or the reverse; . is this directory"
        )
    from_guest, source_path = _split(source)
    to_guest, destination_path = _split(destination)
    if (from_guest is None) == (to_guest is None):
        raise InputError(
            f"one of {source!r} and {destination!r} must name a guest",
            hint="rig cp FILE GUEST:/tmp/FILE, or the reverse",
        )
    one = from_guest or to_guest
    assert one is not None
    if to_guest is not None and not Path(source_path).exists():
        raise InputError(f"{source_path}: no such file or directory")
    with _transport(one) as transport:
        deadline = Deadline.after(_COPY_SECONDS, one.factor)

        def lost() -> bool:
            return not one.alive

        if to_guest is not None:
            into = not Path(source_path).is_dir() and _is_directory(transport, destination_path, deadline)
            if into:
                destination_path = f"{destination_path.rstrip('/')}/{Path(source_path).resolve().name}"
            transport.push(Path(source_path), destination_path, deadline, lost=lost)
        else:
            transport.pull(source_path, Path(destination_path), deadline, lost=lost)


def _is_directory(transport: CommandTransport, path: str, deadline: Deadline) -> bool:
    return path.endswith("/") or transport.run(f"test -d {shlex.quote(path)}", deadline).ok


def _split(place: str) -> tuple[RunningGuest | None, str]:
    """The guest and the path there; no guest for a path of this host (which may hold a colon after a slash)."""
    name, colon, path = place.partition(":")
    if not colon or "/" in name:
        return None, place
    try:
        return Registry().get(name or None), path or "."
    except InputError as fault:
        if not Path(place).exists():
            raise
        raise InputError(fault.message, hint=f"For the file of that name here: ./{place}") from fault


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
    keep: Annotated[
        bool | None, typer.Option("--keep/--drop", help="Keep what it wrote to its disk (default: as rig up was told).")
    ] = None,
) -> None:
    """End a guest. What it wrote to its disk is gone with it, unless that is kept."""
    registry = Registry()
    faults: list[RigError] = []
    for one in registry.all() if every else [registry.get(name)]:
        try:
            kept = (one if keep is None else one.model_copy(update={"keep": keep})).stop()
        except RigError as fault:
            faults.append(fault)
            continue
        registry.forget(one)
        typer.echo(f"{one.name} ended; its logs: {one.logs}")
        if kept is not None:
            typer.echo(f"its disk, over the image's: {kept}")
    if faults:
        raise faults[0]
