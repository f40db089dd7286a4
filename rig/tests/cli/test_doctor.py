"""`rig doctor`: each lack is told with what mends it, and none hides another."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

import pytest
from typer.testing import CliRunner

from rig.cli import doctor, main
from rig.errors import HostError, ImageError
from rig.guest.accel import Verdicts
from rig.machine.process import qemu_version
from rig.probe import zig
from rig.spec import Accel, GuestOS


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Call `rig doctor`; returns exit code and findings by what was looked at."""
    monkeypatch.setenv("RIG_HOME", str(tmp_path))

    def run() -> tuple[int, dict[str, dict[str, Any]]]:
        done = CliRunner().invoke(main.app, ["doctor", "--json", "--no-try"])
        return done.exit_code, {one["what"]: one for one in json.loads(done.stdout)}

    return run


def test_everything_is_looked_at(look):
    code, found = look()
    assert code == int(any(one["grade"] == "problem" for one in found.values()))
    for what in ("QEMU", "qemu-img", "C compiler", "UEFI firmware", "image reference", "accelerator tcg"):
        assert what in found
    assert found["C compiler"]["grade"] == "ok" and "zig " in found["C compiler"]["found"]


def test_a_look_that_fails_is_a_problem_and_the_others_are_told(look, monkeypatch):
    def no_zig() -> str:
        raise HostError("the C compiler is missing", hint="pip install ziglang")

    def no_disk(_: object) -> object:
        raise PermissionError(13, "Permission denied", "/store")

    monkeypatch.setattr(zig, "version", no_zig)
    monkeypatch.setattr(shutil, "disk_usage", no_disk)
    code, found = look()
    assert code == 1
    assert found["C compiler"] == {
        "what": "C compiler",
        "grade": "problem",
        "found": "the C compiler is missing",
        "mend": "pip install ziglang",
    }
    assert found["disks"]["grade"] == "problem" and "/store" in found["disks"]["found"]
    assert "image reference" in found


def test_absent_tools_are_named_with_their_packages(look, monkeypatch):
    def absent(name: str) -> str:
        if name in {"mke2fs", "debugfs"}:
            raise ImageError(name)
        return name

    monkeypatch.setattr(doctor, "find_tool", absent)
    told = look()[1]["tools that build the reference image"]
    assert told["found"] == "missing: debugfs, mke2fs" and told["mend"] == "apt-get install e2fsprogs"


def test_kvm_that_may_not_be_opened(look, monkeypatch, tmp_path):
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(doctor, "KVM", device)
    monkeypatch.setattr(os, "access", lambda *_: False)
    told = look()[1]["accelerator tcg"]
    assert told["grade"] == "note" and "usermod -aG kvm" in told["mend"]


def test_an_accelerator_is_told_of_each_system_that_was_booted_with_it(look, monkeypatch):
    monkeypatch.setattr(doctor, "present", lambda: [(Accel.KVM, "/dev/kvm can be opened"), (Accel.TCG, "everywhere")])
    untried = look()[1]["accelerator kvm"]
    assert untried["grade"] == "note" and "no guest has been booted" in untried["found"]
    verdicts = Verdicts(qemu_version(doctor._BINARY))
    verdicts.put(Accel.KVM, GuestOS.DARWIN, works=False, why="no byte on the console")
    verdicts.put(Accel.KVM, GuestOS.LINUX, works=True, why="it booted")
    found = look()[1]
    assert "accelerator kvm" not in found
    darwin, linux = found["accelerator kvm, darwin guests"], found["accelerator kvm, linux guests"]
    assert (darwin["grade"], linux["grade"]) == ("note", "ok")
    assert darwin["found"] == "does not work here, TCG is used instead: no byte on the console"


def test_damaged_files_of_the_users_own_are_named(look, tmp_path):
    (tmp_path / "config" / "images").mkdir(parents=True)
    (tmp_path / "config" / "images" / "mine.yaml").write_text("name: [\n")
    (tmp_path / "state" / "guests").mkdir(parents=True)
    (tmp_path / "state" / "guests" / "one.json").write_text("{")
    code, found = look()
    assert code == 1
    assert found["image mine"]["grade"] == "problem" and "mine.yaml" in found["image mine"]["found"]
    assert "one.json" in found["a guest's record"]["found"]


def test_the_table_of_a_terminal_keeps_brackets(monkeypatch, tmp_path):
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "[bold]home"))
    done = CliRunner().invoke(main.app, ["doctor", "--no-try"])
    assert "[bold]home" in done.output and "Traceback" not in done.output
