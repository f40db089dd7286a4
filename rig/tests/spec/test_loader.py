"""Whatever stands in a file: a model, or an error that says where, what was found and what is allowed."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from rig.errors import SpecError
from rig.paths import images_dir
from rig.spec import ImageSpec, MachineSpec, SuiteSpec, load_spec, parse_spec
from rig.spec.base import Spec
from rig.spec.yamltext import read_yaml

GOOD = (images_dir() / "reference.yaml").read_text()


class Leaf(Spec):
    size: int
    name: str = "leaf"


class Tree(Spec):
    leaves: tuple[Leaf, ...] = ()
    by_name: dict[str, Leaf] = {}  # noqa: RUF012
    maybe: Leaf | None = None
    flags: dict[str, bool] = {}  # noqa: RUF012
    words: tuple[str, ...] = ()
    word: str = ""


class Box(Spec):
    value: Any


def fault(text: str, model: type[BaseModel] = Tree) -> str:
    """What the loader says of a bad text."""
    with pytest.raises(SpecError) as caught:
        parse_spec(model, text, "a.yaml")
    return str(caught.value)


def test_a_good_file(tmp_path):
    path = tmp_path / "tree.yaml"
    path.write_text("leaves:\n  - {size: 1}\nby_name: {a: {size: 2, name: b}}\n")
    tree = load_spec(Tree, path)
    assert tree.leaves[0].size == 1 and tree.by_name["a"].name == "b"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("word: a\nwords: [b]\nwrod: c\n", "a.yaml:3: wrod: unknown key (did you mean 'word'?); allowed here: "),
        ("word: a\nleaves:\n- size: 1\n- size: 2\n  colour: red\n", "a.yaml:5: leaves.1.colour: unknown key"),
        (
            "leaves:\n- sise: 1\n",
            "a.yaml:2: leaves.0.sise: unknown key (did you mean 'size'?); allowed here: name, size",
        ),
        (
            "by_name:\n  one:\n    size: 1\n    bad: 2\n",
            "a.yaml:4: by_name.one.bad: unknown key; allowed here: name, size",
        ),
        ("maybe:\n  sisze: 1\n", "a.yaml:2: maybe.sisze: unknown key (did you mean 'size'?); allowed here: name, size"),
        ("leaves:\n- name: x\n", "a.yaml:2: leaves.0.size: this key is missing and must be given"),
        ("leaves:\n- size: big\n", "a.yaml:2: leaves.0.size: found 'big'; should be a valid integer"),
        ("leaves: 3\n", "a.yaml:1: leaves: found 3; should be a list"),
        ("words: one\n", "a.yaml:1: words: found 'one'; should be a list"),
        ("maybe: 3\n", "a.yaml:1: maybe: found 3; should be a mapping of keys to values"),
        ("flags: [a]\n", "a.yaml:1: flags: found ['a']; should be a mapping of keys to values"),
        ("\nword: 17.4\n", "a.yaml:2: word: found 17.4; should be text: put it in quotes"),
        ("word: no\n", "a.yaml:1: word: found False; should be text: put it in quotes"),
        ("word: [a]\n", "a.yaml:1: word: found ['a']; should be text"),
        ("flags:\n  a: true\n  1: true\n", "a.yaml:3: flags.1: found 1; should be text"),
        ("", "a.yaml:1: found nothing, expected a mapping of keys to values"),
        ("- a\n", "a.yaml:1: found ['a'], expected a mapping of keys to values"),
        ("word: a\nword: b\n", "a.yaml:2: not readable as YAML: key 'word' stands twice"),
        ("word: [a\n", "a.yaml:2: not readable as YAML: expected ',' or ']'"),
        ("word: *gone\n", "a.yaml:1: not readable as YAML: found undefined alias 'gone'"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2: not readable as YAML: but found another document"),
        ("word: \x07\n", "a.yaml: not readable as YAML: special characters are not allowed"),
        ("word: !!bool maybe\n", "a.yaml: not readable as YAML: a value does not fit its type"),
        ("word: !!int ''\n", "a.yaml: not readable as YAML: a value does not fit its type"),
        ("word: !!timestamp soon\n", "a.yaml: not readable as YAML: a value does not fit its type"),
        (f"word: !!float {':'.join(400 * '1')}\n", "a.yaml: not readable as YAML: a value does not fit its type"),
        ("word: !!python/object:os.system ls\n", "a.yaml:1: not readable as YAML: could not determine a constructor"),
        ("? [a, b]\n: c\n", "a.yaml:1: not readable as YAML: found unhashable key"),
        ("leaves: " + 4000 * "[", "a.yaml: not readable as YAML: nested too deep"),
        (f"leaves: [{{size: {5000 * '9'}}}]", "a.yaml: not readable as YAML: a value does not fit its type"),
    ],
)
def test_what_a_bad_text_is_told(text, said):
    assert any(line.startswith(said) for line in fault(text).splitlines()), fault(text)


def test_all_faults_come_at_once_but_not_a_flood_of_them():
    told = fault("one: 1\ntwo: 2\nword: 3\n").splitlines()
    assert [line.split(": ")[1] for line in told] == ["word", "one", "two"]
    told = fault("".join(f"key{number}: 1\n" for number in range(500))).splitlines()
    assert len(told) == 21 and told[-1] == "a.yaml: and 480 faults more"


def test_long_values_are_cut_short():
    assert len(fault(f"leaves: {1000 * 'x'}")) < 150
    assert len(fault(f"leaves: {{{', '.join(f'k{n}: {n}' for n in range(999))}}}")) < 200


def test_a_merged_keys_fault_is_shown_where_it_was_written():
    told = fault("leaves:\n- &base\n  size: 1\n  name: 2\n- <<: *base\n  size: 3\n").splitlines()
    assert [line.split(":")[1] for line in told] == ["4", "4"]


def test_numbers_and_dates_that_are_none():
    """YAML 1.1 reads base 60 and dates; a MAC address or a version is neither."""
    mac = parse_spec(MachineSpec, "mac: 52:54:00:12:34:56", "a.yaml").mac
    assert mac == "52:54:00:12:34:56"
    assert parse_spec(Tree, "words: [2026-01-02, 1:30, 0o17, 08, 1_0x]", "a").words[0] == "2026-01-02"


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("-7", -7), ("0x10", 16), ("1_000", 1000), ("0b11", 3), ("017", 15), ("+3", 3), ("2.0", 2), ("0", 0)],
)
def test_numbers_that_are_ones(text, value):
    assert parse_spec(Leaf, f"size: {text}", "a.yaml").size == value


@pytest.mark.parametrize("text", ["1.5", ".5", "1e3", "1.5e+3", "-.5", ".inf", ".nan"])
def test_fractions_are_read_as_yaml_1_1_reads_them(text):
    found = parse_spec(Box, f"value: {text}", "a.yaml").value
    assert repr(found) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "word: &a [*a]",
        "leaves: &a [{size: *a}]",
        "maybe: &a {size: *a, name: *a}",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{new}: &{new} [{','.join(9 * [f'*{old}'])}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
        )
        + "word: *j\n",
    ],
    ids=["a list of itself", "a leaf of its list", "a mapping of itself", "a billion values in ten lines"],
)
def test_aliases_that_never_end_do(text):
    assert "a.yaml:" in fault(text)
    assert len(fault(text)) < 4000


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SpecError, match=r"absent\.yaml: No such file"):
        load_spec(Tree, tmp_path / "absent.yaml")
    with pytest.raises(SpecError, match="Is a directory"):
        load_spec(Tree, tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes("word: \u00fc\n".encode("latin-1"))
    with pytest.raises(SpecError, match=r"latin\.yaml: not UTF-8 text \(byte 6\)"):
        load_spec(Tree, path)
    path.write_bytes(b"\xef\xbb\xbfword: a\n")
    assert load_spec(Tree, path).word == "a"


def holds_only_spec_errors(model: type[BaseModel], text: str) -> None:
    try:
        parse_spec(model, text, "a.yaml")
    except SpecError as told:
        assert re.match(r"a\.yaml(:\d+)?: ", str(told))


@given(st.text(max_size=200), st.sampled_from([ImageSpec, MachineSpec, SuiteSpec, Tree]))
@example("\x00", Tree)
@example("os: [linux]", ImageSpec)
@example("&a : *a", Tree)
@settings(max_examples=300, deadline=None)
def test_no_text_raises_anything_else(text, model):
    holds_only_spec_errors(model, text)


LINES = GOOD.splitlines()
ODD = ["[", "&x *x", "!!set {a, b}", "!!binary x", "!!omap [a]", "? ", "~", ".nan", "1e999", "\ud800", "{a: *b}", "- -"]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_mutation_of_a_good_file_raises_anything_else(data):
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "value", "cut", "odd"]))
        key, colon, _ = lines[at].partition(":")
        if kind == "drop":
            lines[at] = ""
        elif kind == "double":
            lines.insert(at, lines[at])
        elif kind == "value":
            lines[at] = f"{key}{colon} {data.draw(st.text(max_size=20))}"
        elif kind == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        else:
            lines[at] = f"{key}{colon} {data.draw(st.sampled_from(ODD))}"
    holds_only_spec_errors(ImageSpec, "\n".join(lines))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*ImageSpec.model_fields, *MachineSpec.model_fields, *SuiteSpec.model_fields])


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.sampled_from([ImageSpec, MachineSpec, SuiteSpec]))
@settings(max_examples=200, deadline=None)
def test_no_value_of_any_type_raises_anything_else(data, model):
    holds_only_spec_errors(model, yaml.safe_dump(data, allow_unicode=True))


def test_the_lines_that_are_kept_are_bounded():
    _, lines = read_yaml("a: &a {x: *a, y: [*a]}", "a.yaml")
    assert len(lines) < 30_000
    assert max(map(len, lines)) < 100


def test_a_named_pipe_in_a_files_place_is_not_waited_for(tmp_path):
    pipe = tmp_path / "a.yaml"
    os.mkfifo(pipe)
    with pytest.raises(SpecError, match="is a named pipe"):
        load_spec(Tree, pipe)


def test_an_endless_file_is_read_no_further_than_a_spec_can_be():
    with pytest.raises(SpecError, match="has more than 4 MiB"):
        load_spec(Tree, Path("/dev/zero"))


@pytest.mark.parametrize("name", ["a\0b.yaml", "\ud800/a.yaml"])
def test_a_name_that_no_file_can_have(name):
    with pytest.raises(SpecError, match="no file can have"):
        load_spec(Tree, Path(name))
