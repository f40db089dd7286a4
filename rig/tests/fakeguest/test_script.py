"""Scripts that make no sense are refused in words; those that do become what they say."""

from __future__ import annotations

import pytest

from rig.errors import SpecError
from rig.tests.fakeguest.code import compile_script
from rig.tests.fakeguest.conftest import script_of
from rig.tests.fakeguest.disk import disk_image
from rig.tests.fakeguest.script import FIXTURES, FileText


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("- {say: x, wait: 1}", r"here:5: steps\.0: a step is one key with a value, found say, wait"),
        ("- {}", "a step is one key with a value, found none"),
        ("- say: x\n- speak: x", r"here:6: steps\.1\.speak: unknown key; allowed here: .*say, "),
        ("- end: explode", "here:5: steps.0.end: found 'explode'; should be 'idle', 'halt'"),
        ("- keys: {go: {f13: x}}", "no such key: f13; known: 1 2"),
        ("- wait: -1", "greater than or equal to 0"),
        ("- repeat: {times: 0, steps: [{say: x}]}", "greater than or equal to 1"),
        ("- say: {file: ../x}", "should match pattern"),
    ],
)
def test_a_script_with_a_fault_is_refused(steps, words):
    with pytest.raises(SpecError, match=words):
        script_of(steps)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("- label: a\n- go: b", "here: no step is labelled 'b'; labels: a"),
        ("- label: a\n- label: a", "here: two steps are labelled 'a'"),
        ("- say: {file: console/nothing.log}", "fixtures/console/nothing.log: No such file"),
        ("- say: {file: console/darwin17-panic.log, first: 999}", "has no line 999"),
    ],
)
def test_a_script_that_cannot_be_compiled_is_refused(steps, words):
    with pytest.raises(SpecError, match=words):
        compile_script(script_of(steps), "here")


def test_a_script_that_is_too_large_is_refused():
    with pytest.raises(SpecError, match=r"here: \d+ bytes are too many for a script, 393216 are allowed"):
        disk_image(script_of("- say: " + "x" * 400_000), "here")


def test_a_part_of_a_recorded_text():
    whole = (FIXTURES / "console/darwin17-panic.log").read_bytes()
    lines = whole.decode().splitlines(keepends=True)
    assert FileText(file="console/darwin17-panic.log", first=2, last=3).read() == lines[1] + lines[2]
    assert FileText(file="console/darwin17-panic.log", bytes=10).read() == lines[0][:10]


def test_a_disk_is_one_that_a_bios_boots():
    disk = disk_image(script_of("- say: x"))
    assert len(disk) == 1 << 20 and disk[510:512] == b"\x55\xaa"
