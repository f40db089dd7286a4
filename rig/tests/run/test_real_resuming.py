"""The whole rig killed in the middle of a run and started again: nothing runs twice, nothing is lost, no QEMU stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.result import RunRecord, load
from rig.tests.real import RealRig, until
from rig.tests.run.test_real import CASES, outcomes, under_way, write_probe

pytestmark = pytest.mark.qemu

IDS = [f"{probe}.{case}" for probe in ("one", "two") for case in CASES]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRig]:
    with RealRig(tmp_path_factory.mktemp("rig") / "home") as found:
        yield found


def killed_in(rig: RealRig, case: str, part: int, run_dir: Path, *args: object) -> RunRecord:
    """Start `rig test ARGS`, kill it by SIGKILL once `case` is under way, see its guests go; what it left."""
    process = rig.start("test", *args, "--plain")
    under_way(rig, process, run_dir, case)
    assert load(run_dir).parts == part
    process.kill()
    process.communicate()
    until(lambda: not rig.qemus(process), "QEMU's end")
    record = load(run_dir)
    assert (record.state, case in record.missing) == ("interrupted", True)
    assert record.cases, "something had ended"
    return record


def parts(run_dir: Path) -> list[list[dict[str, Any]]]:
    """The events of each part of a run."""
    found: list[list[dict[str, Any]]] = [[]]
    for line in (run_dir / "events.jsonl").read_text().splitlines():
        try:
            data = json.loads(line)
        except ValueError:
            continue  # torn by the kill
        if data["event"] == "record.resume":
            found.append([])
        found[-1].append(data)
    return found


@pytest.mark.parametrize(("workers", "kills"), [("0", ["one.waits", "two.waits"]), ("2", ["one.waits"])])
def test_a_run_that_was_killed_ends_as_if_nothing_had_been(
    workers: str, kills: list[str], rig: RealRig, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        write_probe(tmp_path / "probes", name, waits=4)
    run_dir = tmp_path / "run"
    asked = ["--probes", tmp_path / "probes", "--accel", "tcg", "--run-dir", run_dir, "-n", workers]
    left = [
        killed_in(rig, case, number, run_dir, *(["--resume", run_dir] if number > 1 else asked))
        for number, case in enumerate(kills, 1)
    ]
    done = rig.run("test", "--resume", "--plain")
    record = load(run_dir)
    assert done.returncode == 1, done.stdout + done.stderr
    assert (record.state, record.missing, record.running) == ("complete", (), ())
    assert record.parts == 1 + len(kills)
    for before in left:
        assert (before.planned, before.cases) == (record.planned, record.cases[: len(before.cases)])
    assert outcomes(record) == dict.fromkeys(IDS, "pass") | {"one.bad": "fail", "two.bad": "fail"}
    assert [case.attempts for case in record.cases] == [1] * len(IDS)
    ended: list[str] = []
    for part in parts(run_dir):
        assert not {data["case"] for data in part if data["event"] == "case.wanted"} & set(ended)
        ended += [data["case"]["id"] for data in part if data["event"] == "record.case"]
    assert sorted(ended) == sorted(IDS)
    guests = [guest.id for guest in record.guests]
    assert len(set(guests)) == len(guests)
    assert all((run_dir / str(guest.console_log)).is_file() for guest in record.guests)
    assert all(guest.ended for guest in record.guests)
