"""The emulated machine: what QEMU is asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rig.spec.base import Spec

Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]


class Firmware(StrEnum):
    """What runs before the loader."""

    BIOS = "bios"
    UEFI = "uefi"


class Accel(StrEnum):
    """How instructions are executed. `auto`: the best one that has been seen to boot a kernel on this host."""

    AUTO = "auto"
    KVM = "kvm"
    HVF = "hvf"
    TCG = "tcg"


class Clock(StrEnum):
    """wall: ordinary time. exact: TCG with -icount, one vCPU, so that time is executed instructions."""

    WALL = "wall"
    EXACT = "exact"


class MachineSpec(Spec):
    """One emulated machine. The defaults are the shape that both PureDarwin kernels have drivers for."""

    board: Literal["q35", "pc"] = "q35"
    """QEMU machine type."""
    cpu: str = "Penryn"
    """QEMU CPU model with its flags, as after `-cpu`. With KVM `host` is not used: Darwin reads the vendor."""
    cpus: Annotated[int, Field(ge=1, le=64)] = 1
    """Virtual CPUs. One under TCG: Darwin's commpage timing window does not hold with more."""
    memory: Annotated[int, Field(ge=64, le=1 << 20)] = 512
    """Guest RAM in MiB."""
    firmware: Firmware = Firmware.BIOS
    """bios: SeaBIOS. uefi: OVMF, its code read-only and a private copy of its variables."""
    firmware_serial: bool = False
    """For bios: the text screen of firmware and loader goes to the serial line, too, and keys come from it."""
    disk: Literal["ahci", "ide"] = "ahci"
    """The controller of the boot disk. Darwin has no virtio."""
    nic: Literal["e1000-82545em", "e1000", "rtl8139", "pcnet", "none"] = "e1000-82545em"
    """Network card, `none` for a machine without."""
    mac: Mac = "52:54:00:12:34:56"
    """Pinned, so that the guest's interface keeps its name."""
    display: Literal["std", "vmware", "cirrus", "none"] = "std"
    """Graphics card: what `rig screenshot` sees. The BIOS loaders of Darwin speak on the screen only."""
    keyboard: Literal["ps2", "usb"] = "ps2"
    """What key presses reach the guest through; usb adds an xHCI controller."""
    rtc: Literal["utc", "localtime"] = "utc"
    """What the emulated clock chip shows."""
    extra_args: tuple[str, ...] = ()
    """Arguments passed to QEMU as they are, last."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.firmware is Firmware.UEFI and self.board != "q35":
            raise ValueError(f"firmware uefi goes with board q35, found board {self.board}")
        if self.disk == "ide" and self.board != "pc":
            raise ValueError(f"disk ide goes with board pc, found board {self.board}; q35 takes ahci")
        return self
