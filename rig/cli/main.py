"""The `rig` command: puts the rooms together and turns the rig's errors into one message and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from rig.cli import doctor, guests, images, probes, report, schema, test
from rig.errors import EXIT_INPUT, HostError, RigError
from rig.run.front import EXIT_INTERRUPTED

app = typer.Typer(
    help="Boots a PureDarwin (or other) guest in QEMU, runs IPC probes in it, reports outcomes and timings.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(test.test)
for _command in (guests.up, guests.ps, guests.ssh, guests.console, guests.cp, guests.screenshot, guests.down):
    app.command()(_command)
app.command()(doctor.doctor)
app.command()(schema.schema)
app.add_typer(images.app, name="images")
app.add_typer(probes.app, name="probes")
app.add_typer(report.app, name="report")


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
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Entry point."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    try:
        app()
    except RigError as fault:
        _say_error(fault)
        sys.exit(EXIT_INPUT)
    except KeyboardInterrupt:
        print("\nrig: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has gone; Python must not complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_INTERRUPTED)
    except OSError as fault:
        if fault.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        _say_error(HostError(f"the disk is full: {fault.filename or fault}", hint="Free some space (rig doctor)."))
        sys.exit(EXIT_INPUT)


def _say_error(fault: RigError) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("rig: error:", style="bold red", end=" ")
    console.print(str(fault), markup=False)


if __name__ == "__main__":
    main()
