"""The `rig` command: puts the rooms together and turns the rig's errors into one message and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Annotated, Any

import typer

from rig.cli.lazy import LazyGroup
from rig.cli.output import open_what_is_closed
from rig.errors import EXIT_INPUT, EXIT_INTERRUPTED, HostError, RigError

COMMANDS = {
    "test": ("rig.cli.test", "test", "Boot a guest, run the probes in it, report."),
    "up": ("rig.cli.guests", "up", "Boot a guest and leave it running."),
    "ps": ("rig.cli.ps", "ps", "List the guests that run."),
    "ssh": ("rig.cli.guests", "ssh", "Open a shell in a guest, or run a command there: `rig ssh GUEST -- uname -a`."),
    "console": ("rig.cli.guests", "console", "Join the terminal to a guest's serial console."),
    "cp": ("rig.cli.guests", "cp", "Copy a file or a directory's content into a guest, or out of one."),
    "screenshot": ("rig.cli.guests", "screenshot", "Write a guest's screen as PNG."),
    "gdb": ("rig.cli.debug", "gdb", "Attach gdb to a guest's CPUs."),
    "dump": ("rig.cli.debug", "dump", "Write a guest's whole memory as an ELF core, for gdb, lldb or crash."),
    "down": ("rig.cli.guests", "down", "End a guest."),
    "doctor": ("rig.cli.doctor", "doctor", "Look at this machine."),
    "schema": ("rig.cli.schema", "schema", "Print a JSON Schema."),
    "images": ("rig.cli.images", "app", "Guest images: list, fetch, inspect, import, build, verify, remove."),
    "templates": ("rig.cli.templates", "app", "Warm templates that guests are restored from: list, remove."),
    "probes": ("rig.cli.probes", "app", "Probes: list, show, compile, check."),
    "panic": ("rig.cli.panic", "panic", "Find the kernel panics in logs or runs, with their signatures."),
    "report": ("rig.cli.report", "app", "Look at a run again: as a page, in the terminal, from its events."),
}

app = typer.Typer(
    cls=LazyGroup.of(COMMANDS),
    help="Boots a PureDarwin (or other) guest in QEMU, runs IPC probes in it, reports outcomes and timings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rig {version('puredarwin-rig')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Options of `rig` itself."""


def _terminate(*_: Any) -> None:
    """SIGTERM and SIGHUP end the rig as Ctrl-C does: in order, with nothing left behind."""
    # Once is enough: a second one must not cut the cleaning up short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Entry point."""
    open_what_is_closed()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup rig ...
        signal.signal(signal.SIGHUP, _terminate)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except RigError as fault:
        _say_error(fault)
        sys.exit(EXIT_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        _forget_output()
        sys.exit(EXIT_INTERRUPTED)
    except OSError as fault:
        if fault.errno not in _THE_HOSTS:
            raise
        where = f"{fault.filename}: " if fault.filename else ""
        full = fault.errno in {errno.ENOSPC, errno.EDQUOT}
        hint = "Free some space (rig doctor tells where)." if full else ""
        _say_error(HostError(f"{where}{os.strerror(fault.errno or 0)}", hint=hint))
        sys.exit(EXIT_INPUT)


_THE_HOSTS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EIO,
}
"""What a machine can lack at any moment, and no part of the rig foresees at each place."""


def _forget_output() -> None:
    """Whoever read the output has gone; Python must not complain about it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_error(fault: RigError) -> None:
    from rich.console import Console

    # No emoji: `a.yaml:100: ...` has one to rich.
    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    console.print("rig: error:", style="bold red", end=" ")
    console.print(str(fault), markup=False)


if __name__ == "__main__":
    main()
