"""`rig gdb`, `rig dump`: what is refused before a guest is asked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rig.cli.debug import gdb_command, stub
from rig.cli.main import app
from rig.errors import InputError
from rig.guest import registry
from rig.tests.guest.running import Sleepers


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    with Sleepers(tmp_path / "home" / "state" / "guests", tmp_path) as sleepers:
        yield sleepers("one")


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert isinstance(done.exception, InputError)
    return str(done.exception)


def test_bad_input_is_told(guest, tmp_path):
    assert "no guest 'two' runs" in refused("gdb", "two")
    assert "vmlinux: no such file" in refused("gdb", "--symbols", tmp_path / "vmlinux")
    assert "nowhere: no such directory" in refused("dump", "-o", tmp_path / "nowhere" / "core")
    (tmp_path / "core").write_text("mine")
    assert "core: exists already" in refused("dump", "one", "-o", tmp_path / "core")
    assert (tmp_path / "core").read_text() == "mine"


@pytest.mark.parametrize(
    ("status", "then"), [("running", "cont"), ("paused", "stop"), ("shutdown", "stop"), ("guest-panicked", "stop")]
)
def test_a_guest_is_behind_gdb_as_it_was(guest, monkeypatch, status, then):
    """QEMU refuses `cont` to a machine that has asked for a reset, as one does whose kernel panicked."""
    said = []

    class Monitor:
        def __init__(self, address):
            self.place = address.with_name("gdb.sock")

        def connect(self, seconds):
            pass

        def close(self):
            pass

        def execute(self, command, *, seconds=0):
            said.append(command)
            return {"running": status == "running", "status": status}

        def human(self, line):
            if line != "gdbserver none":
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(str(self.place))
            return ""

    monkeypatch.setattr(registry, "Monitor", Monitor)
    with stub(guest) as place:
        assert place.is_socket()
    assert said == ["query-status", then]
    assert not place.exists()


def test_gdb_leaves_behind_commands_and_stays_without():
    place = Path("/d/gdb.sock")
    plain = gdb_command(place, None, [])
    assert "-batch" not in plain and plain[-1] == "target remote /d/gdb.sock"
    full = gdb_command(place, Path("vmlinux"), ["info registers", "bt"])
    assert "-batch" in full and "vmlinux" in full
    assert full[-4:] == ["-ex", "info registers", "-ex", "bt"]
