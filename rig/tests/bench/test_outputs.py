"""Recorded outputs of independent tools, read; and what is no result, refused."""

from pathlib import Path

import pytest

from rig.bench import outputs
from rig.errors import InputError

RECORDED = Path(__file__).parents[3] / "fixtures" / "bench"


@pytest.mark.parametrize(
    ("name", "read", "ns"),
    [
        ("perf-pipe-processes.txt", outputs.perf_pipe, 627170.25),
        ("perf-pipe-threads.txt", outputs.perf_pipe, 173456.667),
        ("hackbench-pipe.txt", outputs.hackbench, 2.226e9 / 20000),
        ("hackbench-socket.txt", outputs.hackbench, 2.410e9 / 20000),
    ],
)
def test_recorded(name, read, ns):
    assert read((RECORDED / name).read_text(encoding="utf-8")) == pytest.approx(ns)


@pytest.mark.parametrize("read", [outputs.perf_pipe, outputs.hackbench])
@pytest.mark.parametrize("text", ["", "perf: command not found\n", "Time: soon", "# Running 'sched/pipe' benchmark:\n"])
def test_no_result_is_said(read, text):
    with pytest.raises(InputError, match="printed no result"):
        read(text)


def test_each_line_that_is_cut_off_is_missed():
    for name, read in [("perf-pipe-processes.txt", outputs.perf_pipe), ("hackbench-pipe.txt", outputs.hackbench)]:
        lines = (RECORDED / name).read_text(encoding="utf-8").splitlines()
        needed = [line for line in lines if any(word in line for word in ("usecs", "Total", "Time:", "pass", "mode"))]
        assert needed
        for line in needed:
            with pytest.raises(InputError):
                read("\n".join(other for other in lines if other != line))


def test_other_shapes_of_hackbench_are_refused():
    text = (RECORDED / "hackbench-pipe.txt").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="40 tasks"):
        outputs.hackbench(text.replace("1 groups using 2", "1 groups using 40").replace("== 2 tasks", "== 40 tasks"))
