"""The order of probes by what their cases took last time."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.result import Outcome
from rig.run.durations import Durations
from rig.spec import Clock
from rig.tests.result import make
from rig.tests.run.fakes import write_manifest

pytestmark = pytest.mark.usefixtures("home")


def took(case: str, ms: float | None, probe: str) -> object:
    return make.case(case, Outcome.PASS, probe=probe, ms=ms)


def test_longest_probe_first_and_selected_cases_count_alone(tmp_path: Path) -> None:
    short, long, odd = (write_manifest(tmp_path, ["a", "b"], name) for name in ("short", "long", "odd"))
    durations = Durations("some/image", Clock.WALL)
    durations.note([took("a", 1, "short"), took("b", 1, "short"), took("a", 50, "long"), took("b", 1, "long")])  # type: ignore[list-item]
    durations = Durations("some/image", Clock.WALL)
    whole = [str(short.path), str(long.path), str(odd.path)]
    # Cases of `odd` never ran: each is taken for the median of all, here 1 ms.
    assert durations.longest_first([short, long, odd], whole) == (whole[1], whole[0], whole[2])
    single = [f"{short.path}::a", f"{long.path}::b", f"{short.path}::b"]
    assert durations.longest_first([short, long, odd], single) == (single[0], single[2], single[1])
    assert Durations("some/image", Clock.EXACT).longest_first([short, long], whole) == tuple(whole)


def test_a_later_run_changes_only_its_own_cases() -> None:
    first = Durations("image", Clock.WALL)
    first.note([took("a", 10, "one"), took("b", 20, "one")])  # type: ignore[list-item]
    Durations("image", Clock.WALL).note([took("a", 70, "one"), took("b", None, "one")])  # type: ignore[list-item]
    assert Durations("image", Clock.WALL).of("one", ["a", "b"]) == 90


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"one.a": "long"}'])
def test_what_cannot_be_read_is_passed_over(content: str) -> None:
    durations = Durations("image", Clock.WALL)
    durations.note([took("a", 10, "one")])  # type: ignore[list-item]
    durations.path.write_text(content)
    assert Durations("image", Clock.WALL).of("one", ["a"]) == 1.0
