"""Console bytes as a reader sees them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.console.text import clean, last_lines, settled
from rig.tests.console.conftest import recorded


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        (b"one\r\ntwo\r\r\r\nthree\rfour\n", "one\ntwo\nthree\nfour\n"),
        (b"\x1b[2J\x1b[01;01H\x1b[=3h\x1b[?7lBdsDxe", "BdsDxe"),
        (b"\x1b]0;title\x07shell\x1b]0;t\x1b\\!", "shell!"),
        (b"\x1b]no end", "no end"),
        (b"\x1b[12;", "12;"),
        (b"\x1bc\x1b(B\x1b=x", "x"),
        (b"a\tb\x00\x07\x08\x7fc", "a\tbc"),
        ("\u00e4\u20ac".encode(), "\u00e4\u20ac"),
        (b"\xff\xc3(", "\ufffd\ufffd("),
    ],
)
def test_clean(data, text):
    assert clean(data) == text


ODD = st.sampled_from(
    [b"\x1b[", b"\x1b]", b"\x07", b"\x1b\\", b"\r", b"\n", b";", b"1", b"m", b"\x08", b"\xc3", b"text"]
)


@given(st.binary(max_size=300) | st.lists(ODD, max_size=40).map(b"".join))
def test_nothing_that_is_no_text_is_left(data):
    assert re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f]*", clean(data))


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"])))
def test_text_comes_through(text):
    assert clean(text.encode()) == text


def test_the_last_lines_that_hold_something():
    assert last_lines(b"one\r\n  \r\ntwo  \r\n\r\nthree\r\n\r\n", 2) == "two\nthree"
    assert last_lines(b"", 5) == ""
    assert last_lines(recorded("darwin20-boot.log"), 2).endswith("RIG1000016110139222819")


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"text", b"text"),
        (b"text\x1b", b"text"),
        (b"text\x1b[1;", b"text"),
        (b"text\x1b[1;2m", b"text\x1b[1;2m"),
        (b"text\x1b]0;title", b"text"),
        (b"text\x1b]0;title\x07x", b"text\x1b]0;title\x07x"),
        (b"text\x1b]0;title\x1b\\x", b"text\x1b]0;title\x1b\\x"),
        (b"text\x1bcx", b"text\x1bcx"),
        (b"text\x1b(", b"text"),
    ],
)
def test_what_is_settled(data, kept):
    assert settled(data) == kept


@given(st.lists(ODD, max_size=20).map(b"".join), st.lists(ODD, max_size=20).map(b"".join))
def test_what_is_settled_stays_as_it_is(data, more):
    assert clean(data + more).startswith(clean(settled(data)).rstrip("\n\ufffd"))
