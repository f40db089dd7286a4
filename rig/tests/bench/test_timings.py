"""The pairs agree with the probes' manifests; streams are searched; the table tells what was measured."""

import json

import pytest

from rig.bench.timings import PAIRS, Measured, find_metric, tell
from rig.errors import InputError
from rig.probe.manifest import CaseKind, load_manifests

PIPE = PAIRS[0]


def stream(*lines):
    hello = {
        "t": "hello", "proto": 1, "probe": "pipe", "version": "1", "os": "Linux", "release": "6", "machine": "x86_64",
        "kernel": "k", "pid": 1, "clock": "c", "tick_ns": 1.0, "clock_cost_ns": 20.0, "page": 4096, "limits": {},
        "cases": ["time_round_trip"],
    }  # fmt: skip
    return b"".join(json.dumps(line).encode() + b"\n" for line in (hello, *lines))


def metric(name="round_trip", size=1, samples=(1.0, 2.0)):
    return {
        "t": "metric", "case": "time_round_trip", "name": name, "unit": "ns", "per": "op", "bytes": size, "inner": 2,
        "samples": list(samples),
    }  # fmt: skip


def end(outcome="pass", reason=""):
    return {"t": "end", "case": "time_round_trip", "outcome": outcome, "reason": reason, "checks": 1, "ms": 1.0}


START = {"t": "start", "case": "time_round_trip"}
BYE = {
    "t": "goodbye", "cases": 1, "pass": 1, "fail": 0, "unsupported": 0, "skip": 0, "crashed": 0, "timeout": 0,
    "leaks": 0,
}  # fmt: skip


def test_pairs_name_timings_that_exist():
    manifests = {one.probe: one for one in load_manifests()}
    for pair in PAIRS:
        assert manifests[pair.probe].cases[pair.case].kind is CaseKind.TIMING
        assert pair.batches >= 30
        assert pair.why
    assert len({pair.tool.name for pair in PAIRS}) >= 2
    assert len(PAIRS) >= 3


def test_metric_of_the_right_size_is_found():
    found = find_metric(stream(START, metric(size=64), metric(samples=(3.0,)), end(), BYE), PIPE)
    assert (found.bytes, found.samples) == (1, (3.0,))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((START, metric(), end("fail", "1 of 2 checks failed"), BYE), "ended as fail: 1 of 2 checks failed"),
        ((START, metric(size=64), end(), BYE), "told no metric"),
        ((START, metric(name="other"), end(), BYE), "told no metric"),
        ((), "told no metric"),
    ],
)
def test_streams_without_it(lines, words):
    with pytest.raises(InputError, match=words):
        find_metric(stream(*lines), PIPE)


def test_table_and_data():
    measured = [Measured([1000.0, 1100.0], [1000.0, 1000.0], [[1.0], [2.0]]) for _ in PAIRS]
    measured[1] = Measured([3000.0, 3000.0], [1000.0, 1000.0], [[1.0], [2.0]])
    found = tell(measured, {"guest": {"accel": "tcg"}})
    assert [row[3] for row in found.rows] == ["1.05", "3.00", *["1.05"] * (len(PAIRS) - 2)]
    assert "not near 1" in found.notes[1]
    assert "not near 1" not in found.notes[0]
    assert all(pair.why in note for pair, note in zip(PAIRS, found.notes, strict=False))
    kept = found.data["pairs"][1]
    assert (kept["ours_ns"], kept["theirs_ns"], kept["samples"]) == ([3000.0, 3000.0], [1000.0, 1000.0], [[1.0], [2.0]])
    assert found.data["guest"] == {"accel": "tcg"}
    json.dumps(found.data)
