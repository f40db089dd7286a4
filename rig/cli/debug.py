"""`rig gdb`, `rig dump`: look inside a guest that runs or is held."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rig.cli.guests import Name
from rig.errors import HostError, InputError
from rig.guest.registry import Registry, RunningGuest
from rig.guest.standstill import run_state
from rig.image import space
from rig.machine.qmp import Monitor

_DUMP_SECONDS = 600.0


def gdb(
    name: Name = None,
    symbols: Annotated[Path | None, typer.Option(help="Kernel with symbols, for gdb to read.")] = None,
    command: Annotated[list[str] | None, typer.Option("-x", "--ex", help="A gdb command, then leave gdb.")] = None,
) -> None:
    """Attach gdb to a guest's CPUs. A guest that stood still before stands still behind it."""
    one = Registry().get(name)
    if symbols is not None and not symbols.is_file():
        raise InputError(f"{symbols}: no such file", hint="Give the kernel's file: vmlinux, or a Mach-O kernel.")
    with stub(one) as place:
        argv = gdb_command(place, symbols, command or [])
        if shutil.which(argv[0]) is None:
            raise HostError("gdb is not installed", hint=f"apt-get install gdb; it is called as: {shlex.join(argv)}")
        # Ctrl-C is gdb's: it stops the guest.
        done = subprocess.run(argv, check=False)
    raise typer.Exit(done.returncode)


@contextmanager
def stub(one: RunningGuest) -> Iterator[Path]:
    """QEMU's gdb stub on a socket of the guest's own directory, within the block; then the guest is as it was."""
    place = one.directory / "gdb.sock"
    with one.monitor() as monitor:
        # A held guest need not be "paused": one that asked for a reset is "shutdown", and cannot go on.
        stood = run_state(monitor) is not None
        said = monitor.human(f"gdbserver unix:{place},server=on,wait=off").strip()
        if not place.is_socket():
            raise HostError(f"QEMU opened no gdb stub for {one.name}: {said or 'it said nothing'}")
    try:
        yield place
    finally:
        with one.monitor() as monitor:
            monitor.human("gdbserver none")
            _as_it_was(monitor, stood=stood)
        place.unlink(missing_ok=True)


def _as_it_was(monitor: Monitor, *, stood: bool) -> None:
    """gdb lets a guest run when it leaves, and holds it when it is killed."""
    monitor.execute("stop" if stood else "cont")


def gdb_command(place: Path, symbols: Path | None, commands: list[str]) -> list[str]:
    """gdb's command line: quiet, without questions; with `commands` it runs those and leaves."""
    argv = ["gdb", "-q", "-nx", *(["-batch"] if commands else [])]
    if symbols is not None:
        argv.append(str(symbols))
    for line in ("set confirm off", "set architecture i386:x86-64", f"target remote {place}", *commands):
        argv += ["-ex", line]
    return argv


def dump(
    name: Name = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="ELF core file (default GUEST.core here).")] = None,
) -> None:
    """Write a guest's whole memory as an ELF core, for gdb, lldb or crash."""
    one = Registry().get(name)
    path = (to or Path(f"{one.name}.core")).absolute()
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such directory")
    if path.exists():
        raise InputError(f"{path}: exists already", hint="Name another file: -o FILE")
    with one.monitor() as monitor:
        size = int(monitor.execute("query-memory-size-summary")["base-memory"])
        space.require(path, size, "write the guest's memory")
        try:
            # Where QEMU cannot write on, it says so in its answer.
            monitor.execute("dump-guest-memory", {"paging": False, "protocol": f"file:{path}"}, seconds=_DUMP_SECONDS)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    typer.echo(path)
    typer.echo(f"{path.stat().st_size >> 20} MiB; for example: gdb -q KERNEL {shlex.quote(str(path))}", err=True)
