"""Quarantine files: what they say, and what is refused with its place and the way out."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.errors import SpecError
from rig.spec import load_quarantine

ENTRY = {"case": "pipe.eof", "reason": "races", "issue": "https://example.org/1", "expires": "2026-12-01"}


def write(place: Path, *entries: dict[str, Any]) -> Path:
    path = place / "known.yaml"
    path.write_text(yaml.safe_dump({"entries": list(entries)}, sort_keys=False))
    return path


def test_what_an_entry_says(tmp_path: Path) -> None:
    more = {"case": "pipe.b", "outcome": "panic", "images": ["reference"]}
    first, second = load_quarantine(write(tmp_path, ENTRY, ENTRY | more))
    assert (first.entry.expires, first.entry.outcome) == (date(2026, 12, 1), ("fail", "timeout", "crashed"))
    assert first.entry.holds_for("any")
    assert (second.entry.outcome, second.place) == (("panic",), f"{tmp_path}/known.yaml:6")
    assert [second.entry.holds_for(name) for name in ("reference", "other")] == [True, False]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case": "pipe"}, "entries.0.case: found 'pipe'; should be one case, as probe.case"),
        ({"case": "pipe.*"}, "should be one case"),
        ({"reason": "  "}, "should say what is known of the failure"),
        ({"issue": "see the wiki"}, "entries.0.issue: found 'see the wiki'; should be an http or https address"),
        ({"issue": "javascript:alert(1)"}, "should be an http or https address"),
        ({"issue": "https://"}, "should be an http or https address"),
        ({"issue": "https://[x"}, "should be an http or https address"),
        ({"issue": "https://a.org/ b"}, "should be an http or https address"),
        ({"expires": "soon"}, "entries.0.expires: found 'soon'; should be a date as YYYY-MM-DD"),
        ({"expires": "2026-02-30"}, "found '2026-02-30'; day is out of range"),
        ({"expires": 20261201}, "entries.0.expires: "),
        ({"outcome": "error"}, "entries.0.outcome.0: found 'error'; should be 'fail', 'timeout', 'crashed', 'hang' or"),
        ({"outcome": []}, "entries.0.outcome: "),
        ({"untill": "2026-12-01"}, "entries.0.untill: unknown key; allowed here: case, expires"),
    ],
    ids=str,
)
def test_what_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_quarantine(write(tmp_path, ENTRY | change))
    assert str(caught.value).startswith(f"{tmp_path}/known.yaml:")
    assert words in str(caught.value)


@pytest.mark.parametrize("key", sorted(ENTRY))
def test_nothing_may_be_left_out(key: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=rf"entries\.0\.{key}: this key is missing and must be given"):
        load_quarantine(write(tmp_path, {name: value for name, value in ENTRY.items() if name != key}))


def test_a_case_stands_there_once_for_an_image(tmp_path: Path) -> None:
    one, two = ENTRY | {"images": ["a", "b"]}, ENTRY | {"images": ["c"]}
    assert len(load_quarantine(write(tmp_path, one, two))) == 2
    for other in (ENTRY, ENTRY | {"images": ["b"]}):
        path = write(tmp_path, one, other)
        with pytest.raises(SpecError, match=rf"{path}:9: case pipe.eof is quarantined already at {path}:2"):
            load_quarantine(path)


def test_a_quarantine_may_come_by_a_pipe(tmp_path: Path) -> None:
    text = write(tmp_path, ENTRY).read_bytes()
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    try:
        (one,) = load_quarantine(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
    assert one.entry.case == "pipe.eof" and one.place.endswith(":2")
