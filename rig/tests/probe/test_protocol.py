from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.probe.protocol import (
    MAX_LINE,
    Check,
    End,
    Fact,
    Goodbye,
    Hello,
    Leak,
    Message,
    Metric,
    Note,
    Rubbish,
    Start,
    StreamReader,
    Unknown,
)

HELLO: dict[str, Any] = {
    "t": "hello",
    "proto": 1,
    "probe": "pipe",
    "version": "1",
    "os": "Darwin",
    "release": "20.5.0",
    "machine": "x86_64",
    "kernel": "Darwin Kernel Version 20.5.0",
    "pid": 7,
    "clock": "mach_absolute_time",
    "tick_ns": 1,
    "clock_cost_ns": 41.5,
    "page": 4096,
    "limits": {"open_files": 256},
    "cases": ["a", "b"],
}
START = {"t": "start", "case": "a"}
END = {"t": "end", "case": "a", "outcome": "pass", "reason": "", "checks": 12, "ms": 3.1, "via": "libsystem", "exit": 0}
END_B = {"t": "end", "case": "b", "outcome": "crashed", "reason": "SIGSEGV", "signal": "SIGSEGV"}
METRIC = {
    "t": "metric",
    "case": "a",
    "name": "round_trip",
    "unit": "ns",
    "per": "op",
    "bytes": 1,
    "inner": 200,
    "samples": [812.5, 813],
}
GOODBYE = {"t": "goodbye", "cases": 2, "pass": 1, "fail": 0, "unsupported": 0, "skip": 0, "crashed": 1, "leaks": 0}


def stream(*lines: dict[str, Any] | bytes, newline: bytes = b"\n") -> bytes:
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + newline for line in lines)


def read(data: bytes) -> tuple[StreamReader, list[Message]]:
    reader = StreamReader()
    return reader, reader.feed(data) + reader.close()


def refused(*lines: dict[str, Any] | bytes) -> str:
    """The reason why the last of these lines is rubbish; the ones before must be none."""
    _, messages = read(stream(*lines))
    assert [type(m) for m in messages[:-1]].count(Rubbish) == 0
    assert isinstance(messages[-1], Rubbish)
    return messages[-1].reason


def test_a_whole_stream_is_read() -> None:
    reader, messages = read(
        stream(
            HELLO,
            START,
            {"t": "check", "case": "a", "ok": False, "what": "write", "got": "EBADF", "want": "0", "at": "pipe.c:41"},
            {"t": "note", "text": "about the probe"},
            {"t": "note", "case": "a", "text": "capacity 65536"},
            {"t": "fact", "case": "a", "name": "capacity", "value": 65536},
            {"t": "fact", "name": "word", "value": "x"},
            METRIC,
            END,
            {"t": "start", "case": "b"},
            END_B,
            {"t": "leak", "kind": "sysv", "what": "queue 3"},
            GOODBYE,
        )
    )
    assert isinstance(messages[0], Hello)
    assert (messages[0].cases, messages[0].limits, messages[0].tick_ns) == (("a", "b"), {"open_files": 256}, 1.0)
    assert messages[1:] == [
        Start("a"),
        Check("a", ok=False, what="write", got="EBADF", want="0", at="pipe.c:41"),
        Note("about the probe"),
        Note("capacity 65536", case="a"),
        Fact("capacity", 65536, case="a"),
        Fact("word", "x"),
        Metric("a", "round_trip", "ns", (812.5, 813.0), inner=200, bytes=1),
        End("a", "pass", checks=12, ms=3.1, via="libsystem", exit=0),
        Start("b"),
        End("b", "crashed", reason="SIGSEGV", signal="SIGSEGV"),
        Leak("sysv", "queue 3"),
        Goodbye(cases=2, passed=1, crashed=1),
    ]
    assert reader.complete
    assert reader.problem == ""
    assert (reader.outcomes["pass"], reader.outcomes["crashed"], reader.rubbish) == (1, 1, 0)
    assert list(reader.ended) == ["a", "b"]
    assert reader.lines == 13


def test_messages_come_as_soon_as_their_line_is_whole() -> None:
    reader = StreamReader()
    data = stream(HELLO, START)
    assert reader.feed(data[:-1]) == [reader.hello]
    assert reader.feed(data[-1:]) == [Start("a")]


def test_serial_line_ends_and_empty_lines_are_no_matter() -> None:
    reader, messages = read(b"\n\r\n" + stream(HELLO, START, b"", newline=b"\r\n"))
    assert [type(m) for m in messages] == [Hello, Start]
    assert reader.rubbish == 0


def test_a_last_line_without_its_newline_counts_if_it_is_whole() -> None:
    whole = stream(HELLO, START, END, END_B, GOODBYE)[:-1]
    assert read(whole)[0].complete
    reader, messages = read(whole[:-1])
    assert not reader.complete
    assert isinstance(messages[-1], Rubbish)
    assert reader.close() == []


def test_a_stream_without_goodbye_is_not_complete() -> None:
    reader, _ = read(stream(HELLO, START, END))
    assert not reader.complete
    assert reader.missing == ("b",)
    assert "without a goodbye" in reader.problem


def test_a_goodbye_that_does_not_fit_the_ends_is_a_problem() -> None:
    assert "of b no end" in read(stream(HELLO, END, GOODBYE))[0].problem
    assert "counts 3 cases, but 2" in read(stream(HELLO, END, END_B, {**GOODBYE, "cases": 3}))[0].problem


def test_nothing_at_all_is_a_problem() -> None:
    reader, messages = read(b"")
    assert (messages, reader.complete, reader.lines) == ([], False, 0)
    assert "no hello" in reader.problem


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello world", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"t":"start","case":"a"} x', "not JSON"),
        (b'{"t":"start","case":"a"', "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b'{"t":' * 5000, "not JSON"),
        (b'{"t":"start","case":NaN}', "not JSON"),
        (b'{"t":"start","case":"\\ud800"}', "not JSON"),
        (b"[1]", "a list and no object"),
        (b"7", "a int and no object"),
        (b"{}", "without `t`"),
        (b'{"t":["start"]}', "`t` is no text"),
        (b'{"t":"start"}', "key 'case' is missing"),
        (b'{"t":"start","case":7}', "key 'case'"),
        ({**METRIC, "samples": [1, "2"]}, "key 'samples.1'"),
        ({**METRIC, "samples": 3}, "key 'samples'"),
        ({**METRIC, "unit": "furlongs"}, "key 'unit'"),
        ({**METRIC, "inner": 0}, "key 'inner'"),
        (json.dumps(METRIC).replace("813", "1e999").encode(), "key 'samples.1'"),
        (json.dumps(METRIC).replace("813", "true").encode(), "key 'samples.1'"),
        ({**END, "outcome": "fine"}, "key 'outcome'"),
        ({**END, "checks": "12"}, "key 'checks'"),
        ({"t": "check", "case": "a", "ok": 1, "what": "x"}, "key 'ok'"),
        ({"t": "fact", "name": "x", "value": None}, "key 'value"),
        ({**START, "case": "c"}, "case 'c', which the hello does not name"),
        (HELLO, "a second hello"),
    ],
)
def test_what_is_no_message_is_rubbish_with_its_reason(line: Any, reason: str) -> None:
    assert reason in refused(HELLO, line)


def test_a_second_end_is_rubbish_and_the_first_stands() -> None:
    reader, messages = read(stream(HELLO, END, {**END, "outcome": "fail"}))
    assert isinstance(messages[-1], Rubbish)
    assert reader.ended["a"].outcome == "pass"
    assert reader.outcomes["fail"] == 0


def test_nothing_counts_before_the_hello_or_after_the_goodbye() -> None:
    assert refused(START) == "before the hello"
    assert refused(HELLO, END, END_B, GOODBYE, START) == "after the goodbye"
    assert refused(HELLO, END, END_B, GOODBYE, GOODBYE) == "after the goodbye"


def test_a_probe_of_another_protocol_is_told_apart() -> None:
    reader, messages = read(stream({**HELLO, "proto": 2}, START))
    assert reader.hello is None
    assert "protocol 2, this rig reads 1" in reader.problem
    assert all(isinstance(m, Rubbish) for m in messages)


def test_a_broken_hello_says_what_is_wrong_with_it() -> None:
    reader, _ = read(stream({key: value for key, value in HELLO.items() if key != "cases"}))
    assert "'cases' is missing" in reader.problem


def test_later_probes_may_say_more() -> None:
    reader, messages = read(stream({**HELLO, "colour": "green"}, {"t": "heartbeat", "n": 1}, {**START, "more": [1]}))
    assert messages[1:] == [Unknown("heartbeat", {"t": "heartbeat", "n": 1}), Start("a")]
    assert reader.rubbish == 0


def test_rubbish_keeps_a_printable_beginning_and_its_place() -> None:
    _, messages = read(stream(HELLO, b"", b"\x1b[31m\xe9" + b"x" * 1000))
    found = messages[-1]
    assert isinstance(found, Rubbish)
    assert found.excerpt.startswith(r"\x1b[31m\xe9xxx")
    assert len(found.excerpt) < 400
    assert (found.size, found.line) == (1006, 3)


def test_the_longest_line_is_read_and_one_byte_more_is_not() -> None:
    def note(size: int) -> bytes:
        frame = len(json.dumps({"t": "note", "text": ""}))
        return json.dumps({"t": "note", "text": "x" * (size - frame)}).encode()

    assert isinstance(read(stream(HELLO, note(MAX_LINE)))[1][-1], Note)
    assert f"a line of {MAX_LINE + 1} bytes" in refused(HELLO, note(MAX_LINE + 1))


def test_memory_is_bounded_by_one_line_and_the_stream_goes_on_after_it() -> None:
    reader = StreamReader()
    reader.feed(stream(HELLO))
    for _ in range(64):
        assert reader.feed(b"x" * 65536) == []
        assert len(reader._line) <= MAX_LINE + 1
    flood, after = reader.feed(b"\n" + stream(START))
    assert isinstance(flood, Rubbish)
    assert flood.size == 64 * 65536
    assert after == Start("a")


def test_every_kind_can_be_told_as_plain_data() -> None:
    _, messages = read(stream(HELLO, METRIC, b"rubbish", {"t": "new"}, END))
    assert json.loads(json.dumps([asdict(m) for m in messages]))[2]["reason"].startswith("not JSON")


# How long an example takes says nothing on a loaded host.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

lines = st.one_of(
    st.sampled_from([HELLO, START, END, END_B, METRIC, GOODBYE, {"t": "later"}]).map(
        lambda line: json.dumps(line).encode()
    ),
    st.binary(max_size=60),
    st.builds(
        lambda kind, rest: json.dumps({**rest, "t": kind}).encode(),
        st.sampled_from(["hello", "start", "check", "note", "fact", "metric", "end", "leak", "goodbye", "x"]),
        st.dictionaries(
            st.sampled_from([*HELLO, *METRIC, *END, *GOODBYE, "ok", "text", "value", "kind", "what"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("a"),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                max_leaves=6,
            ),
            max_size=8,
        ),
    ),
)


@patiently
@given(st.binary(max_size=2000))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    read(data)
    read(stream(HELLO) + data)


@patiently
@given(st.lists(lines, max_size=12), st.lists(st.integers(0, 200), min_size=1, max_size=9))
def test_the_same_bytes_give_the_same_messages_however_cut(written: list[bytes], cuts: list[int]) -> None:
    whole = b"\n".join(written)
    expected_reader, expected = read(whole)
    reader, found, rest = StreamReader(), [], whole
    for cut in itertools.chain(cuts, itertools.repeat(max(*cuts, 1))):
        found += reader.feed(rest[:cut])
        rest = rest[cut:]
        if not rest:
            break
    found += reader.close()
    assert found == expected
    assert (reader.ended, reader.rubbish, reader.lines, reader.problem) == (
        expected_reader.ended,
        expected_reader.rubbish,
        expected_reader.lines,
        expected_reader.problem,
    )
    assert reader.complete == (sum(isinstance(m, Goodbye) for m in found) == 1)
    assert sum(reader.outcomes.values()) == len(reader.ended)


@patiently
@given(st.integers(1, 7), st.integers(MAX_LINE - 3, MAX_LINE + 3))
def test_a_line_at_the_limit_is_the_same_however_cut(pieces: int, size: int) -> None:
    data = stream(HELLO) + b"x" * size + b"\n" + stream(START)
    step = len(data) // pieces + 1
    reader = StreamReader()
    found = [m for at in range(0, len(data), step) for m in reader.feed(data[at : at + step])] + reader.close()
    assert found == read(data)[1]
