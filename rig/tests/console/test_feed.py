"""The bounded queue and the bounded search: order, limits, alarms in their place. Sizes are asserted, never times."""

import re
import threading
from typing import Any

import pexpect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pexpect.expect import Expecter, searcher_re

from rig.console.feed import BEFORE_LIMIT, PIECE, UNREAD_LIMIT, WINDOW, Arrivals, ConsoleAlarmError, Feed
from rig.deadline import Deadline
from rig.tests.console.conftest import PATIENCE

NOW = Deadline.after(0)


def soon() -> Deadline:
    return Deadline.after(PATIENCE)


def everything(arrivals: Arrivals) -> bytes:
    data = b""
    while True:
        try:
            data += arrivals.take(NOW)
        except TimeoutError:
            return data


@given(st.lists(st.binary(min_size=1, max_size=3 * PIECE), max_size=20))
@settings(max_examples=50, deadline=None)
def test_what_comes_in_goes_out_in_order_in_pieces_that_fit(chunks):
    arrivals, out = Arrivals(), []
    for chunk in chunks:
        arrivals.put(chunk)
    while arrivals.unread:
        out.append(arrivals.take(NOW))
    assert b"".join(out) == b"".join(chunks)
    assert all(0 < len(piece) <= PIECE for piece in out)
    assert all(len(piece) == PIECE for piece in out[:-1])


def test_of_what_nobody_reads_the_newest_is_kept():
    arrivals = Arrivals()
    for number in range(20_000):
        arrivals.put(b"%01023d\n" % number)
        assert arrivals.unread <= UNREAD_LIMIT
    assert sum(map(len, arrivals._pieces)) == arrivals.unread
    kept = everything(arrivals)
    assert kept.endswith(b"19999\n") and len(kept) == UNREAD_LIMIT


def test_waiting_ends_with_the_first_byte_the_end_or_the_deadline():
    arrivals = Arrivals()
    with pytest.raises(TimeoutError):
        arrivals.take(NOW)
    for act, wanted in ((lambda: arrivals.put(b"x"), b"x"), (arrivals.close, b"")):
        later = threading.Timer(0.02, act)
        later.start()
        try:
            got = arrivals.take(soon())
        except EOFError:
            got = b""
        later.join()
        assert got == wanted


def test_an_alarm_comes_after_what_raised_it_and_before_what_follows():
    arrivals = Arrivals()
    arrivals.put(b"before")
    arrivals.alarm("storm", lasting=False)
    arrivals.put(b"after")
    assert arrivals.take(NOW) == b"before"
    with pytest.raises(ConsoleAlarmError, match="storm"):
        arrivals.take(NOW)
    assert arrivals.take(NOW) == b"after"
    with pytest.raises(TimeoutError):
        arrivals.take(NOW)


def test_a_lasting_alarm_comes_again_but_lets_through_what_comes_meanwhile():
    arrivals = Arrivals()
    arrivals.alarm("panic", lasting=True)
    arrivals.alarm("storm", lasting=False)
    for data in (b"", b"more", b"", b"and more"):
        if data:
            arrivals.put(data)
            with pytest.raises(ConsoleAlarmError, match="panic"):
                arrivals.take(NOW)
            assert arrivals.take(NOW) == data
        with pytest.raises(ConsoleAlarmError, match="panic"):
            arrivals.take(NOW)


def test_what_is_forgotten_is_not_the_alarm_nor_the_end():
    arrivals = Arrivals()
    arrivals.put(b"old")
    arrivals.alarm("panic", lasting=False)
    arrivals.forget()
    with pytest.raises(ConsoleAlarmError):
        arrivals.take(NOW)
    arrivals.put(b"new")
    arrivals.close()
    arrivals.forget()
    with pytest.raises(EOFError):
        arrivals.take(NOW)


def test_an_alarm_whose_text_was_dropped_comes_all_the_same():
    arrivals = Arrivals()
    arrivals.put(b"x")
    arrivals.alarm("panic", lasting=False)
    for _ in range(40):
        arrivals.put(65536 * b"y")
    with pytest.raises(ConsoleAlarmError):
        arrivals.take(NOW)


def search(feed: Feed, pattern: bytes, deadline: Deadline = NOW) -> int:
    feed.begin(deadline)
    return feed.expect_list([re.compile(pattern, re.MULTILINE), pexpect.TIMEOUT], timeout=None)


def held(feed: Feed) -> int:
    return len(feed._before.getvalue()) + len(feed._buffer.getvalue())


def test_a_flood_that_never_matches_is_searched_in_a_window_and_kept_in_bounds():
    """20 MB: what is held never passes the limits, and no search sees more than the window."""
    searched: list[int] = []

    class Spy:
        def __init__(self, pattern: bytes) -> None:
            self.pattern = re.compile(pattern)

        def search(self, window: bytes, start: int = 0) -> re.Match[bytes] | None:
            searched.append(len(window))
            return self.pattern.search(window, start)

    feed, worst = Feed(), 0
    for _ in range(320):
        feed.arrivals.put(65536 * b"z")
        feed.begin(NOW)
        looker: Any = searcher_re([pexpect.TIMEOUT])
        looker._searches = [(1, Spy(rb"never there"))]
        expecter: Any = Expecter(feed, looker)
        assert expecter.expect_loop(None) == 0
        worst = max(worst, held(feed))
    assert max(searched) == WINDOW
    assert sum(searched) < 20 * (1 << 20) * (WINDOW // PIECE) * 1.1
    assert worst <= BEFORE_LIMIT + 2 * WINDOW


@pytest.mark.parametrize("at", [0, 1, PIECE - 3, PIECE, WINDOW - 3, WINDOW, 30_000, 65_536 - 7])
def test_a_match_is_found_wherever_it_lies_in_a_chunk(at):
    feed = Feed()
    data = bytearray(65_536 * b"z")
    data[at : at + 6] = b"needle"
    feed.arrivals.put(bytes(data))
    assert search(feed, b"needle") == 0
    assert feed.before == at * b"z"


@given(st.integers(0, 3 * PIECE), st.lists(st.integers(1, 3 * PIECE), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_a_match_is_found_however_the_bytes_are_cut(at, sizes):
    data = at * b"z" + b"needle" + 100 * b"y"
    feed = Feed()
    for size in [*sizes, len(data)]:
        if data:
            feed.arrivals.put(data[:size])
            data = data[size:]
    assert search(feed, b"needle") == 0
    assert feed.before == at * b"z"
    assert search(feed, b"needle") == 1
    assert search(feed, b"y{100}") == 0


def test_what_was_there_is_looked_at_though_time_is_over_and_a_flood_does_not_prolong_it():
    feed = Feed()
    for _ in range(5):
        feed.arrivals.put(PIECE * b"z")
    feed.arrivals.put(b"needle")
    assert search(feed, b"needle") == 0
    real, fed = feed.arrivals.take, []

    def take(deadline: Deadline) -> bytes:
        feed.arrivals.put(100 * b"z")
        fed.append(True)
        return real(deadline)

    feed.arrivals.take = take  # type: ignore[method-assign]
    feed.arrivals.put(b"x")
    assert search(feed, b"needle") == 1
    assert len(fed) == 1
