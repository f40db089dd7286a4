"""Guests that outlive their command: found again, never mistaken for another process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.errors import GuestDied, InputError
from rig.guest import registry
from rig.guest.registry import Registry
from rig.guest.ssh import SshTransport
from rig.tests.guest.running import Sleepers, end


@pytest.fixture
def listed(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "guests")


@pytest.fixture
def start(tmp_path: Path, listed: Registry) -> Iterator[Sleepers]:
    with Sleepers(listed.root, tmp_path) as sleepers:
        yield sleepers


def test_what_runs_is_listed(listed: Registry, start: Sleepers) -> None:
    one, two = start("one"), start("two")
    assert listed.all() == [one, two]
    assert listed.get("two") == two
    assert one.alive


def test_what_is_dead_is_cleared_away(listed: Registry, start: Sleepers) -> None:
    one = start("one")
    end(one)
    assert listed.all() == []
    assert list(listed.root.glob("*.json")) == []
    assert not one.directory.exists()


@pytest.mark.parametrize(
    ("called", "found"), [("rig-{}", True), ("rig-rig-{}", True), ("rig-x{}", False), ("{}", False)]
)
def test_a_guest_is_known_by_its_own_name_and_by_that_of_earlier_rigs(
    listed: Registry, start: Sleepers, called: str, found: bool
) -> None:
    one = start("one", called=called)
    assert one.alive is found
    assert [other.name for other in listed.all()] == ["one"] * found


def test_a_number_used_again_is_another_process(listed: Registry, start: Sleepers) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        one = start("one", pid=bystander.pid)
        assert not one.alive
        assert listed.all() == []
        one.stop()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_clock_that_is_set_changes_nothing(listed: Registry, start: Sleepers) -> None:
    one = start("one", started=time.time() - 3600)
    assert listed.all() == [one]


def test_a_file_that_cannot_be_read_is_told_not_overwritten(listed: Registry, start: Sleepers) -> None:
    start("one")
    for name, content in (("half", b'{"name": "ha'), ("odd", b'{"name": "odd"}'), ("bytes", b"\xff\xfe")):
        (listed.root / f"{name}.json").write_bytes(content)
    assert [one.name for one in listed.all()] == ["one"]
    assert [path.stem for path in listed.damaged] == ["bytes", "half", "odd"]
    with pytest.raises(InputError, match="'half' runs already"), listed.reserve("half", "reference"):
        pass


def test_only_the_rigs_own_directories_are_removed(listed: Registry, start: Sleepers, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    one = start("one", directory=precious)
    assert listed.all() == []
    one.stop()
    assert precious.is_dir()


def test_which_guest_is_meant(listed: Registry, start: Sleepers) -> None:
    with pytest.raises(InputError, match="no guest runs") as caught:
        listed.get(None)
    assert "rig up" in caught.value.hint
    one = start("one")
    assert listed.get(None) == one
    start("two")
    with pytest.raises(InputError, match="2 guests run: name one") as caught:
        listed.get(None)
    assert caught.value.hint == "one, two"
    with pytest.raises(InputError, match="no guest 'three' runs; running: one, two"):
        listed.get("three")


def test_names_are_reserved_while_a_guest_boots(listed: Registry, start: Sleepers, tmp_path: Path) -> None:
    again = Registry(listed.root)
    with listed.reserve(None, "reference") as first, again.reserve(None, "reference") as second:
        assert (first, second) == ("reference", "reference-2")
        with pytest.raises(InputError, match="'reference-2' runs already"), again.reserve("reference-2", "x"):
            pass
    start("reference")
    with listed.reserve(None, "reference") as third:
        assert third == "reference-2"
    with pytest.raises(InputError, match="'reference' runs already"), listed.reserve("reference", "x"):
        pass


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "a:b", "x" * 65, "-n"])
def test_names_that_are_none(name: str, listed: Registry) -> None:
    with pytest.raises(InputError, match="cannot be called"), listed.reserve(name, "reference"):
        pass


def test_a_guest_that_does_not_listen_is_killed(
    listed: Registry, start: Sleepers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_STOP_SECONDS", 0.2)
    one, other = start("one"), start("other")
    one.stop()
    assert not one.alive
    assert not one.directory.exists()
    assert other.alive
    one.stop()


def test_a_monitor_that_closes_before_it_answers_is_no_error(start: Sleepers, monkeypatch: pytest.MonkeyPatch) -> None:
    one = start("one")

    class Monitor:
        def __init__(self, _: object) -> None: ...
        def connect(self, _: float) -> None: ...
        def close(self) -> None: ...
        def execute(self, command: str, *, seconds: float) -> None:
            end(one)
            raise GuestDied("QEMU ended while it was asked for quit")

    monkeypatch.setattr(registry, "Monitor", Monitor)
    one.stop()
    assert not one.alive


def test_forgetting_an_old_guest_spares_the_new_one(listed: Registry, start: Sleepers) -> None:
    old = start("one")
    end(old)
    start("two")
    (listed.root / "two.json").rename(listed.root / "one.json")
    listed.forget(old)
    assert [one.name for one in listed.all()] == ["two"]


def test_ssh_with_the_pinned_key(start: Sleepers, key: Path) -> None:
    silent = start("silent")
    with pytest.raises(InputError, match="guest silent has no SSH"):
        silent.transport()
    line = key.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
    spoken = start("spoken", ssh_port=2222, key=key, host_key=line)
    transport = spoken.transport()
    assert isinstance(transport, SshTransport)
    assert transport.host_key is not None
    assert f"{transport.host_key.get_name()} {transport.host_key.get_base64()}" == line
    assert (transport.port, transport.key) == (2222, key)
