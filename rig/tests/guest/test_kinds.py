"""What decides whether a warm template serves: every fact that shapes the guest, and none that does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.guest import GuestOptions, warm
from rig.guest.templates import key_of
from rig.machine import Network
from rig.spec import Accel, BootFlags, Clock, PanicMode
from rig.tests.guest.fakes import FakeStored, make_spec


@pytest.fixture
def key_for(home: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The key of a template, for an entry and options with these changes."""
    monkeypatch.setattr(warm, "qemu_version", lambda _: "7.2.0")
    options = GuestOptions(tmp_path / "logs", accel=Accel.TCG)

    def make(spec: dict[str, Any] | None = None, **changes: Any) -> str:
        stored: Any = FakeStored(make_spec(**(spec or {})), tmp_path / "disk", key)
        return key_of(warm._Kind(stored, replace(options, **changes), Accel.TCG, "", ()).facts())

    return make


LOADER = {"kind": "file", "path": "/EFI/BOOT/boot-args.txt"}


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ({}, {"flags": BootFlags(panic=PanicMode.REBOOT)}),
        ({}, {"flags": BootFlags(boot_args="-v")}),
        ({"boot": {"loader": LOADER, "flags": {"verbose": True}}}, {}),
        ({"network": {"by": "static"}}, {}),
        ({"setup": [{"run": "/usr/sbin/sshd"}]}, {}),
        ({"login": {"kind": "prompt", "user": "admin"}}, {}),
        ({}, {"memory": 300}),
        ({}, {"cpus": 2}),
        ({}, {"clock": Clock.EXACT}),
        ({}, {"network": Network.OPEN}),
        ({}, {"console_only": True}),
        ({}, {"binary": "qemu-other"}),
    ],
    ids=[
        "panic",
        "raw",
        "the entry's flags",
        "network",
        "setup",
        "login",
        "memory",
        "cpus",
        "clock",
        "net",
        "console",
        "QEMU",
    ],
)
def test_what_shapes_a_guest_is_in_its_templates_key(
    key_for: Any, spec: dict[str, Any], options: dict[str, Any]
) -> None:
    assert key_for(spec, **options) != key_for()


def test_that_its_disk_is_kept_is_not(key_for: Any, tmp_path: Path) -> None:
    assert key_for(keep=True, cold=True, logs=tmp_path) == key_for()
