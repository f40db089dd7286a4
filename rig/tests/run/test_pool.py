"""Guests ready ahead of need: one at most, none forgotten, failures told to whoever asks."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from rig.errors import HostError
from rig.run.pool import Pool


@dataclass
class Thing:
    number: int
    closed: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        self.closed.set()


@dataclass
class Maker:
    made: list[Thing] = field(default_factory=list)
    fails: bool = False
    may: bool = True
    began: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def __call__(self) -> Thing:
        self.began.set()
        assert self.go_on.wait(30)
        if self.fails:
            raise HostError("no room")
        self.made.append(Thing(len(self.made) + 1))
        return self.made[-1]


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def pool(maker: Maker):
    found = Pool(maker, lambda: maker.may)
    yield found
    found.close()


def test_nothing_is_made_before_it_is_wanted(pool: Pool[Thing], maker: Maker) -> None:
    assert maker.made == []
    assert pool.take().number == 1
    assert len(maker.made) == 1


def test_the_next_is_made_meanwhile_and_only_one(pool: Pool[Thing], maker: Maker) -> None:
    pool.prepare()
    pool.prepare()
    assert maker.began.wait(30)
    assert pool.take().number == 1
    assert len(maker.made) == 1


def test_what_nobody_wants_any_more_is_ended_and_the_next_is_another(pool: Pool[Thing], maker: Maker) -> None:
    pool.prepare()
    assert maker.began.wait(30)
    pool.empty()
    assert pool.take().number == 2
    assert maker.made[0].closed.wait(30)
    assert not maker.made[1].closed.is_set()


def test_what_is_being_made_is_waited_for(pool: Pool[Thing], maker: Maker) -> None:
    maker.go_on.clear()
    pool.prepare()
    assert maker.began.wait(30)
    threading.Timer(0.05, maker.go_on.set).start()
    assert pool.take().number == 1


def test_not_ahead_where_there_is_no_room(pool: Pool[Thing], maker: Maker) -> None:
    maker.may = False
    pool.prepare()
    assert not maker.began.is_set()
    assert pool.take().number == 1


def test_a_failure_is_told_to_whoever_takes(pool: Pool[Thing], maker: Maker) -> None:
    maker.fails = True
    pool.prepare()
    with pytest.raises(HostError, match="no room"):
        pool.take()
    maker.fails = False
    assert pool.take().number == 1


def test_one_who_is_interrupted_while_he_waits_leaves_it_to_the_pool(
    pool: Pool[Thing], maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.prepare()
    assert maker.began.wait(30)

    def interrupted(*_: object) -> Thing:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.take()
    pool.close()
    assert maker.made[0].closed.is_set()


def test_ended_behind_the_callers_back(pool: Pool[Thing], maker: Maker) -> None:
    one = pool.take()
    pool.end(one)
    assert one.closed.wait(30)


@pytest.mark.parametrize("under_way", [False, True])
def test_close_ends_what_was_not_taken(maker: Maker, under_way: bool) -> None:
    pool = Pool(maker, lambda: True)
    taken = pool.take()
    if under_way:
        maker.go_on.clear()
    maker.began.clear()
    pool.prepare()
    assert maker.began.wait(30)
    if under_way:
        threading.Timer(0.05, maker.go_on.set).start()
    pool.end(taken)
    pool.close()
    pool.close()
    assert taken.closed.is_set()
    assert all(one.closed.is_set() for one in maker.made)
    assert len(maker.made) == 2


def test_close_hides_the_failure_of_what_nobody_asked_for(maker: Maker) -> None:
    maker.fails = True
    pool = Pool(maker, lambda: True)
    pool.prepare()
    assert maker.began.wait(30)
    pool.close()
