from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rig.errors import InputError, ManifestError, SpecError
from rig.probe.expect import Expected
from rig.probe.manifest import compare, find_case, load_manifests, select
from rig.spec.image import GuestOS
from rig.tests.probe.make import Workshop, case


def test_a_manifest_says_what_its_probe_is(workshop: Workshop) -> None:
    path = workshop.probe(
        cases={
            "a": case(kind="timing", deadline=30),
            "b": case(expect={"linux": "unsupported", "darwin": "pass"}, reason="Darwin only"),
        }
    )
    (found,) = workshop.load()
    assert (found.probe, found.executable, found.version, found.path) == ("pipe", "pipe", "1", path)
    assert found.source_paths == (path.with_name("pipe.c"),)
    assert found.timings == ("a",)
    assert (found.cases["a"].deadline, found.cases["b"].deadline) == (30, 10)
    assert found.cases["b"].expected(GuestOS.LINUX) is Expected.UNSUPPORTED
    assert found.cases["b"].expected(GuestOS.DARWIN) is Expected.PASS


def test_a_probe_is_for_the_systems_on_which_it_does_something(workshop: Workshop) -> None:
    lone = case(expect={"linux": "pass", "darwin": "unsupported"}, reason="no message queues")
    workshop.probe(cases={"a": lone, "b": lone})
    assert workshop.load()[0].systems == (GuestOS.LINUX,)


def test_manifests_come_sorted_by_directory_and_name(workshop: Workshop) -> None:
    for name, directory in (("zeta", "a"), ("beta", "b"), ("alpha", "b")):
        workshop.probe(name, directory=directory)
    assert [m.probe for m in workshop.load()] == ["zeta", "alpha", "beta"]


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        ({"probe": "pype"}, 1, ["found 'pype'", "'pipe'"]),
        ({"sources": ["gone.c"]}, 5, ["sources", "there is no file", "gone.c"]),
        ({"sources": ["/etc/passwd"]}, 5, ["'/etc/passwd'", "relative to the manifest"]),
        ({"sources": []}, 5, ["sources"]),
        ({"mechanism": "Pipes!"}, 3, ["mechanism", "'Pipes!'"]),
        ({"verison": 2}, 20, ["verison", "did you mean 'version'"]),
        ({"cases": {}}, 7, ["cases"]),
        ({"cases": {"Bad-Name": case()}}, 8, ["Bad-Name", "a-z0-9_"]),
        ({"cases": {"a": case(expect={"linux": "pass"})}}, 11, ["cases.a.expect.darwin", "missing"]),
        ({"cases": {"a": case(expect={"linux": "works", "darwin": "pass"})}}, 12, ["'works'", "unsupported"]),
        (
            {"cases": {"a": case(), "b": case(expect={"linux": "pass", "darwin": "fail"})}},
            14,
            ["cases.b", "darwin", "`reason`"],
        ),
        ({"cases": {"a": case(expect={"linux": "skip", "darwin": "fail"}, reason="  ")}}, 8, ["darwin and linux"]),
        ({"cases": {"a": case(deadline=0)}}, 14, ["cases.a.deadline", "found 0"]),
        ({"cases": {"a": case(kind="timings")}}, 14, ["cases.a.kind", "'timings'", "timing"]),
    ],
)
def test_a_fault_is_told_with_file_line_and_key(
    workshop: Workshop, change: dict[str, Any], line: int, words: list[str]
) -> None:
    path = workshop.probe(**change) if "probe" not in change else workshop.probe(text=_with(change))
    with pytest.raises(SpecError) as caught:
        workshop.load()
    text = str(caught.value)
    assert f"{path}:{line}: " in text
    assert all(word in text for word in words), text


def _with(change: dict[str, Any]) -> str:
    lines = {"probe": "pipe", "version": 1, "mechanism": "pipes", "summary": "s", "sources": "[pipe.c]"} | change
    head = "\n".join(f"{key}: {value}" for key, value in lines.items())
    return head + "\ncases:\n  a: {what: w, source: s, expect: {linux: pass, darwin: pass}}\n"


def test_the_faults_of_all_manifests_are_told_at_once(workshop: Workshop) -> None:
    first = workshop.probe("one", sources=["gone.c"])
    second = workshop.probe("two", text="probe: [\n")
    workshop.probe("good")
    with pytest.raises(SpecError) as caught:
        workshop.load()
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_two_probes_cannot_have_one_name(workshop: Workshop) -> None:
    first, second = workshop.probe(directory="a"), workshop.probe(directory="b")
    with pytest.raises(SpecError, match="also the name of") as caught:
        workshop.load()
    assert str(first) in str(caught.value)
    assert f"{second}:1: probe" in str(caught.value)


def test_a_case_cannot_stand_twice(workshop: Workshop) -> None:
    body = "  a: {what: w, source: s, expect: {linux: pass, darwin: pass}}\n"
    workshop.probe(text=_with({}) + body)
    with pytest.raises(SpecError, match="'a' stands twice"):
        workshop.load()


def test_a_manifest_that_would_never_be_read_is_no_silence(workshop: Workshop) -> None:
    workshop.probe().with_suffix(".yml").write_text("probe: x\n")
    with pytest.raises(SpecError, match=r"pipe\.yml.*\.yaml"):
        workshop.load()


def test_a_directory_without_probes_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no probe manifest"):
        load_manifests(tmp_path / "nowhere")


def test_a_case_is_found_by_its_full_name_and_by_its_own_if_unique(workshop: Workshop) -> None:
    workshop.probe("one", cases={"shared": case(), "lone": case()})
    workshop.probe("two", cases={"shared": case()})
    manifests = workshop.load()
    assert find_case(manifests, "two.shared")[0].probe == "two"
    assert find_case(manifests, "lone") == (manifests[0], "lone")
    with pytest.raises(InputError) as caught:
        find_case(manifests, "shared")
    assert "one.shared, two.shared" in str(caught.value)


@pytest.mark.parametrize("wrong", ["one.lnoe", "lnoe"])
def test_an_unknown_case_brings_its_neighbours(workshop: Workshop, wrong: str) -> None:
    workshop.probe("one", cases={"lone": case(), "other_thing": case()})
    with pytest.raises(InputError) as caught:
        find_case(workshop.load(), wrong)
    assert repr(wrong) in str(caught.value)
    assert "lone" in caught.value.hint
    assert "other_thing" not in caught.value.hint


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("One", "one"),
        ("PIPES", "pipes"),
        ("one.lon", "one.lone"),
        ("pipess", "pipes"),
        ("one.", "one.lone"),
        (" lone", "lone"),
    ],
)
def test_a_name_that_is_nearly_right_brings_the_right_one(workshop: Workshop, wrong: str, meant: str) -> None:
    workshop.probe("one", cases={"lone": case(), "other_thing": case()})
    with pytest.raises(InputError, match="there is no probe, mechanism or case") as caught:
        find_case(workshop.load(), wrong)
    assert f" {meant} " in caught.value.hint.replace("?", " ")


def test_probes_are_selected_by_name_and_by_mechanism(workshop: Workshop) -> None:
    workshop.probe("one", mechanism="fifos")
    workshop.probe("three", mechanism="fifos")
    workshop.probe("two", mechanism="pipes")
    manifests = workshop.load()
    assert [m.probe for m in select(manifests, ["two", "fifos"])] == ["one", "three", "two"]
    assert select(manifests, []) == manifests
    with pytest.raises(InputError, match="'fifo'") as caught:
        select(manifests, ["fifo"])
    assert "fifos" in caught.value.hint


def test_a_probe_that_agrees_with_its_manifest_is_fine_in_any_order(workshop: Workshop) -> None:
    workshop.probe(cases={"a": case(), "b": case()})
    compare(workshop.load()[0], ["b", "a"])


def test_a_disagreement_names_both_sides(workshop: Workshop) -> None:
    path = workshop.probe(cases={"a": case(), "only_manifest": case()})
    with pytest.raises(ManifestError) as caught:
        compare(workshop.load()[0], ["a", "only_probe", "only_probe"])
    text = str(caught.value)
    assert str(path) in text
    assert "the probe has no case 'only_manifest'" in text
    assert "the manifest says nothing of case 'only_probe'" in text
    assert "lists case 'only_probe' twice" in text
