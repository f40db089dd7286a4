"""Kernel flags by purpose, as Darwin's boot-args, and among those that an image has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rig.errors import InputError
from rig.guest.bootargs import meant, merged
from rig.spec import BootFlags, PanicMode

FORK = "-v debug=0x219 -nogzalloc_mode keepsyms=1 serial=3 gopconsole=1"

words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="="), min_size=1, max_size=6)
args = st.one_of(words, st.tuples(words, words).map("=".join))
lines = st.lists(args, max_size=8).map(" ".join)


def flags(**asked: object) -> BootFlags:
    return BootFlags.model_validate(asked)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, ""),
        ({"verbose": True}, "-v"),
        ({"console": "serial"}, "serial=3"),
        ({"console": "screen"}, "serial=0"),
        ({"panic": "report"}, "debug=0xc keepsyms=1"),
        ({"panic": "debugger"}, "debug=0x14c keepsyms=1"),
        ({"panic": "reboot"}, "debug=0x100008 keepsyms=1"),
        ({"panic": "report", "boot_args": "debug=0x144 rd=disk0s3"}, "debug=0x144 keepsyms=1 rd=disk0s3"),
        ({"boot_args": "a=1 b a=2"}, "a=2 b"),
    ],
)
def test_what_flags_come_to(asked, wanted):
    assert " ".join(meant(flags(**asked))) == wanted


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, FORK),
        ({"panic": "reboot"}, FORK.replace("0x219", "0x100008")),
        ({"verbose": False}, FORK.removeprefix("-v ")),
        ({"verbose": True}, FORK),
        ({"boot_args": "cpus=1 serial=7"}, FORK.replace("serial=3", "serial=7") + " cpus=1"),
    ],
)
def test_flags_among_those_that_are_there(asked, wanted):
    assert merged(FORK, flags(**asked)) == wanted


def test_a_flag_that_stood_there_twice_stands_once_with_the_new_value():
    assert merged("debug=1 x debug=2", flags(boot_args="debug=3")) == "debug=3 x"


def test_a_line_too_long_for_the_kernel_is_refused():
    with pytest.raises(InputError, match=r"take 1030 characters.*room for 1023"):
        merged("x" * 1027, flags(verbose=True))


@given(lines, lines, st.sampled_from([None, *PanicMode]), st.sampled_from([None, True, False]))
def test_merging_keeps_what_was_not_asked_for_and_sets_what_was(present, raw, panic, verbose):
    asked = BootFlags(panic=panic, verbose=verbose, boot_args=raw)
    line = merged(present, asked)
    found = line.split()
    wanted = {arg.partition("=")[0]: arg for arg in meant(asked)}
    assert [arg for arg in found if arg.partition("=")[0] in wanted] != [] or not wanted
    for name, arg in wanted.items():
        assert [one for one in found if one.partition("=")[0] == name] == [arg]
    others = [one for one in present.split() if one.partition("=")[0] not in wanted]
    if verbose is False:
        others = [one for one in others if one != "-v"]
    assert [one for one in found if one.partition("=")[0] not in wanted] == others
    assert merged(line, asked) == line  # asking twice changes nothing


def test_options_win_over_the_image_and_raw_flags_add_up():
    image = flags(console="serial", panic="report", boot_args="a=1")
    both = image.changed_by(flags(panic="reboot", boot_args="b=2 a=3"))
    assert both == flags(console="serial", panic="reboot", boot_args="a=1 b=2 a=3")
    assert merged("", both) == "debug=0x100008 keepsyms=1 serial=3 a=3 b=2"
    assert not flags() and flags(verbose=False)


@pytest.mark.parametrize("raw", ["a\nb", " a", "é", "a\tb", "x" * 1024])
def test_raw_flags_are_one_line_of_ascii(raw):
    with pytest.raises(ValidationError):
        flags(boot_args=raw)
