"""Expectations by operating system and by release."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.errors import SpecError
from rig.probe.expect import Expectation, Expected, major
from rig.probe.manifest import CaseSpec, ProbeManifest
from rig.spec.image import GuestOS
from rig.tests.probe.make import Workshop, bare, case, only_darwin

P, U, F = Expected.PASS, Expected.UNSUPPORTED, Expected.FAIL
WORDS = st.sampled_from(list(Expected))
STEPS = st.dictionaries(st.integers(0, 999), WORDS, min_size=1)


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("17.4.0", P),
        ("19.6.0", P),
        ("20.0.0", F),
        ("20.5.0", F),
        ("22.1.0", F),
        ("23.0.0", U),
        ("101.0", U),
        ("15.6.0", P),  # older than any that is named
        ("9", P),
        (None, U),  # not known: the newest
        ("", U),
        ("unknown", U),
    ],
)
def test_an_expectation_holds_up_to_the_next_release(release, expected):
    found = Expectation.model_validate({"20": "fail", "17": "pass", 23: "unsupported"})
    assert found.at(release) is expected


@given(WORDS, st.none() | st.text(max_size=8))
def test_one_word_is_for_every_release(word, release):
    assert Expectation.model_validate(word.value).at(release) is word


@given(STEPS, st.integers(0, 999))
def test_the_nearest_release_that_is_not_newer_counts(steps, release):
    found = Expectation.model_validate({str(first): word.value for first, word in steps.items()})
    not_newer = [first for first in steps if first <= release]
    assert found.at(f"{release}.1.0") is steps[max(not_newer) if not_newer else min(steps)]
    assert found.at(None) is steps[max(steps)]
    assert found.values == set(steps.values())


@given(STEPS)
def test_what_is_written_is_read_again(steps):
    found = Expectation.model_validate(steps)
    assert Expectation.model_validate(json.loads(found.model_dump_json())) == found


def test_as_written_and_in_words():
    assert Expectation.model_validate("pass").model_dump() == "pass"
    two = Expectation.model_validate({20: "fail", 17: "pass"})
    assert two.model_dump() == {"17": "pass", "20": "fail"}
    assert (str(two), str(Expectation.model_validate("skip"))) == ("pass, from 20 fail", "skip")


@pytest.mark.parametrize(
    ("release", "number"),
    [("20.5.0", 20), ("6.1.0-18-amd64", 6), (" 17", 17), ("", None), ("v20", None), (None, None), ("123456", None)],
)
def test_a_releases_first_number(release, number):
    assert major(release) == number


def written(workshop: Workshop, darwin: str, reason: str = "reason: because") -> Any:
    text = (
        "probe: pipe\nversion: 1\nmechanism: pipes\nsummary: s\nsources: [pipe.c]\ncases:\n"
        f"  a:\n    what: w\n    source: s\n    {reason}\n    expect:\n      linux: pass\n      darwin:{darwin}\n"
    )
    return workshop.probe(text=text)


@pytest.mark.parametrize(
    "darwin", [' {"17": pass, "20": fail}', " {17: pass, 20: fail}", "\n        17: pass\n        '20': fail"]
)
def test_keys_with_and_without_quotes(workshop: Workshop, darwin):
    written(workshop, darwin)
    found = workshop.load()[0].cases["a"]
    assert [found.expected(GuestOS.DARWIN, release) for release in ("17.4.0", "20.5.0", None)] == [P, F, F]
    assert found.expected(GuestOS.LINUX, "6.1") is P


@pytest.mark.parametrize(
    ("darwin", "line", "words"),
    [
        (" works", 13, ["cases.a.expect.darwin:", "found 'works'", "pass, unsupported, fail, skip", "releases"]),
        (" [pass]", 13, ["cases.a.expect.darwin:", "must be one of"]),
        ("", 13, ["cases.a.expect.darwin:", "must be one of"]),
        (" {}", 13, ["cases.a.expect.darwin:", "names no release"]),
        ("\n        17: pass\n        20: works", 15, ["cases.a.expect.darwin.20:", "found 'works'", "'unsupported'"]),
        ("\n        17: pass\n        big-sur: fail", 15, ["big-sur", "found 'big-sur'", "first number of `uname -r`"]),
        ("\n        17: pass\n        20.5: fail", 15, ["20.5", "first number of `uname -r`"]),
        ("\n        17: pass\n        true: fail", 13, ["first number of `uname -r`"]),
        ("\n        17: pass\n        -1: fail", 15, ["-1", "greater than or equal to 0"]),
        ("\n        17: pass\n        '17': fail", 15, ["'17' stands twice"]),
    ],
)
def test_a_fault_is_told_with_file_line_and_key(workshop: Workshop, darwin, line, words):
    path = written(workshop, darwin)
    with pytest.raises(SpecError) as caught:
        workshop.load()
    text = str(caught.value)
    assert f"{path}:{line}: " in text
    assert all(word in text for word in words), text
    assert text.count("\n") == 0, "one fault, told once"


def test_any_release_that_does_not_pass_needs_a_reason(workshop: Workshop):
    written(workshop, " {17: pass, 20: fail, 21: pass}", reason="kind: functional")
    with pytest.raises(SpecError, match="expects other than pass on darwin, so `reason` must say why"):
        workshop.load()
    written(workshop, " {17: pass, 20: pass}", reason="kind: functional")
    workshop.load()


def test_a_probe_does_something_where_any_release_does(workshop: Workshop):
    late = case(expect={"linux": "unsupported", "darwin": {17: "unsupported", 20: "pass"}}, reason="new in 20")
    workshop.probe(cases={"a": late})
    assert workshop.load()[0].systems == (GuestOS.DARWIN,)


ONLY = "Linux has no Mach ports"


def only(workshop: Workshop, **cases: dict[str, Any]) -> ProbeManifest:
    workshop.probe(**only_darwin(ONLY, **cases))
    return workshop.load()[0]


def test_a_probe_for_one_os_alone_says_it_once_for_all_cases(workshop: Workshop):
    found = only(workshop, a=bare(), b=bare(reason="of its own"))
    for name in ("a", "b"):
        assert found.cases[name].expected(GuestOS.DARWIN, "17.4.0") is P
        assert found.cases[name].expected(GuestOS.LINUX) is U
        assert found.reason(name, GuestOS.LINUX) == ONLY
    assert found.reason("b", GuestOS.DARWIN) == "of its own"
    assert found.systems == (GuestOS.DARWIN,)
    assert found.made_for(GuestOS.DARWIN) and not found.made_for(GuestOS.LINUX)


def test_its_cases_may_differ_by_release(workshop: Workshop):
    expect = {"linux": "unsupported", "darwin": {17: "pass", 20: "fail"}}
    found = only(workshop, a=bare(expect=expect, reason="20 forgets it"))
    assert found.cases["a"].expected(GuestOS.DARWIN, "20.5.0") is F
    assert (found.reason("a", GuestOS.DARWIN), found.reason("a", GuestOS.LINUX)) == ("20 forgets it", ONLY)


@pytest.mark.parametrize("linux", ["pass", "fail", {5: "unsupported", 6: "pass"}])
def test_it_is_unsupported_elsewhere_whatever_a_case_says(workshop: Workshop, linux):
    expect = {"linux": linux, "darwin": "pass"}
    with pytest.raises(SpecError, match=r"case a: is for darwin alone \(`only`\), so unsupported elsewhere"):
        only(workshop, a=bare(expect=expect, reason="so"))


def test_without_only_every_case_says_what_it_expects(workshop: Workshop):
    workshop.probe(cases={"a": bare(), "b": case(), "c": bare()})
    with pytest.raises(SpecError, match="cases without `expect`: a, c"):
        workshop.load()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("darwin", "should be a mapping"),
        ({"os": "darwin"}, "only.reason: this key is missing"),
        ({"os": "darwin", "reason": ""}, "only.reason"),
        ({"os": "beos", "reason": "x"}, "only.os: found 'beos'"),
    ],
)
def test_a_wrong_only_is_told(workshop: Workshop, value, words):
    workshop.probe(**only_darwin(ONLY) | {"only": value})
    with pytest.raises(SpecError, match=words):
        workshop.load()


def test_the_schema_takes_a_word_or_releases():
    schema = CaseSpec.model_json_schema()["$defs"]["Expectation"]
    word, mapping = schema["anyOf"]
    assert word == {"$ref": "#/$defs/Expected"}
    assert mapping["additionalProperties"] == word
    assert mapping["propertyNames"] == {"pattern": "^(0|[1-9][0-9]{0,2})$"}
