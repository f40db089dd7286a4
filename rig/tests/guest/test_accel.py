"""Verdicts on accelerators: untried, works, failed, long ago."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rig.guest import accel
from rig.guest.accel import FAILURE_HOLDS, Candidate, Verdicts, candidates, present
from rig.spec import Accel, Clock, GuestOS

LINUX, DARWIN = GuestOS.LINUX, GuestOS.DARWIN


@pytest.fixture
def verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    monkeypatch.setattr(accel, "present", lambda: [(Accel.KVM, "/dev/kvm can be opened"), (Accel.TCG, "everywhere")])
    return Verdicts("7.2.0", tmp_path / "sub" / "verdicts.json")


def put(verdicts: Verdicts, *, works: bool) -> None:
    verdicts.put(Accel.KVM, LINUX, works=works, why="boot stage 'kernel' was not reached")


def test_untried_is_a_trial_with_emulation_behind_it(verdicts: Verdicts) -> None:
    assert candidates(Accel.AUTO, LINUX, verdicts) == [
        Candidate(Accel.KVM, "/dev/kvm can be opened", trial=True),
        Candidate(Accel.TCG, "everywhere"),
    ]


def test_what_works_is_no_trial(verdicts: Verdicts) -> None:
    put(verdicts, works=True)
    assert candidates(Accel.AUTO, LINUX, verdicts) == [Candidate(Accel.KVM, "has booted a linux guest on this host")]


def test_what_failed_is_passed_over_and_said(verdicts: Verdicts) -> None:
    put(verdicts, works=False)
    (only,) = candidates(Accel.AUTO, LINUX, verdicts)
    assert only == Candidate(Accel.TCG, "kvm was tried and failed: boot stage 'kernel' was not reached")


def test_an_old_failure_is_tried_again(verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    put(verdicts, works=False)
    later = time.time() + FAILURE_HOLDS + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert candidates(Accel.AUTO, LINUX, verdicts)[0].trial


def test_an_old_success_still_counts(verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    put(verdicts, works=True)
    later = time.time() + FAILURE_HOLDS + 60
    monkeypatch.setattr(time, "time", lambda: later)
    assert not candidates(Accel.AUTO, LINUX, verdicts)[0].trial


def test_a_verdict_holds_for_its_circumstances(
    verdicts: Verdicts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(verdicts, works=False)
    assert verdicts.get(Accel.KVM, LINUX) is not None
    assert verdicts.get(Accel.KVM, DARWIN) is None
    assert verdicts.get(Accel.HVF, LINUX) is None
    assert Verdicts("8.0.0", tmp_path / "sub" / "verdicts.json").get(Accel.KVM, LINUX) is None
    monkeypatch.setattr(accel, "host_name", lambda: "another kernel")
    assert verdicts.get(Accel.KVM, LINUX) is None


def test_the_latest_verdict_counts(verdicts: Verdicts) -> None:
    put(verdicts, works=False)
    put(verdicts, works=True)
    found = verdicts.get(Accel.KVM, LINUX)
    assert found is not None
    assert found.works


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{half",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"KEY": 3}',
        b'{"KEY": {"works": true}}',
        b'{"KEY": {"works": "yes", "at": 1}}',
        b'{"KEY": {"works": false, "at": NaN}}',
        b'{"KEY": {"works": false, "at": "now"}}',
    ],
)
def test_a_damaged_file_is_no_verdict_and_no_obstacle(content: bytes, verdicts: Verdicts, tmp_path: Path) -> None:
    put(verdicts, works=True)
    file = tmp_path / "sub" / "verdicts.json"
    (key,) = json.loads(file.read_text())
    file.write_bytes(content.replace(b'"KEY"', json.dumps(key).encode()))
    assert verdicts.get(Accel.KVM, LINUX) is None
    put(verdicts, works=False)
    assert verdicts.get(Accel.KVM, LINUX) is not None


def test_what_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    verdicts = Verdicts("7.2.0", tmp_path / "file" / "verdicts.json")
    put(verdicts, works=True)
    assert verdicts.get(Accel.KVM, LINUX) is None


def test_processes_do_not_lose_each_others_verdicts(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from rig.guest.accel import Verdicts; from rig.spec import *\n"
        "for n in range(20): Verdicts(f'{sys.argv[2]}.{n}', Path(sys.argv[1])).put("
        "Accel.KVM, GuestOS.LINUX, works=True, why='')"
    )
    file = tmp_path / "verdicts.json"
    workers = [subprocess.Popen([sys.executable, "-c", script, str(file), str(number)]) for number in (1, 2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert len(json.loads(file.read_text())) == 40


def test_what_is_asked_for_is_taken(verdicts: Verdicts) -> None:
    put(verdicts, works=False)
    assert candidates(Accel.KVM, LINUX, verdicts) == [Candidate(Accel.KVM, "asked for")]
    assert candidates(Accel.TCG, LINUX, verdicts, Clock.EXACT) == [Candidate(Accel.TCG, "asked for")]
    (exact,) = candidates(Accel.AUTO, LINUX, verdicts, Clock.EXACT)
    assert exact.accel is Accel.TCG
    assert "exact clock" in exact.why


def test_what_a_host_offers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.platform", "linux")
    kvm = tmp_path / "kvm"
    assert present(kvm) == [(Accel.TCG, f"this host has no {kvm}")]
    kvm.touch()
    assert [which for which, _ in present(kvm)] == [Accel.KVM, Accel.TCG]
    monkeypatch.setattr("os.access", lambda *_: False)
    assert present(kvm) == [(Accel.TCG, f"{kvm} may not be opened by this user")]
    monkeypatch.setattr("sys.platform", "darwin")
    assert [which for which, _ in present(kvm)] == [Accel.HVF, Accel.TCG]
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert [which for which, _ in present(kvm)] == [Accel.TCG]
