from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import HostError, SpecError
from rig.probe.libsystem import ExportList, Fixture, Symbols, load_fixture, update_fixture, write_fixture

FIXTURE = Fixture(
    reference="full",
    lists={"full": ExportList(exports=5, note="the whole one"), "small": ExportList(exports=2)},
    assumed={"binder": "always there"},
    absent={"_mq_open": "no such thing on Darwin"},
    symbols={"_pipe": ("full", "small"), "_msgget": ("full",)},
)


def test_the_fixture_speaks_of_its_names_only() -> None:
    known = Symbols.recorded(FIXTURE, "here")
    assert [known.knows(name) for name in ("_pipe", "binder", "_mq_open", "_other")] == [True, True, True, False]
    assert (known.lacking("_pipe"), known.lacking("_msgget"), known.lacking("binder")) == ((), ("small",), ())
    assert known.lacking("_mq_open") == ("full", "small")
    assert known.sane_weak("_msgget")
    assert known.sane_weak("_mq_open")


def test_whole_lists_speak_of_every_name() -> None:
    given = Symbols.given({"full": frozenset({"_pipe"}), "mine": frozenset({"_pipe", "_own"})}, FIXTURE)
    assert given.knows("_anything")
    assert (given.lacking("_own"), given.lacking("binder"), given.lacking("_x")) == (("full",), (), ("full", "mine"))
    assert [given.sane_weak(name) for name in ("_pipe", "_own", "_mq_open")] == [True, False, True]
    assert given.origin == "full and mine"


def test_without_the_reference_weak_imports_are_not_judged() -> None:
    assert Symbols.given({"mine": frozenset()}, FIXTURE).sane_weak("_own")


def test_an_update_records_what_is_imported_and_no_more() -> None:
    lists = {"full": frozenset({"_pipe", "_new"}), "small": frozenset({"_pipe"})}
    new = update_fixture(FIXTURE, lists, ["_pipe", "_new", "_none", "binder", "_mq_open"])
    assert new.symbols == {"_new": ("full",), "_none": (), "_pipe": ("full", "small")}
    assert new.lists["full"] == ExportList(exports=2, note="the whole one")
    assert (new.assumed, new.absent, new.reference) == (FIXTURE.assumed, FIXTURE.absent, "full")


def test_a_list_that_is_not_given_keeps_what_it_was_known_to_have() -> None:
    new = update_fixture(FIXTURE, {"full": frozenset({"_pipe", "_new"})}, ["_pipe", "_new"])
    assert new.symbols == {"_new": ("full",), "_pipe": ("full", "small")}
    assert new.lists["small"] == FIXTURE.lists["small"]


def test_without_lists_an_update_only_drops_names() -> None:
    assert update_fixture(FIXTURE, {}, ["_pipe", "_new"]).symbols == {"_pipe": ("full", "small")}


def test_a_list_that_is_new_is_added() -> None:
    new = update_fixture(FIXTURE, {"mine": frozenset({"_pipe"})}, ["_pipe"])
    assert new.symbols == {"_pipe": ("full", "small", "mine")}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = write_fixture(FIXTURE, tmp_path / "abi" / "libsystem.yaml")
    assert load_fixture(path) == FIXTURE
    assert "  _msgget: [full]\n" in path.read_text()
    assert write_fixture(load_fixture(path), path).read_bytes() == path.read_bytes()


def test_a_fixture_that_is_broken_or_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "libsystem.yaml"
    path.write_text("reference: full\nlists: 3\n")
    with pytest.raises(SpecError, match=r"libsystem\.yaml:2: lists"):
        load_fixture(path)
    with pytest.raises(HostError, match="cannot write"):
        write_fixture(FIXTURE, path / "below")
