"""Processors and memory that are free, in a container as well."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from rig.run import hostroom
from rig.run.hostroom import ControlGroups, available_mib, cores, free_cores

MIB = 1 << 20


def groups(place: Path, own: str, **files: str) -> ControlGroups:
    """A made mount; `files` by path with `/` written as `__` and `.` as `_DOT_`."""
    (place / "own").write_text(own)
    for name, content in files.items():
        path = place / "mount" / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return ControlGroups(place / "mount", place / "own")


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64_000 * MIB))


@pytest.mark.usefixtures("many")
def test_version_2_the_tightest_of_all_above_counts(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "0::/a/b\n",
        cpu_DOT_max="max 100000",
        a__cpu_DOT_max="250000 100000",
        a__b__cpu_DOT_max="400000 100000",
        a__memory_DOT_max=str(2000 * MIB),
        a__memory_DOT_current=str(1500 * MIB),
        a__memory_DOT_stat=f"anon 5\ninactive_file {100 * MIB}",
        a__b__memory_DOT_max="max",
        a__b__memory_DOT_current=str(MIB),
    )
    assert (found.processors(), cores(found)) == (2.5, 3)
    assert (found.memory_mib(), available_mib(found)) == (600, 600)


@pytest.mark.usefixtures("many")
def test_version_1(tmp_path: Path) -> None:
    found = groups(
        tmp_path,
        "4:memory:/x\n2:cpu,cpuacct:/x\n",
        cpu__x__cpu_DOT_cfs_quota_us="50000",
        cpu__x__cpu_DOT_cfs_period_us="100000",
        cpu__cpu_DOT_cfs_quota_us="-1",
        cpu__cpu_DOT_cfs_period_us="100000",
        memory__x__memory_DOT_limit_in_bytes=str(300 * MIB),
        memory__x__memory_DOT_usage_in_bytes=str(400 * MIB),
    )
    assert (found.processors(), cores(found)) == (0.5, 1)
    assert available_mib(found) == 0


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("own", ["", "nonsense", "0::/../../etc\n"])
def test_without_limits_the_host_counts(tmp_path: Path, own: str) -> None:
    found = groups(tmp_path, own, cpu_DOT_max="max 100000")
    assert (found.processors(), found.memory_mib()) == (None, None)
    assert (cores(found), available_mib(found)) == (64, 64_000)


@pytest.mark.parametrize(("busy", "want"), [(0, 4), (5, 4), (30, 3), (55, 2), (99, 1), (100, 1)])
def test_processors_that_work_are_not_free(monkeypatch: pytest.MonkeyPatch, busy: float, want: int) -> None:
    monkeypatch.setattr(hostroom, "cores", lambda: 4)
    monkeypatch.setattr(psutil, "cpu_percent", lambda _: busy)
    assert free_cores() == want
