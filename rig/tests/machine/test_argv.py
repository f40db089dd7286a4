"""The command line, fact by fact. No QEMU is started."""

import json
from pathlib import Path
from typing import Any

import pytest

from rig.errors import InputError
from rig.image.catalogue import Catalogue
from rig.machine import Launch, Network
from rig.machine.argv import build_argv
from rig.machine.firmware import UefiFirmware
from rig.machine.launch import MemoryFile
from rig.spec import Accel, Clock, Firmware, MachineSpec

FIRMWARE = UefiFirmware(Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/s/variables.qcow2"))


def argv_of(spec: MachineSpec, **rest: Any) -> list[str]:
    given: dict[str, Any] = {
        "disk": Path("/s/disk.qcow2"),
        "directory": Path("/s/rig-abc"),
        "logs": Path("/l"),
        "firmware": FIRMWARE if spec.firmware is Firmware.UEFI else None,
    }
    return build_argv(Launch(spec=spec, **(given | rest)), qmp_fd=7)


def after(argv: list[str], option: str) -> list[str]:
    """Values of an option, in order."""
    return [argv[at + 1] for at, word in enumerate(argv) if word == option]


def nodes(argv: list[str]) -> dict[str, dict[str, Any]]:
    """Block nodes by name."""
    return {node["node-name"]: node for node in map(json.loads, after(argv, "-blockdev"))}


@pytest.fixture(params=Catalogue.load().names())
def any_image(request: pytest.FixtureRequest) -> MachineSpec:
    return Catalogue.load().get(request.param).machine


def image(name: str) -> MachineSpec:
    return Catalogue.load().get(name).machine


def test_every_image_starts_paused_with_nothing_but_what_was_asked_for(any_image):
    argv = argv_of(any_image)
    assert argv[:6] == ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-S", "-display", "none"]
    assert {"-no-reboot", "-no-shutdown"} <= set(argv)
    assert after(argv, "-accel") == ["tcg,tb-size=256"]
    assert after(argv, "-name") == ["rig-abc"]
    assert not {"-daemonize", "-vnc", "-spice", "-monitor", "-serial", "-drive", "-net", "-nic"} & set(argv)


@pytest.mark.parametrize("shared", [True, False])
def test_memory_in_a_file_is_written_by_whoever_makes_a_template_alone(any_image, shared):
    """A restored guest that shared it would change every other one's."""
    argv = argv_of(any_image, memory_file=MemoryFile(Path("/t/a,b/ram"), shared=shared), incoming=not shared)
    size, share = f"{any_image.memory}M", "on" if shared else "off"
    assert after(argv, "-object") == [f"memory-backend-file,id=ram,mem-path=/t/a,,b/ram,size={size},share={share}"]
    assert "memory-backend=ram" in after(argv, "-machine")[0].split(",")
    assert after(argv, "-incoming") == ([] if shared else ["defer"])
    assert "-object" not in argv_of(any_image) and "memory-backend" not in after(argv_of(any_image), "-machine")[0]


def test_resets_are_written_down_by_tcg():
    written = argv_of(image("reference"))
    assert after(written, "-d") == ["cpu_reset"] and after(written, "-D") == ["/l/cpu.log"]
    assert "-d" not in argv_of(image("reference"), accel=Accel.KVM)
    # QEMU would not start.
    assert "-D" not in argv_of(image("reference"), logs=Path("/l/50%"))


def test_no_image_reaches_outside_and_only_this_host_reaches_in(any_image):
    argv = argv_of(any_image)
    assert after(argv, "-netdev") == ["user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22"]
    card = f"{any_image.nic},netdev=net0,mac=52:54:00:12:34:56,romfile="
    assert [device for device in after(argv, "-device") if "netdev=" in device] == [card]


def test_the_network_is_opened_only_when_asked_for():
    argv = argv_of(MachineSpec(), network=Network.OPEN, ssh_port=2222, guest_ssh_port=2022)
    assert after(argv, "-netdev") == ["user,id=net0,restrict=off,ipv6=off,hostfwd=tcp:127.0.0.1:2222-:2022"]
    argv = argv_of(MachineSpec(), ssh_port=2222, guest_address="10.0.2.99")
    assert after(argv, "-netdev") == ["user,id=net0,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:2222-10.0.2.99:22"]


def test_a_machine_without_a_card_has_no_network():
    argv = argv_of(MachineSpec(nic="none"))
    assert after(argv, "-netdev") == []
    assert not any("netdev" in device for device in after(argv, "-device"))


def test_monitors_and_console(any_image):
    argv = argv_of(any_image)
    assert after(argv, "-chardev") == [
        "socket,id=qmp,fd=7",
        "socket,id=qmp2,path=/s/rig-abc/qmp.sock,server=on,wait=off",
        "socket,id=console,path=/s/rig-abc/console.sock,server=on,wait=off,logfile=/l/console.log,logappend=on",
    ]
    assert after(argv, "-mon") == ["chardev=qmp,mode=control", "chardev=qmp2,mode=control"]
    assert "isa-serial,chardev=console,index=0" in after(argv, "-device")


def test_the_reference_image():
    argv = argv_of(image("reference"))
    assert after(argv, "-machine") == ["q35,graphics=off"]
    assert after(argv, "-cpu") == ["Penryn,+rdrand"]
    assert (after(argv, "-m"), after(argv, "-smp"), after(argv, "-rtc")) == (["256M"], ["1"], ["base=utc"])
    assert list(nodes(argv)) == ["disk0"]
    assert after(argv, "-icount") == []


def test_the_xnu20_image_boots_from_uefi_on_ahci():
    argv = argv_of(image("puredarwin-xnu20"))
    assert after(argv, "-machine") == ["q35,pflash0=flash-code,pflash1=flash-variables"]
    flash = nodes(argv)
    assert flash["flash-code"]["read-only"] is flash["flash-code"]["file"]["read-only"] is True
    assert flash["flash-code"]["file"]["filename"] == str(FIRMWARE.code)
    assert flash["flash-variables"]["file"] == {
        "driver": "file",
        "filename": "/s/variables.qcow2",
        "read-only": False,
    }
    devices = after(argv, "-device")
    assert devices.index("ich9-ahci,id=ahci") < devices.index("ide-hd,drive=disk0,bus=ahci.0,bootindex=0")


def test_the_17_4_image_boots_from_bios_on_ide():
    argv = argv_of(image("puredarwin-17.4"))
    assert after(argv, "-machine") == ["pc"]
    assert "ide-hd,drive=disk0,bus=ide.0,unit=0,bootindex=0" in after(argv, "-device")
    assert not any("ahci" in word for word in argv)
    assert after(argv, "-m") == ["2048M"]


def test_an_overlays_flushes_stay_off_this_hosts_disk():
    assert nodes(argv_of(MachineSpec()))["disk0"]["cache"] == {"direct": False, "no-flush": True}


def test_paths_of_any_shape_arrive_whole():
    odd = Path('/s/a b,c"d\\e=f')
    argv = argv_of(MachineSpec(), directory=odd, logs=odd, disk=odd / "disk", extra_disks=(odd / "more",))
    assert nodes(argv)["disk0"]["file"]["filename"] == str(odd / "disk")
    assert nodes(argv)["disk1"]["file"]["filename"] == str(odd / "more")
    (console,) = [value for value in after(argv, "-chardev") if "id=console" in value]
    escaped = str(odd).replace(",", ",,")
    assert f"path={escaped}/console.sock,server" in console and f"logfile={escaped}/console.log,logappend" in console
    assert after(argv, "-name") == ['a b,,c"d\\e=f']


def test_more_disks_come_in_order_each_on_a_place_of_its_own():
    extra = tuple(Path(f"/s/{number}") for number in range(3))
    ahci = [d for d in after(argv_of(MachineSpec(), extra_disks=extra), "-device") if d.startswith("ide-hd")]
    assert ahci[1:] == [f"ide-hd,drive=disk{number},bus=ahci.{number}" for number in (1, 2, 3)]
    ide = MachineSpec(board="pc", disk="ide")
    places = [d.split("disk")[1] for d in after(argv_of(ide, extra_disks=extra), "-device") if d.startswith("ide-hd")]
    assert places == [
        "0,bus=ide.0,unit=0,bootindex=0",
        "1,bus=ide.0,unit=1",
        "2,bus=ide.1,unit=0",
        "3,bus=ide.1,unit=1",
    ]
    with pytest.raises(InputError, match=r"machine\.disk ide has room for 4 disks, found 5"):
        argv_of(ide, extra_disks=(*extra, Path("/s/4")))
    with pytest.raises(InputError, match=r"machine\.disk ahci has room for 6 disks, found 7"):
        argv_of(MachineSpec(), extra_disks=(*extra, *extra))


def test_the_exact_clock_counts_instructions_in_every_clock():
    argv = argv_of(MachineSpec(), clock=Clock.EXACT)
    assert after(argv, "-icount") == ["shift=0,sleep=off"]
    assert after(argv, "-rtc") == ["base=utc,clock=vm"]


@pytest.mark.parametrize(
    ("spec", "rest", "said"),
    [
        ({"cpus": 2}, {"clock": Clock.EXACT}, "needs TCG and one CPU, found tcg and machine.cpus: 2"),
        ({}, {"clock": Clock.EXACT, "accel": Accel.KVM}, "needs TCG and one CPU, found kvm and machine.cpus: 1"),
        ({"firmware": "uefi"}, {"firmware": None}, "no UEFI firmware was given"),
        ({}, {"accel": Accel.AUTO}, "the accelerator must be chosen"),
    ],
)
def test_contradictions_are_told_before_anything_starts(spec, rest, said):
    with pytest.raises(InputError, match=said):
        argv_of(MachineSpec(**spec), **rest)


def test_screen_keyboard_accelerator_and_the_users_own_arguments():
    spec = MachineSpec(display="vmware", keyboard="usb", rtc="localtime", extra_args=("-d", "int"))
    argv = argv_of(spec, accel=Accel.KVM, binary="/opt/qemu")
    assert argv[0] == "/opt/qemu" and argv[-2:] == ["-d", "int"]
    assert {"vmware-svga", "qemu-xhci,id=xhci", "usb-kbd,bus=xhci.0"} <= set(after(argv, "-device"))
    assert (after(argv, "-accel"), after(argv, "-rtc")) == (["kvm"], ["base=localtime"])
    assert not {"VGA", "cirrus-vga"} & set(after(argv_of(MachineSpec(display="none")), "-device"))
