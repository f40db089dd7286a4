"""What decides whether a warm template serves: every fact that shapes the guest, and none that does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.guest import GuestOptions, warm
from rig.guest.keys import _make
from rig.guest.templates import key_of
from rig.guest.warm import Layer
from rig.machine import Network
from rig.machine.firmware import UefiFirmware
from rig.spec import Accel, BootFlags, Clock, PanicMode, TransportChoice
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


class Kinds:
    """Keys of kinds of guest, with one thing changed at a time."""

    def __init__(self, place: Path, key: Path) -> None:
        self.place, self.key = place, key
        self.agent = place / "agent"
        self.agent.write_bytes(b"agent")

    def __call__(self, *, accel: Accel = Accel.TCG, layers: Sequence[Layer] = (), **changes: Any) -> str:
        spec = changes.pop("spec", {})
        stored: Any = FakeStored(
            make_spec(**spec), self.place / "disk", changes.pop("key", self.key), changes.pop("digest", "0" * 64)
        )
        options = GuestOptions(self.place / "logs", agent=lambda _: self.agent, **changes)
        return key_of(warm._Kind(stored, options, accel, "", tuple(layers)).facts())


@pytest.fixture
def kinds(home: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kinds:
    monkeypatch.setattr(warm, "qemu_version", lambda _: "7.2.0")
    monkeypatch.setattr(warm, "host_name", lambda: "a host")
    return Kinds(tmp_path, key)


def layer(digest: str) -> Layer:
    return Layer("probes", digest, lambda _: None)


def test_an_image_an_accelerator_and_layers_shape_it(kinds: Kinds, home: Path) -> None:
    found = {kinds(), kinds(digest="1" * 64), kinds(accel=Accel.KVM)}
    found |= {kinds(layers=[layer("1")]), kinds(layers=[layer("2")]), kinds(layers=[layer("1"), layer("2")])}
    found.add(kinds(layers=[layer("2"), layer("1")]))
    assert len(found) == 7


def test_the_key_that_is_put_in_place_shapes_it(kinds: Kinds, tmp_path: Path) -> None:
    other = tmp_path / "other"
    _make(other)
    assert kinds(key=other) != kinds()


def test_the_host_shapes_it_where_its_processor_runs_the_guest(kinds: Kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kinds(), kinds(accel=Accel.KVM)
    monkeypatch.setattr(warm, "host_name", lambda: "the same, with another kernel")
    assert (kinds() == before[0], kinds(accel=Accel.KVM) == before[1]) == (True, False)


def test_the_agent_shapes_it_where_it_is_at_work(kinds: Kinds) -> None:
    spec: dict[str, Any] = {"transports": ["serial", "ssh"]}
    ssh: dict[str, Any] = {"transport": TransportChoice.SSH, "spec": spec}
    before = kinds(spec=spec), kinds(**ssh)
    assert before[0] != before[1]
    kinds.agent.write_bytes(b"another")
    assert (kinds(spec=spec) == before[0], kinds(**ssh) == before[1]) == (False, True)
    assert kinds(spec={**spec, "serial": {"disks": ["/dev/rdisk7"]}}) != kinds(spec=spec)


@pytest.mark.parametrize("name", ["code", "variables"])
def test_the_firmware_shapes_it(kinds: Kinds, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = UefiFirmware(tmp_path / "code", tmp_path / "variables")
    pair.code.write_bytes(b"code")
    pair.variables.write_bytes(b"variables")
    monkeypatch.setattr(warm, "find_uefi", lambda: pair)
    uefi = {"machine": {"firmware": "uefi"}}
    before = kinds(spec=uefi)
    (tmp_path / name).write_bytes(b"of the next release")
    assert kinds(spec=uefi) != before


def test_that_its_disk_is_kept_is_not(key_for: Any, tmp_path: Path) -> None:
    assert key_for(keep=True, cold=True, logs=tmp_path) == key_for()
