from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rig.errors import InputError
from rig.result import Outcome, RunDir, load, rebuild
from rig.tests.result import make

WRITER = textwrap.dedent("""
    import sys, itertools
    from pathlib import Path
    from rig.result import RunDir
    from rig.tests.result import make
    run = RunDir.create(Path(sys.argv[1]), image=make.IMAGE, host=make.HOST)
    run.plan(f"pipe.c{n}" for n in range(10**6 // 100))
    run.add_guest(make.guest())
    for n in itertools.count():
        run.start_case(f"pipe.c{n}")
        if n == int(sys.argv[2]):
            print("begun", flush=True)
            sys.stdin.read()
        run.add_case(make.case(f"c{n}", metrics=(make.metric(*range(30)),)))
""")


def left_behind(run: RunDir, cut: int | None = None) -> Path:
    """A directory as a kill leaves it: no closing event, results.json of the beginning, `cut` bytes off the events."""
    run._writer.release()  # type: ignore[union-attr]
    run._writer = None
    events = run.path / "events.jsonl"
    if cut:
        events.write_bytes(events.read_bytes()[:-cut])
    return run.path


@pytest.mark.parametrize("cases", [0, 1, 40])
def test_kill_9_leaves_a_readable_run(tmp_path: Path, cases: int) -> None:
    place = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place), str(cases)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        assert load(place).state == "running"
        with pytest.raises(InputError, match="being written now"):
            rebuild(place)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    seen = load(place)
    assert seen.state == "interrupted"
    assert [case.case for case in seen.cases] == [f"c{n}" for n in range(cases)]
    assert seen.running == (f"pipe.c{cases}",)
    assert len(seen.missing) == 10_000 - cases
    assert json.loads((place / "results.json").read_text())["state"] == "running"
    assert rebuild(place) == seen
    assert json.loads((place / "results.json").read_text())["state"] == "interrupted"
    assert load(place) == seen


def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    """The writer never stops by itself here: the kill falls into whatever it does."""
    place = tmp_path / "run"
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER,
         str(place), "-1"],
    )  # fmt: skip
    try:
        events = place / "events.jsonl"
        while not (events.is_file() and events.stat().st_size > 200_000):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    record = load(place)
    assert record.state == "interrupted"
    assert record.damaged_events <= 1
    assert [case.case for case in record.cases] == [f"c{n}" for n in range(len(record.cases))]
    assert len(record.cases) > 20


def test_a_last_line_torn_anywhere_costs_that_line_alone(run: RunDir) -> None:
    run.add_case(make.case("first"))
    run.add_case(make.case("second"))
    place = left_behind(run)
    events = place / "events.jsonl"
    whole = events.read_bytes()
    last = len(whole.splitlines()[-1])
    for cut in range(2, last + 1, 7):
        events.write_bytes(whole[:-cut])
        record = load(place)
        assert [case.case for case in record.cases] == ["first"]
        assert record.damaged_events == (1 if cut <= last else 0)
    events.write_bytes(whole[:-1])  # only the newline is missing
    assert [case.case for case in load(place).cases] == ["first", "second"]


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe rubbish\n",
        b"[1, 2]\n",
        b'{"event": "record.case"}\n',
        b'{"event": "record.case", "at": 1, "case": {"probe": "x"}}\n',
        b'{"event": "record.plan", "at": 1, "cases": 7}\n',
        b'{"event": "record.probes", "at": 1, "probes": 7, "bundle": ""}\n',
        b"[" * 100_000 + b"\n",
        b'{"event": "record.guest", "at": "soon", "guest": {}}\n',
    ],
)
def test_a_damaged_line_in_the_middle_is_counted(run: RunDir, line: bytes) -> None:
    place = left_behind(run)
    with (place / "events.jsonl").open("ab") as file:
        file.write(line + b"\n")
    record = load(place)
    assert (record.damaged_events, record.cases) == (1, ())


def test_timings_whose_guest_was_lost_are_left_out_and_say_so(run: RunDir) -> None:
    run.add_guest(make.guest())
    run.add_case(make.case(metrics=(make.metric(1.0),)))
    place = left_behind(run)
    events = place / "events.jsonl"
    events.write_bytes(b"".join(line for line in events.read_bytes().splitlines(True) if b"record.guest" not in line))
    (case,) = load(place).cases
    assert case.metrics == ()
    assert "timings left out" in case.notes[0]


def test_a_damaged_results_file_is_passed_over_where_there_are_events(run: RunDir) -> None:
    run.add_case(make.case())
    run.finish()
    run.results.write_text('{"schema_version": 1, "id": ')
    assert load(run.path).cases[0].outcome is Outcome.PASS
    assert rebuild(run.path) == load(run.path)


def test_results_alone_are_enough(run: RunDir) -> None:
    run.add_case(make.case())
    record = run.finish()
    (run.path / "events.jsonl").unlink()
    assert load(run.path) == load(run.results) == record
    with pytest.raises(InputError, match=r"events\.jsonl"):
        rebuild(run.path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not readable as JSON"),
        ("[]", "no results.json of the rig"),
        ('{"schema_version": "x"}', "no results.json of the rig"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "id: Field required"),
    ],
)
def test_what_is_no_record_is_one_clear_error(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=words):
        load(tmp_path)


def test_what_is_no_run_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run"):
        load(tmp_path / "absent")
    with pytest.raises(InputError, match="is no run of the rig"):
        load(tmp_path)
    (tmp_path / "events.jsonl").write_text("")
    with pytest.raises(InputError, match="no readable beginning"):
        load(tmp_path)
