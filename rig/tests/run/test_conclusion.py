"""What a run comes to when pytest has ended: its exit code, and the error where there is nothing to report."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.errors import RigError
from rig.result import load
from rig.run import front
from rig.run.front import exit_code


def test_exit_codes() -> None:
    sample = Path(__file__).parents[3] / "fixtures" / "runs" / "sample"
    record = load(sample)
    broken = record.model_copy(update={"cases": tuple(one.model_copy(update={"broken": True}) for one in record.cases)})
    assert exit_code(record, interrupted=True) == 130
    assert exit_code(record, interrupted=False) == 1
    assert exit_code(broken, interrupted=False) == 2
    green = record.model_copy(update={"cases": tuple(case for case in record.cases if not case.verdict.is_red)})
    assert exit_code(green.model_copy(update={"planned": ()}), interrupted=False) == 0
    assert exit_code(green.model_copy(update={"planned": ("a.lost",)}), interrupted=False) == 1


@pytest.mark.parametrize("others_ran", [False, True])
def test_a_worker_without_a_guest_hides_nothing_that_another_found(others_ran: bool, tmp_path: Path) -> None:
    record: Any = SimpleNamespace(guests=("gw1-1",) if others_ran else ())
    recorder: Any = SimpleNamespace(
        fault=None,
        gave_up="boot stage 'kernel' was not reached",
        failed_collection=[],
        cases=7,
        run=SimpleNamespace(path=tmp_path),
    )
    told = contextlib.nullcontext() if others_ran else pytest.raises(RigError, match="'kernel' was not reached")
    with told:
        front._raise_if_nothing_ran(recorder, record, pytest.ExitCode.TESTS_FAILED, "")
