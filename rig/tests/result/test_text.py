from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.result.text import clean, tail


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("plain\ttext\nline", "plain\ttext\nline"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Htop", "top"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("nul\x00 bell\x07 c1\x9b", "nul bell c1"),
        ("half \ud83d", "half \N{REPLACEMENT CHARACTER}"),
        ("turned \u202etxt", "turned \N{REPLACEMENT CHARACTER}txt"),
        (17, "17"),
        (None, "None"),
    ],
)
def test_clean(raw: object, kept: str) -> None:
    assert clean(raw) == kept


@settings(deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_what_is_clean_can_be_stored_and_stays_clean(raw: str) -> None:
    kept = clean(raw)
    assert clean(kept) == kept
    assert json.loads(json.dumps(kept).encode("utf-8")) == kept
    assert "\x1b" not in kept


def test_tail_keeps_the_last_lines_and_cuts_long_ones() -> None:
    assert tail("a\nb\nc\n\n", 2) == "b\nc"
    assert tail("x" * 20, 1, width=10) == "xxxxxxx..."
    assert tail("", 5) == ""
    assert tail("a\nb", 0) == ""
