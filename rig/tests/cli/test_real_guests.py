"""`rig up` and its fellows with a real guest, one after the other, as a developer uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paramiko
import psutil
import pytest

from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.tests.real import RealRig, until

pytestmark = pytest.mark.qemu


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RealRig]:
    with RealRig(tmp_path / "home") as found:
        yield found


def test_boot_and_look_around(rig: RealRig, tmp_path: Path) -> None:
    up = rig.run("up", "--accel", "auto", "--name", "mine")
    assert up.returncode == 0, up.stderr
    stages = ["firmware", "loader", "kernel", "userland", "network", "login", "key", "ssh"]
    assert [line.split()[-1] for line in up.stdout.splitlines() if " s  " in line][-len(stages) :] == stages
    assert "mine runs: rig ssh mine" in up.stdout
    _accelerator(rig, up.stdout)

    (one,) = json.loads(rig.run("ps", "--json").stdout)
    assert (one["name"], one["image"]) == ("mine", "reference")
    assert not _gone(one["pid"])

    taken = rig.run("up", "--name", "mine")
    assert taken.returncode == 2
    assert "a guest 'mine' runs already" in taken.stderr

    answer = rig.run("ssh", "mine", "--", "uname; echo noise >&2; exit 5")
    assert (answer.returncode, answer.stdout) == (5, "Linux\n")
    assert "noise\n" in answer.stderr

    (tmp_path / "file").write_text("content")
    assert rig.run("cp", tmp_path / "file", "mine:/tmp").returncode == 0
    assert rig.run("cp", "mine:/tmp/file", tmp_path / "back").returncode == 0
    assert (tmp_path / "back").read_text() == "content"

    shot = rig.run("screenshot", "-o", tmp_path / "screen.png")
    assert shot.returncode == 0, shot.stderr
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")

    _console(rig)

    down = rig.run("down", "mine")
    assert down.returncode == 0, down.stderr
    until(lambda: _gone(one["pid"]), "QEMU's end")
    assert not Path(one["directory"]).exists()
    assert (Path(one["logs"]) / "console.log").stat().st_size > 1000
    assert rig.run("ps").stdout.startswith("no guest runs")


def _accelerator(rig: RealRig, said: str) -> None:
    """What was chosen is said with its reason, and what failed is remembered."""
    verdicts = rig.home / "cache" / "accelerators.json"
    chosen = [line for line in said.splitlines() if line.startswith("accelerator")]
    if "kvm" in chosen[0]:
        (verdict,) = json.loads(verdicts.read_text()).values()
        assert verdict["works"] is (len(chosen) == 1)
        if not verdict["works"]:
            assert chosen[1].startswith("accelerator kvm failed: ")
            assert chosen[2].startswith("accelerator tcg: kvm was tried and failed: ")
    else:
        assert chosen[0].startswith("accelerator tcg: ")
        assert not verdicts.exists()


def _console(rig: RealRig) -> None:
    """The root shell on the serial line answers; the end of input leaves."""
    process = rig.start("console", "mine")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("echo con''sole-$((6*7))\n")
    process.stdin.flush()
    seen = ""
    while "console-42" not in seen:
        data = process.stdout.read(1)
        assert data, f"the console ended: {seen!r}"
        seen += data
    process.stdin.close()
    process.stdin = None
    process.communicate(timeout=60)
    assert process.returncode == 0


def _gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_key_that_the_guest_rejects(rig: RealRig, tmp_path: Path) -> None:
    paramiko.RSAKey.generate(2048).write_private_key_file(str(tmp_path / "key"))
    disk = Store().get(Catalogue.load().get("reference")).disk
    with RealRig(tmp_path / "other", shared=False) as own:
        like = ("--like", "reference", "--name", "own", "--ssh-key", tmp_path / "key")
        imported = own.run("images", "import", disk, *like)
        assert imported.returncode == 0, imported.stderr
        done = own.run("up", "own", "--accel", "tcg")
        assert done.returncode == 2
        assert done.stderr.count("rig: error:") == 1
        assert "booted to 'login' but cannot be reached: the guest refused the key" in done.stderr
        assert "--ssh-key" in done.stderr
        assert "| reference login:" in done.stderr
        assert own.run("ps").stdout.startswith("no guest runs")
