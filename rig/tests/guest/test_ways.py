from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from rig.errors import InputError
from rig.guest import GuestOptions
from rig.guest.ways import check_way_in, chosen_way, disks_of, machine_of
from rig.machine import Network
from rig.spec import ImageSpec, TransportChoice, TransportKind
from rig.tests.guest.fakes import FakeStored, make_spec

SHELL = {"kind": "shell"}
NONE = {"kind": "none"}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"program")
    return path


def options(tmp_path: Path, transport: str = "auto", **changed: Any) -> GuestOptions:
    changed = {"agent": lambda _: tmp_path / "program"} | changed
    return GuestOptions(tmp_path / "logs", transport=TransportChoice(transport), **changed)


def image(*transports: str, **changed: Any) -> ImageSpec:
    return make_spec(**{"transports": transports, "login": SHELL} | changed)


@pytest.mark.parametrize(
    ("transports", "asked", "login", "found"),
    [
        (("ssh", "serial"), "auto", SHELL, "ssh"),
        (("serial", "ssh"), "auto", SHELL, "serial"),
        (("serial", "ssh"), "auto", NONE, "ssh"),
        (("serial",), "auto", NONE, None),
        (("ssh", "serial"), "serial", SHELL, "serial"),
        (("serial", "ssh"), "ssh", SHELL, "ssh"),
    ],
)
def test_the_way_is_what_the_image_has(
    transports: tuple[str, ...], asked: str, login: dict[str, str], found: str | None, tmp_path: Path
) -> None:
    assert chosen_way(image(*transports, login=login), options(tmp_path, asked)) == found
    assert chosen_way(image(*transports), options(tmp_path, asked, console_only=True)) is None


def test_without_an_agent_serial_is_no_choice(tmp_path: Path) -> None:
    assert chosen_way(image("serial", "ssh"), options(tmp_path, agent=None)) is TransportKind.SSH
    with pytest.raises(InputError, match="needs the rig's agent"):
        chosen_way(image("serial"), options(tmp_path, "serial", agent=None))


def test_a_way_that_is_not_there_is_told_before_the_boot(tmp_path: Path) -> None:
    stored: Any = FakeStored(image("serial"), tmp_path / "disk", None)
    with pytest.raises(InputError, match="image fake is not reached by ssh, only by: serial"):
        check_way_in(stored, options(tmp_path, "ssh"))
    stored = FakeStored(image("serial", login=NONE), tmp_path / "disk", None)
    with pytest.raises(InputError, match="console takes no input, so there is no serial transport"):
        check_way_in(stored, options(tmp_path, "serial"))


def test_a_serial_guest_has_two_disks_more_and_no_card(tmp_path: Path, program: Path) -> None:
    stored: Any = FakeStored(image("ssh", "serial"), tmp_path / "disk", None)
    serial, ssh = options(tmp_path, "serial"), options(tmp_path, "ssh")
    assert machine_of(stored, serial).nic == "none"
    assert machine_of(stored, ssh).nic == stored.spec.machine.nic != "none"
    assert machine_of(stored, options(tmp_path, "serial", network=Network.OPEN)).nic == stored.spec.machine.nic
    payload, scratch = disks_of(stored, serial, tmp_path)
    with payload.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
        assert archive.getnames() == ["rig-agent"]
    assert scratch.exists()
    assert disks_of(stored, ssh, tmp_path) == ()


def test_devices_follow_the_system_unless_named() -> None:
    assert image("serial").serial_disks[0] == "/dev/sda"
    assert image("serial", os="darwin").serial_disks[0] == "/dev/rdisk1"
    assert image("serial", serial={"disks": ["/dev/vdb"]}).serial_disks == ("/dev/vdb",)
