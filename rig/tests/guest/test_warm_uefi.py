"""Warm templates of a machine with UEFI firmware: its own shell is the guest, the disk a vmdk that boots nothing."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rig.guest import Guest, GuestOptions
from rig.guest.templates import Templates
from rig.guest.warm import Layer, ready_guest
from rig.image.status import StoredImage
from rig.image.store import Store
from rig.machine.firmware import find_uefi
from rig.machine.template import VARIABLES
from rig.spec import Accel, ImageSpec
from rig.tests.image.conftest import as_format, raw_disk

pytestmark = pytest.mark.qemu
GUID = "11111111-2222-3333-4444-555555555555"
PROMPT = r"Shell> ?(?:\x1b\[[0-9;]*[A-Za-z])*$"


@pytest.fixture
def stored(tmp_path: Path) -> StoredImage:
    raw = tmp_path / "disk"
    raw.write_bytes(raw_disk())
    disk = as_format(raw, "vmdk")
    spec = ImageSpec.model_validate(
        {
            "name": "uefi-shell",
            "summary": "no disk to boot from, so the firmware's own shell",
            "os": "darwin",
            "source": {"kind": "download", "url": disk.as_uri(), "format": "vmdk"},
            "machine": {"board": "q35", "firmware": "uefi", "memory": 256, "disk": "ahci", "nic": "none"},
            "boot": {"stages": [{"name": "shell", "pattern": PROMPT, "deadline": 30}]},
            "login": {"kind": "none"},
            "transports": ["serial"],
        }
    )
    return Store(tmp_path / "images").ensure(spec)


def ask(guest: Guest, command: str) -> str:
    """What the firmware's shell answers."""
    guest.console.forget()
    guest.console.send(f"{command}\r")
    guest.console.expect([PROMPT], guest.deadline(30))
    return guest.console.before.decode("utf-8", "replace")


def put(guest: Guest) -> None:
    ask(guest, f'setvar RigsOwn -guid {GUID} -nv -bs =L"kept"')


def holds(file: Path, text: str) -> bool:
    """Whether a flash image has a variable's name in it."""
    raw = file.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", file, raw], check=True)
    return text.encode("utf-16-le") in raw.read_bytes()


def test_firmware_and_its_variables_are_restored(stored: StoredImage, tmp_path: Path) -> None:
    before = find_uefi().variables.read_bytes()
    templates = Templates(tmp_path / "templates")
    options = GuestOptions(logs=tmp_path / "logs", accel=Accel.TCG, console_only=True)
    layer = Layer("variable", "1", put)
    for number in range(2):
        logs = replace(options, logs=tmp_path / f"logs{number}")
        with ready_guest(stored, logs, layers=(layer,), templates=templates) as guest:
            assert guest.template is not None
            assert "6B 00 65 00 70 00 74" in ask(guest, f"setvar RigsOwn -guid {GUID}")
            firmware = guest.machine.launch.firmware
            assert firmware is not None and holds(firmware.variables, "RigsOwn")
            assert holds(templates.root / guest.template / VARIABLES, "RigsOwn")
    with ready_guest(stored, options, templates=templates) as plain:
        assert plain.template not in {None, guest.template}
        assert "kept" not in ask(plain, f"setvar RigsOwn -guid {GUID}")
        assert "Shell" in plain.console.tail()
    assert find_uefi().variables.read_bytes() == before
