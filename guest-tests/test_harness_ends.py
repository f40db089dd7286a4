"""The probe harness stopped, killed, or left by its reader: nothing stays behind, and nothing of others is taken."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from harness_runs import Stream, group_members, message_queues, run


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_told_to_stop_it_tidies_and_says_no_goodbye(selftest: Path, tmp_path: Path, told: signal.Signals) -> None:
    argv = [
        str(selftest),
        "--dir",
        str(tmp_path),
        "--only",
        "hangs,passes",
        "--deadline",
        "30",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        hello = json.loads(process.stdout.readline())
        process.stdout.readline()
        process.send_signal(told)
        rest = process.stdout.read()
    assert process.returncode == 128 + told
    assert "goodbye" not in rest
    assert list(tmp_path.iterdir()) == []
    assert group_members(Stream([hello])) == []


def test_reader_that_goes_away_ends_the_run(selftest: Path, tmp_path: Path) -> None:
    argv = [str(selftest), "--dir", str(tmp_path), "--only", "passes,hangs,fails"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) != 0
    assert list(tmp_path.iterdir()) == []


def test_killed_parent_takes_all_of_its_case_along(selftest: Path, tmp_path: Path) -> None:
    """The case, its children, what it owned and the scratch directory: the keeper's work."""
    argv = [
        str(selftest),
        "--dir",
        str(tmp_path),
        "--only",
        "passes,hangs_with_all_it_has",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        hello = json.loads(process.stdout.readline())
        lines = map(json.loads, process.stdout)
        queue = next(event["value"] for event in lines if event["t"] == "fact")
        assert len(group_members(Stream([hello]))) == 2
        assert queue in message_queues()
        os.killpg(process.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while (group_members(Stream([hello])) or any(tmp_path.iterdir())) and time.monotonic() < end:
        time.sleep(0.02)
    assert group_members(Stream([hello])) == []
    assert list(tmp_path.iterdir()) == []
    assert queue not in message_queues()


def test_keeper_goes_with_the_run(selftest: Path, tmp_path: Path) -> None:
    """It has the runner's own command line; `--dir` makes that this test's."""
    run(selftest, tmp_path, "--only", "passes,leaves_a_message_queue")
    mark = str(tmp_path).encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "cmdline").read_bytes():
                found.append(entry.name)
    assert found == []


@pytest.mark.parametrize(
    ("case", "key"),
    [("passes", 0), ("leaves_a_message_queue", 0x12345)],
    ids=["none used", "another key"],
)
def test_another_programs_objects_are_no_leak(selftest: Path, tmp_path: Path, case: str, key: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    argv = [str(selftest), "--dir", str(tmp_path), "--only", f"{case},hangs"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.readline()  # a case has started, so what there was is known
        identifier = libc.msgget(key, 0o1600)
        assert identifier != -1
        try:
            events = [json.loads(line) for line in process.stdout]
        finally:
            libc.msgctl(identifier, 0, None)
    assert [event["what"] for event in events if event["t"] == "leak" and "no case owned" in event["what"]] == []


def test_missing_scratch_directory_is_an_error(selftest: Path, tmp_path: Path) -> None:
    argv = [str(selftest), "--dir", str(tmp_path / "none")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 73
    assert "no scratch directory below" in done.stderr
