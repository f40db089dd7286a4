"""Text as presses of a US keyboard's keys."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import InputError
from rig.machine.keyboard import chords

# What stands on the keys of a US keyboard, without and with shift, row by row.
BELOW = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./"
ABOVE = '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>?'


def test_each_key_with_shift_gives_what_stands_above():
    assert [("shift", *keys) for keys in chords(BELOW)] == chords(ABOVE)


def test_a_loaders_line():
    assert chords("rd=disk0s3 -v\n") == [
        ("r",), ("d",), ("equal",), ("d",), ("i",), ("s",), ("k",), ("0",), ("s",), ("3",), ("spc",), ("minus",),
        ("v",), ("ret",),
    ]  # fmt: skip
    assert chords("A_:") == [("shift", "a"), ("shift", "minus"), ("shift", "semicolon")]


@given(st.text(string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "")))
def test_no_two_characters_share_their_keys(text):
    pressed = chords(text)
    assert len(pressed) == len(text)
    assert len(set(pressed)) == len(set(text))


def test_what_no_key_gives_is_named():
    with pytest.raises(InputError, match="'é', '€'"):
        chords("a€é")
