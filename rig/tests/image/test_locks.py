from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from rig.errors import HostError
from rig.image.locks import Claim, claimed_by, exclusive


def test_a_claim_lasts_as_long_as_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "holds" / "a"
    with Claim(path, "guest one"):
        assert claimed_by(path) == "guest one"
        assert claimed_by(path) == "guest one"
    assert claimed_by(path) is None
    assert not path.exists()


def test_a_child_that_has_the_descriptor_keeps_the_claim(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "a", "guest one")
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(claim.fileno(),))
    claim.release()
    assert claimed_by(tmp_path / "a") == "guest one"
    child.communicate()
    assert claimed_by(tmp_path / "a") is None


def test_a_child_that_has_it_not_does_not(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "a", "guest one")
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    claim.release()
    claim.release()
    assert claimed_by(tmp_path / "a") is None
    child.communicate()


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys\nfrom rig.image.locks import Claim\n"
        "c = Claim(pathlib.Path(sys.argv[1]), 'gone')\nos.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "a")], check=False)
    assert (tmp_path / "a").read_text() == "gone"
    assert claimed_by(tmp_path / "a") is None
    assert not (tmp_path / "a").exists()


def test_who_looks_while_it_is_made_does_not_undo_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the making of its file and the claiming: a look there took it for a dead process's, and removed it."""
    real = fcntl.flock
    looks: list[str | None] = []

    def look_first(fd: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            looks.extend(claimed_by(path) for path in tmp_path.glob("*.guest"))
        real(fd, how)

    monkeypatch.setattr("rig.image.locks.fcntl.flock", look_first)
    with Claim(tmp_path / "a.guest", "512"), Claim(tmp_path / "b.guest", "512"):
        assert looks == ["512"]
        assert [claimed_by(tmp_path / name) for name in ("a.guest", "b.guest")] == ["512", "512"]
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rig.image.locks.os.write", full)
    with pytest.raises(HostError, match="disk full"):
        Claim(tmp_path / "a.guest", "512")
    assert list(tmp_path.iterdir()) == []


def test_who_waits_is_told_once(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\nfrom rig.image.locks import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "l")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdin and other.stdout
    assert other.stdout.readline() == b"held\n"
    waits: list[int] = []

    def waiting() -> None:
        waits.append(1)
        assert other.stdin
        other.stdin.close()

    with exclusive(tmp_path / "l", waiting=waiting):
        assert waits == [1]
    other.wait()
    other.stdout.close()


def test_a_place_where_no_lock_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot lock the image store"), exclusive(tmp_path / "file" / "l"):
        pass
