"""What was started ends with this process, however that ends: the keeper alone, then the guard that feeds it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rig.machine import keeper
from rig.machine.guard import Guard
from rig.tests.machine.conftest import PATIENCE, absent, gone


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that would run for long."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture
def another() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A directory with something in it."""
    path = tmp_path / "a b\n'c\""
    path.mkdir()
    (path / "disk").write_text("")
    return path


def keep(*lines: list[object], signals: tuple[int, ...] = ()) -> None:
    """Run a keeper: these lines, these signals, then the end of its input."""
    argv = [sys.executable, "-I", "-S", str(keeper.__file__)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        for line in lines:
            process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        if signals:
            # They count from where its own work begins.
            until = time.monotonic() + PATIENCE
            while not _deaf(process.pid) and time.monotonic() < until:
                time.sleep(0.01)
        for number in signals:
            process.send_signal(number)
        process.stdin.close()
    assert process.returncode == 0


def _deaf(pid: int) -> bool:
    return bool(int(_status(pid, "SigIgn"), 16) & 1 << (signal.SIGTERM - 1))


def _status(pid: int, key: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(key))


def test_the_keeper_ends_what_it_holds_when_its_input_ends(sleeper, another, full):
    keep(["add", sleeper.pid], ["add", str(full)])
    assert sleeper.wait(60) == -signal.SIGKILL
    assert not full.exists()
    assert another.poll() is None


def test_what_was_dropped_is_left_alone(sleeper, another, full):
    keep(
        ["add", sleeper.pid],
        ["add", another.pid],
        ["add", str(full)],
        ["drop", sleeper.pid],
        ["drop", str(full)],
        ["drop", 1],
        ["drop", "/nowhere"],
    )
    assert another.wait(60) == -signal.SIGKILL
    assert sleeper.poll() is None and full.is_dir()


def test_what_ended_by_itself_is_no_trouble(sleeper, another, tmp_path):
    sleeper.kill()
    sleeper.wait()
    keep(["add", sleeper.pid], ["add", str(tmp_path / "absent")], ["add", another.pid])
    assert another.wait(60) == -signal.SIGKILL


def test_a_keeper_works_to_the_end_whatever_signal_comes(sleeper):
    keep(["add", sleeper.pid], signals=(signal.SIGTERM, signal.SIGHUP, signal.SIGINT))
    assert sleeper.wait(60) == -signal.SIGKILL


RIG = """
import os, signal, subprocess, sys
from pathlib import Path
from rig.machine.guard import guard
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
one = subprocess.Popen(["sleep", "1000"], **quiet)
two = subprocess.Popen(["sleep", "1000"], **quiet)
directory = Path(sys.argv[1])
guard.add(one.pid); guard.add(two.pid); guard.add(directory)
guard.drop(two.pid)
print(one.pid, two.pid, flush=True)
"""
ENDINGS = {
    "kill": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminate": "os.kill(os.getpid(), signal.SIGTERM)",
    "raise": "raise ValueError",
    "leave": "",
    "exit": "os._exit(3)",
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_however_this_process_ends(ending, full):
    rig = subprocess.run(
        [sys.executable, "-c", RIG + ending, full], capture_output=True, text=True, timeout=60, check=False
    )
    held, let_go = map(int, rig.stdout.split())
    try:
        assert gone(held) and absent(full)
        assert psutil.pid_exists(let_go)
    finally:
        os.kill(let_go, signal.SIGKILL)


def test_a_keeper_that_was_killed_is_replaced_by_one_that_knows_everything(sleeper, another, full):
    guard = Guard()
    guard.add(sleeper.pid)
    guard.add(full)
    first = guard._keeper
    assert first is not None
    first.kill()
    first.wait()
    guard.add(another.pid)
    second = guard._keeper
    assert second is not None and second.pid != first.pid and second.stdin is not None
    second.stdin.close()
    second.wait()
    assert sleeper.wait(60) == another.wait(60) == -signal.SIGKILL
    assert not full.exists()


def test_what_is_not_held_starts_no_keeper(sleeper):
    guard = Guard()
    guard.drop(sleeper.pid)
    assert guard._keeper is None


def test_a_forked_copy_has_a_keeper_of_its_own(sleeper, another):
    guard = Guard()
    guard.add(sleeper.pid)
    parents = guard._keeper
    child = os.fork()
    if child == 0:
        guard.add(another.pid)
        os._exit(0 if guard._keeper is not parents and sleeper.pid not in guard._held else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert another.wait(60) == -signal.SIGKILL
    assert sleeper.poll() is None
    assert parents is not None and parents.stdin is not None
    parents.stdin.close()
    parents.wait()
    assert sleeper.wait(60) == -signal.SIGKILL
