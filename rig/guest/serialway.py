"""What the serial transport needs to know of an image: kept for a guest that outlives the process that booted it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rig.spec import ConsoleSpec, Dialect, ImageSpec, LoginSpec
from rig.spec.base import Spec

if TYPE_CHECKING:  # the registry of guests knows this, and wants no transport with it
    from rig.console import Console
    from rig.guest.serial import SerialTransport


class SerialWay(Spec):
    """The parts of an image's entry that decide how its console is used."""

    dialect: Dialect
    console: ConsoleSpec
    login: LoginSpec
    disks: tuple[str, ...]
    workdir: str
    tar: bool | None = None

    @classmethod
    def of(cls, spec: ImageSpec) -> SerialWay:
        """That of an image."""
        return cls(
            dialect=spec.dialect,
            console=spec.console,
            login=spec.login,
            disks=spec.serial_disks,
            workdir=spec.workdir,
            tar=spec.has.get("tar"),
        )

    def transport(self, console: Console, directory: Path, factor: float, *, owned: bool = False) -> SerialTransport:
        """The transport over a console of a guest whose disks lie in `directory`. Raises `HostError`."""
        from rig.console import ConsoleShell
        from rig.guest.disks import Disks
        from rig.guest.serial import SerialTransport

        return SerialTransport(
            console,
            Disks.open(directory),
            lambda: ConsoleShell(console, self.console, self.login, factor),
            self.disks,
            directory=f"{self.workdir.rstrip('/')}/.rig",
            input_rate=self.console.input_rate,
            tar=self.tar,
            factor=factor,
            owned=owned,
        )

    def join(self, socket: Path, directory: Path, factor: float) -> SerialTransport:
        """The transport of a guest that runs; its end leaves the console. Raises `TransportError`, `HostError`."""
        from rig.console import Console, Watch

        console = Console.connect(socket, Watch(self.dialect), input_rate=self.console.input_rate)
        try:
            return self.transport(console, directory, factor, owned=True)
        except BaseException:
            console.close()
            raise
