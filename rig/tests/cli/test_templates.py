"""`rig templates`: what is listed, what is removed, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rig.cli.templates import app
from rig.errors import InputError
from rig.guest.templates import Templates
from rig.machine.template import RAM, Template, write_meta


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Templates:
    monkeypatch.setenv("RIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    return Templates()


def make(templates: Templates, key: str, **facts: str) -> None:
    def fill(into: Path) -> Template:
        (into / RAM).write_bytes(b"x" * (1 << 20))
        return write_meta(into, key=key, facts=facts, image="reference", made=1.0, took=2.0)

    templates.make(key, fill)


def rig(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def test_none_yet(templates: Templates) -> None:
    assert "no template yet" in rig("list").output
    assert json.loads(rig("list", "--json").output) == []


def test_listed(templates: Templates) -> None:
    make(templates, "abc1", accelerator="tcg", clock="exact", **{"layer 1: probes": "123"})
    out = rig("list").output
    for words in ("abc1", "reference", "probes", "tcg", "exact", "RIG_TEMPLATES_GIB"):
        assert words in out
    (row,) = json.loads(rig("list", "--json").output)
    assert row["key"] == "abc1" and row["bytes"] >= 1 << 20


def test_removed_by_the_beginning_of_its_key(templates: Templates) -> None:
    make(templates, "abc1")
    make(templates, "abd2")
    assert "removed 1 template\n" in rig("rm", "abc").output
    assert [one.meta.key for one in templates.all()] == ["abd2"]


def test_all_removed(templates: Templates) -> None:
    make(templates, "abc1")
    make(templates, "abd2")
    templates.give_up("x", "a device refuses")
    assert rig("rm", "--all").output == (
        "removed 2 templates; 1 kinds of guest that could not be saved will be tried again\n"
    )
    assert templates.all() == [] and templates.gave_up("x") == ""


def test_all_means_the_damaged_ones_too(templates: Templates) -> None:
    make(templates, "abc1")
    (templates.root / "abc1" / "template.json").write_text("{")
    assert "removed 1 template\n" in rig("rm", "--all").output
    assert not (templates.root / "abc1").exists()


def test_a_kind_of_guest_that_cannot_be_saved_is_told(templates: Templates) -> None:
    templates.give_up("x", "a device refuses")
    assert "booted each time: a device refuses (rig templates rm --all: try again)" in rig("list").output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["rm"], "name templates to remove"),
        (["rm", "--all", "abc"], "name templates to remove"),
        (["rm", "zz"], "there is no template 'zz'"),
        (["rm", "ab"], "2 templates' keys begin with 'ab'"),
        (["rm", ""], "there is no template ''"),
    ],
)
def test_refused(templates: Templates, args: list[str], words: str) -> None:
    make(templates, "abc1")
    make(templates, "abd2")
    fault = rig(*args).exception
    assert isinstance(fault, InputError) and words in fault.message
    assert len(templates.all()) == 2
