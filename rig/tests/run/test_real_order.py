"""Cases that get in each other's way, in real guests: the pair is named, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rig.result import CaseResult, Outcome, load
from rig.tests.real import RealRig

pytestmark = pytest.mark.qemu

SOURCE = """\
#include "rig.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>
PROBE("order", "1");
#define KEY 0x52494707
CASE(quiet) { CHECK_EQ_INT(1, 1); }
CASE(leaves_queue) { CHECK_OK(msgget(KEY, IPC_CREAT | 0600)); }
CASE(still) { CHECK_EQ_INT(1, 1); }
CASE(makes_file) { CHECK_OK(open("/tmp/order-test", O_CREAT | O_WRONLY, 0600)); }
CASE(wants_no_queue) { CHECK_ERRNO(msgget(KEY, 0), ENOENT); }
CASE(wants_file) { CHECK_OK(access("/tmp/order-test", F_OK)); }
CASE(fails_anyway) { CHECK_EQ_INT(1, 2); }
"""
CASES = ["quiet", "leaves_queue", "still", "makes_file", "wants_no_queue", "wants_file", "fails_anyway"]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRig]:
    with RealRig(tmp_path_factory.mktemp("order") / "home") as found:
        yield found


@pytest.fixture
def probes(tmp_path: Path) -> Path:
    directory = tmp_path / "probes" / "order"
    directory.mkdir(parents=True)
    (directory / "order.c").write_text(SOURCE)
    case = {"what": "x", "source": "x", "expect": {"linux": "pass", "darwin": "pass"}}
    plain = {
        "probe": "order",
        "version": 1,
        "mechanism": "order",
        "summary": "x",
        "sources": ["order.c"],
        "cases": dict.fromkeys(CASES, case),
    }
    (directory / "order.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
    return tmp_path / "probes"


@pytest.mark.parametrize(
    ("isolation", "victim", "culprit", "then", "alone"),
    [
        ("suite", "order.wants_no_queue", "order.leaves_queue", "fail", "pass"),
        ("case", "order.wants_file", "order.makes_file", "pass", "fail"),
    ],
)
def test_the_pair_is_named(
    isolation: str, victim: str, culprit: str, then: str, alone: str, rig: RealRig, probes: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "run"
    options = ("--isolation", isolation, "--accel", "tcg", "--run-dir", run_dir, "--plain")
    done = rig.run("test", "--probes", probes, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    red = {case.id: case for case in load(run_dir).cases if case.verdict.is_red}
    assert sorted(red) == sorted([victim, "order.fails_anyway"]), done.stdout
    _pair(red[victim], culprit, then, alone)
    assert red["order.fails_anyway"].order is None
    assert f"order-dependent: {then} after {culprit}, {alone} alone in a fresh guest" in done.stdout


def _pair(case: CaseResult, culprit: str, then: str, alone: str) -> None:
    assert case.order is not None, case
    assert (case.order.after, case.order.minimal) == ((culprit,), True)
    assert (case.order.then, case.order.alone) == (Outcome(then), Outcome(alone))
