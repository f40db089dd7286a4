"""One disk and one machine for every peer: what the rig itself would boot, in the words of plain QEMU options."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from rig.bench.frame import Bed, write
from rig.errors import InputError, RigError
from rig.guest import GuestOptions, boot_guest
from rig.image import qemuimg
from rig.image.overlay import create_overlay
from rig.image.status import StoredImage
from rig.paths import ensure
from rig.probe.bundle import Bundle
from rig.spec import Accel, Firmware, MachineSpec

LTP_ROOT = "/opt/ltp"
"""Where kirk looks for tests when it is not told otherwise."""
PLACE = f"{LTP_ROOT}/testcases/bin"
SUITE = "rig"


def prepare_disk(bed: Bed, disk: Path, stored: StoredImage, bundle: Bundle, commands: Mapping[str, str]) -> None:
    """Write `disk`: the image with the rig's key, the probes, and a list of them as LTP has it.

    All of it beforehand, for kirk cannot put files into a guest. `commands` are lines for the
    guest's shell, by probe. Raises what a boot raises.
    """
    where = ensure(bed.directory)
    runtest = where / SUITE
    write(runtest, "".join(f"{name} {command}\n" for name, command in commands.items()))
    bed.say("a disk for the peers: the image with the rig's key and the probes in it")
    with boot_guest(stored, GuestOptions(logs=where / "guest", accel=Accel.TCG)) as guest:
        guest.push(bundle.dir, PLACE, seconds=600)
        listed = f"{LTP_ROOT}/runtest/{SUITE}"
        guest.push(runtest, listed)
        synced = guest.run(f"sync; wc -l <{listed}")
        if synced.text.strip() != str(len(commands)):
            raise RigError(f"the probes did not reach the peers' disk: {synced.text}")
        guest.machine.stop(soft_seconds=10.0)
        disk.unlink(missing_ok=True)
        qemuimg.differences(guest.machine.launch.disk, disk, stored.disk)


def fresh_disk(base: Path, at: Path) -> Path:
    """An overlay for one run."""
    at.unlink(missing_ok=True)
    return create_overlay(base, at)


def machine_type(spec: MachineSpec) -> str:
    """As after `-machine`."""
    return f"{spec.board},graphics=off" if spec.firmware_serial else spec.board


def devices(spec: MachineSpec, disk: Path, forward: tuple[int, int] | None = None) -> list[str]:
    """Disk, network and screen as the rig gives them to its guests. `forward`: host's and guest's port.

    Raises `InputError` for a machine that the peers cannot be given.
    """
    if spec.firmware is not Firmware.BIOS:
        raise InputError("the peers are measured on machines with BIOS alone", hint="Use --image reference.")
    if any(character in str(disk) for character in ":, "):
        raise InputError(f"{disk}: the peers take no path with a colon, a comma or a space", hint="Use --dir.")
    argv = ["-nodefaults", "-no-user-config", "-no-reboot"]
    argv += ["-drive", f"if=none,id=disk0,format=qcow2,cache=unsafe,file={disk}"]
    if spec.disk == "ahci":
        argv += ["-device", "ich9-ahci,id=ahci"]
    bus = "ahci.0" if spec.disk == "ahci" else "ide.0"
    argv += ["-device", f"ide-hd,drive=disk0,bus={bus},bootindex=0"]
    if spec.nic != "none":
        way = "" if forward is None else f",hostfwd=tcp:127.0.0.1:{forward[0]}-:{forward[1]}"
        argv += ["-netdev", f"user,id=net0,restrict=on,ipv6=off{way}", "-device", f"{spec.nic},netdev=net0,romfile="]
    if spec.display == "std":
        argv += ["-device", "VGA"]
    return argv


def free_port() -> int:
    """A TCP port of the loopback that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
