"""Standard output that is closed, unread or full: the work is done all the same, and what went wrong is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rig.cli.output import table_console

RUN = """
import sys
import rig.cli.test as command
from rig.cli.main import main
def run(request, console):
    for number in range(2000):
        console.print("line", number)
    print("done", file=sys.stderr)
    return 1
command.run_tests = run
sys.argv = ["rig", "test"]
main()
"""
"""`rig test` with a run of many lines, red at its end."""
PS = "import sys; from rig.cli.main import main; sys.argv = ['rig', *sys.argv[1:]]; main()"


def python(code: str, home: Path, *args: str, **how: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "RIG_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", code, *args], env=env, text=True, timeout=60, check=False, stderr=subprocess.PIPE, **how
    )


def test_a_run_whose_reader_has_gone_goes_on_to_its_own_exit_code(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = python(RUN, tmp_path, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "done\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this host has no /dev/full")
def test_a_run_whose_words_find_no_room_is_whole_and_says_so(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = python(RUN, tmp_path, stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith("done\nrig: error: standard output: No space left on device; the run itself went on")
    assert "(exit code 1)" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&- >&-", ">&- 2>&-", "<&-", ">&-"])
def test_a_command_with_closed_streams(closed: str, tmp_path: Path) -> None:
    shell = f'"$0" -c "$1" ps {closed}'
    done = subprocess.run(
        ["bash", "-c", shell, sys.executable, PS],
        env={**os.environ, "RIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_is_never_taken_for_a_closed_stream(tmp_path: Path) -> None:
    code = f"""
from rig.cli.output import open_what_is_closed
open_what_is_closed()
file = open({str(tmp_path / "file")!r}, "w")
assert file.fileno() > 2, file.fileno()
print("into the void", flush=True)
"""
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" <&- >&-', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, (tmp_path / "file").read_text()) == (0, "", "")


def test_tables_lose_nothing_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert table_console().width > 1000
    monkeypatch.setenv("COLUMNS", "30")
    assert table_console().width == 30
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(Console, "is_terminal", True)
    assert table_console().width < 1000
