"""A guest that panicked is held: it outlives the run, answers gdb, gives its memory, and goes with `rig down`."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from rig.cli.debug import stub
from rig.guest.registry import Registry, RunningGuest
from rig.result import load
from rig.tests.real import RealRig
from rig.tests.run.test_faults import write

pytestmark = pytest.mark.qemu


def test_every_guest_of_a_run_ends_with_it_unless_it_is_held(tmp_path: Path) -> None:
    with RealRig(tmp_path / "home") as rig:
        probes = write(tmp_path / "probes")
        place = tmp_path / "run"
        arguments = ("--probes", probes, "--accel", "tcg", "--run-dir", place, "--plain", "--on-panic", "hold")
        done = rig.run("test", *arguments, "panics")
        assert done.returncode == 1, done.stdout + done.stderr
        record = load(place)
        assert {case.case: str(case.outcome) for case in record.cases} == {
            "before": "pass",
            "struck": "panic",
            "behind": "pass",
        }
        # The second one told that it was this case that made the kernel panic.
        assert [guest.held for guest in record.guests] == ["held-reference", None, None]
        assert record.guests[0].ended.endswith("; held as held-reference")
        assert "rig gdb held-reference" in done.stdout
        (one,) = Registry(rig.home / "state" / "guests").all()
        assert one.name == "held-reference" and one.process() is not None

        with stub(one) as stub_socket:
            assert ask(stub_socket, "?").startswith("T")
        assert status(one) == "paused", "a held guest does not go on behind gdb"

        core = tmp_path / "core"
        dumped = rig.run("dump", one.name, "-o", core)
        assert dumped.returncode == 0, dumped.stderr
        assert core.read_bytes()[:4] == b"\x7fELF" and core.stat().st_size > 128 << 20
        assert rig.run("dump", one.name, "-o", core).returncode == 2, "nothing is written over"

        assert rig.run("down", one.name).returncode == 0
        assert not one.alive and not one.directory.exists()


def ask(place: Path, question: str) -> str:
    """One question of gdb's remote protocol."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(30)
        stream.connect(str(place))
        stream.sendall(f"${question}#{sum(question.encode()) & 255:02x}".encode())
        got = b""
        while not (b"$" in got and b"#" in got.partition(b"$")[2]):
            got += stream.recv(4096)
        return got.partition(b"$")[2].partition(b"#")[0].decode()


def status(one: RunningGuest) -> str:
    with one.monitor() as monitor:
        return str(monitor.execute("query-status")["status"])
