"""The search for the cases that change how another ends: it finds the fewest, in few runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from rig.run.order import Found, find_order, most_runs, search

Changes = Callable[[Sequence[int]], bool]


class Guest:
    """Counts the runs; a case ends otherwise after all of any one of `sets`."""

    def __init__(self, *sets: set[int], times: int = 10**6) -> None:
        self.sets, self.times, self.runs = sets, times, 0

    def __call__(self, steps: Sequence[int]) -> bool:
        assert list(steps) == sorted(steps), "what ran keeps its order"
        self.runs += 1
        return self.runs <= self.times and any(one <= set(steps) for one in self.sets)


@given(data=st.data(), count=st.integers(1, 300))
def test_one_or_two_are_found_within_the_bound(data: st.DataObject, count: int) -> None:
    members = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=2))
    guest = Guest(members)
    assert search(range(count), guest, most_runs(count)) == Found(tuple(sorted(members)))
    assert guest.runs <= len(members) * (math.ceil(math.log2(count)) + 1)


@given(data=st.data(), count=st.integers(1, 40))
def test_what_is_found_is_minimal_whatever_works_together(data: st.DataObject, count: int) -> None:
    some = st.sets(st.integers(0, count - 1), min_size=1, max_size=5)
    sets = data.draw(st.lists(some, min_size=1, max_size=4))
    found = search(range(count), Guest(*sets), 10_000)
    assert found.minimal and any(one == set(found.members) for one in sets)
    assert not any(one < set(found.members) for one in sets)


@given(data=st.data(), count=st.integers(1, 60), runs=st.integers(0, 12))
def test_a_search_that_is_cut_short_tells_what_it_knows(data: st.DataObject, count: int, runs: int) -> None:
    members = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=6))
    guest = Guest(members)
    found = search(range(count), guest, runs)
    assert guest.runs <= runs
    assert members <= set(found.members)
    assert not found.minimal or set(found.members) == members


@given(data=st.data(), count=st.integers(1, 200))
def test_all_in_all_it_is_bounded(data: st.DataObject, count: int) -> None:
    members = data.draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=4))
    near = data.draw(st.integers(0, count))
    guest = Guest(members)
    found = find_order(range(count), near, guest)
    assert found is not None and members <= set(found.members)
    assert guest.runs <= 2 * math.ceil(math.log2(count)) + 6


def test_what_is_near_is_looked_at_alone_where_that_is_enough() -> None:
    seen: list[int] = []

    def changes(steps: Sequence[int]) -> bool:
        seen.append(len(steps))
        return 98 in steps

    assert find_order(range(100), 4, changes) == Found((98,))
    assert max(seen) == 4


def test_what_does_not_show_again_is_no_order() -> None:
    assert find_order([], 0, Guest({1})) is None
    assert find_order(range(8), 0, Guest({9})) is None, "not even after all"
    full = Guest({3})
    find_order(range(8), 0, full)
    for times in range(full.runs - 1):
        assert find_order(range(8), 0, Guest({3}, times=times)) is None, "chance stopped it on the way"


def test_a_case_that_ends_so_alone_after_all_is_no_order() -> None:
    assert find_order(range(4), 0, lambda _: True) is None
