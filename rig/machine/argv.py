"""Spec to argv: the one place that knows QEMU's options. A list, never a shell string."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rig.errors import InputError
from rig.machine.launch import Launch, Network
from rig.spec import Accel, Clock, Firmware

_DISKS = {"ahci": 6, "ide": 4}
"""Disks that each controller takes."""


def build_argv(launch: Launch, *, qmp_fd: int) -> list[str]:
    """The whole command line. QEMU starts paused (-S), with nothing that was not asked for (-nodefaults).

    Raises `InputError` for a spec whose parts exclude each other.
    """
    spec = launch.spec
    _refuse_contradictions(launch)
    argv = [launch.binary, "-nodefaults", "-no-user-config", "-S", "-display", "none"]
    argv += ["-name", _escaped(launch.directory.name)]
    argv += ["-machine", _machine(launch), "-accel", _accel(launch), "-cpu", _cpu(launch)]
    argv += ["-smp", str(spec.cpus), "-m", f"{spec.memory}M", *_memory(launch)]
    if launch.clock is Clock.EXACT:
        # Time is executed instructions, the clock chip's too; without sleep=off an idle guest would wait in wall time.
        argv += ["-rtc", f"base={spec.rtc},clock=vm", "-icount", "shift=0,sleep=off"]
    else:
        argv += ["-rtc", f"base={spec.rtc}"]
    argv += _monitors(launch, qmp_fd)
    argv += _console(launch)
    argv += _flash(launch)
    argv += _disks(launch)
    argv += _net(launch)
    if spec.display != "none":
        argv += ["-device", {"std": "VGA", "vmware": "vmware-svga", "cirrus": "cirrus-vga"}[spec.display]]
    if spec.keyboard == "usb":
        argv += ["-device", "qemu-xhci,id=xhci", "-device", "usb-kbd,bus=xhci.0"]
    # A guest that resets itself (triple fault, panic with reboot) must not start over unseen: the reset becomes a
    # SHUTDOWN event, and the machine stays to be looked at.
    argv += ["-no-reboot", "-no-shutdown"]
    # QMP has one word for every reset; this log alone tells a triple fault. QEMU takes no per cent sign in its name.
    if launch.accel is Accel.TCG and "%" not in str(launch.cpu_log):
        argv += ["-d", "cpu_reset", "-D", str(launch.cpu_log)]
    if launch.incoming:
        argv += ["-incoming", "defer"]
    return argv + list(spec.extra_args)


def check_clock(clock: Clock, accel: Accel, cpus: int) -> None:
    """Refuse a clock that the rest does not go with. Raises `InputError`."""
    if clock is Clock.EXACT and (cpus != 1 or accel not in {Accel.TCG, Accel.AUTO}):
        raise InputError(
            f"the exact clock needs TCG and one CPU, found {accel} and machine.cpus: {cpus}",
            hint="Use --clock wall, or --accel tcg with cpus: 1.",
        )


def _refuse_contradictions(launch: Launch) -> None:
    spec = launch.spec
    check_clock(launch.clock, launch.accel, spec.cpus)
    if spec.firmware is Firmware.UEFI and launch.firmware is None:
        raise InputError("machine.firmware is uefi, but no UEFI firmware was given", hint="apt-get install ovmf")
    if len(launch.extra_disks) >= _DISKS[spec.disk]:
        raise InputError(
            f"machine.disk {spec.disk} has room for {_DISKS[spec.disk]} disks, found {1 + len(launch.extra_disks)}"
        )


def _machine(launch: Launch) -> str:
    options: list[str] = [launch.spec.board]
    if launch.spec.firmware is Firmware.UEFI:
        options += ["pflash0=flash-code", "pflash1=flash-variables"]
    elif launch.spec.firmware_serial:
        # SeaBIOS's sercon: QEMU turns it on for machines that say they have no graphics (docs of SeaBIOS, sercon-port).
        options.append("graphics=off")
    if launch.memory_file is not None:
        options.append("memory-backend=ram")
    return ",".join(options)


def _memory(launch: Launch) -> list[str]:
    if launch.memory_file is None:
        return []
    share = "on" if launch.memory_file.shared else "off"
    path = _escaped(launch.memory_file.path)
    return ["-object", f"memory-backend-file,id=ram,mem-path={path},size={launch.spec.memory}M,share={share}"]


def _accel(launch: Launch) -> str:
    if launch.accel is Accel.AUTO:
        raise InputError("the accelerator must be chosen before QEMU starts")
    return "tcg,tb-size=256" if launch.accel is Accel.TCG else str(launch.accel)


def _cpu(launch: Launch) -> str:
    # `enforce` is left out on purpose: TCG lacks features of each named model and says so on its standard error.
    return launch.spec.cpu


def _monitors(launch: Launch, qmp_fd: int) -> list[str]:
    return [
        *("-chardev", f"socket,id=qmp,fd={qmp_fd}"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=qmp2,path={_escaped(launch.qmp_socket)},server=on,wait=off"),
        *("-mon", "chardev=qmp2,mode=control"),
    ]


def _console(launch: Launch) -> list[str]:
    return [
        "-chardev",
        f"socket,id=console,path={_escaped(launch.console_socket)},server=on,wait=off,"
        f"logfile={_escaped(launch.console_log)},logappend=on",
        *("-device", "isa-serial,chardev=console,index=0"),
    ]


def _flash(launch: Launch) -> list[str]:
    if launch.spec.firmware is not Firmware.UEFI or launch.firmware is None:
        return []
    code = {"driver": "raw", "node-name": "flash-code", "read-only": True, "file": _file(launch.firmware.code, True)}
    variables = {"driver": "qcow2", "node-name": "flash-variables", "file": _file(launch.firmware.variables)}
    return [*_blockdev(code), *_blockdev(variables)]


def _disks(launch: Launch) -> list[str]:
    spec = launch.spec
    # Overlays are thrown away: the guest's flushes need not reach this host's disk.
    cache = {"direct": False, "no-flush": True}
    boot = {"driver": "qcow2", "node-name": "disk0", "file": _file(launch.disk), "cache": cache}
    argv = _blockdev(boot)
    if spec.disk == "ahci":
        argv += ["-device", "ich9-ahci,id=ahci"]
    # bootindex: with a network card present OVMF would otherwise end in its shell.
    argv += ["-device", f"ide-hd,drive=disk0,{_place(spec.disk, 0)},bootindex=0"]
    for number, path in enumerate(launch.extra_disks, start=1):
        node = {"driver": "raw", "node-name": f"disk{number}", "file": _file(path), "cache": cache}
        argv += [*_blockdev(node), "-device", f"ide-hd,drive=disk{number},{_place(spec.disk, number)}"]
    return argv


def _place(controller: str, number: int) -> str:
    """AHCI has a bus for each disk, IDE two disks on each of its two."""
    return f"bus=ahci.{number}" if controller == "ahci" else f"bus=ide.{number // 2},unit={number % 2}"


def _net(launch: Launch) -> list[str]:
    spec = launch.spec
    if spec.nic == "none":
        return []
    restrict = "off" if launch.network is Network.OPEN else "on"
    forward = f"hostfwd=tcp:127.0.0.1:{launch.ssh_port}-{launch.guest_address}:{launch.guest_ssh_port}"
    # romfile= : no network boot, and one thing fewer that firmware runs.
    return [
        *("-netdev", f"user,id=net0,restrict={restrict},ipv6=off,{forward}"),
        *("-device", f"{spec.nic},netdev=net0,mac={spec.mac},romfile="),
    ]


def _file(path: Path, read_only: bool = False) -> dict[str, Any]:
    return {"driver": "file", "filename": str(path), "read-only": read_only}


def _blockdev(node: dict[str, Any]) -> list[str]:
    return ["-blockdev", json.dumps(node)]


def _escaped(text: str | Path) -> str:
    """QEMU's option syntax doubles commas."""
    return str(text).replace(",", ",,")
