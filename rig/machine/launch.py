"""What one start of a machine needs beside its spec: the accelerator chosen, the disk, the ways in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rig.machine.firmware import UefiFirmware
from rig.spec import Accel, Clock, MachineSpec


class Network(StrEnum):
    """closed: only the forwarded ports. open: the guest also reaches outside through the host."""

    CLOSED = "closed"
    OPEN = "open"


@dataclass(frozen=True)
class MemoryFile:
    """Guest RAM in a file of its own. shared: what the guest writes goes into the file; else only into this QEMU."""

    path: Path
    shared: bool = False


@dataclass(frozen=True)
class Launch:
    """One start. `directory` is private to it and goes with it; `logs` stays. The disk is written to."""

    spec: MachineSpec
    disk: Path
    directory: Path
    logs: Path
    accel: Accel = Accel.TCG
    clock: Clock = Clock.WALL
    network: Network = Network.CLOSED
    ssh_port: int = 0
    """Loopback port forwarded to the guest's; 0 lets QEMU choose a free one."""
    guest_ssh_port: int = 22
    guest_address: str = ""
    """Where that port is; empty: the address that QEMU's DHCP server gives first."""
    firmware: UefiFirmware | None = None
    """For UEFI: `variables` is this start's own qcow2 copy."""
    binary: str = "qemu-system-x86_64"
    extra_disks: tuple[Path, ...] = field(default=())
    """Further disks on the same controller, raw, written to."""

    memory_file: MemoryFile | None = None
    """None: anonymous memory."""
    incoming: bool = False
    """Nothing is booted: the machine's state is loaded (`rig.machine.migration.load_state`) before it may run."""
    keep_fds: tuple[int, ...] = ()
    """Descriptors that QEMU holds open for as long as it runs, such as the claim on its image."""

    @property
    def console_socket(self) -> Path:
        """Unix socket of the serial console."""
        return self.directory / "console.sock"

    @property
    def qmp_socket(self) -> Path:
        """Unix socket of a second monitor, for processes other than the one that started QEMU."""
        return self.directory / "qmp.sock"

    @property
    def console_log(self) -> Path:
        """QEMU's own log of every byte that the guest sent to its console.

        A byte may stand in it twice: QEMU writes it down each time that it tries to send it, and tries again when the
        console's reader has no room (chardev/char.c, qemu_chr_write_buffer). What the reader gets is exact.
        """
        return self.logs / "console.log"

    @property
    def qemu_log(self) -> Path:
        """QEMU's standard output and error."""
        return self.logs / "qemu.log"

    @property
    def cpu_log(self) -> Path:
        """What TCG writes of each reset of a CPU, and of a triple fault."""
        return self.logs / "cpu.log"
