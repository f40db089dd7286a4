"""A quarantine: cases whose failure is known and worked on, each for a reason, with its issue, until a day."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from rig.errors import SpecError
from rig.spec.base import Spec
from rig.spec.loader import parse_spec, read_spec
from rig.spec.yamltext import read_yaml

Failing = Literal["fail", "timeout", "crashed", "hang", "panic"]
"""Outcomes that an entry may cover: those that tell of the guest. An `error` tells of the rig or the harness."""
_USUAL: tuple[Failing, ...] = ("fail", "timeout", "crashed")
_ONE: dict[str, Any] = {"enum": list(get_args(Failing))}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _day(value: Any) -> Any:
    if isinstance(value, str):
        if not _DATE.fullmatch(value):
            raise ValueError("should be a date as YYYY-MM-DD")
        return datetime.date.fromisoformat(value)
    return value if isinstance(value, datetime.date) else str(value)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class QuarantineEntry(Spec):
    """One case whose failure is reported as known and does not make the run red."""

    case: Annotated[str, Field(max_length=121)]
    """`probe.case`, exactly: a pattern would go on hiding what nobody has looked at."""
    reason: str
    """What is known of the failure."""
    issue: str
    """Where it is worked on: an http or https address."""
    expires: Annotated[datetime.date, BeforeValidator(_day)]
    """The last day, in UTC, on which this entry holds. After it, it is an error until it is renewed or removed."""
    outcome: Annotated[
        tuple[Failing, ...],
        BeforeValidator(_listed),
        Field(min_length=1),
        WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}]}),
    ] = _USUAL
    """What it covers: an outcome, or a list. A hang or a panic costs the whole guest: only where it is named here."""
    images: tuple[str, ...] = ()
    """The catalogue entries that it holds for; none: all."""

    @field_validator("case")
    @classmethod
    def _one_case(cls, case: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z0-9_]+", case):
            raise ValueError("should be one case, as probe.case")
        return case

    @field_validator("reason")
    @classmethod
    def _in_words(cls, reason: str) -> str:
        if not reason.strip():
            raise ValueError("should say what is known of the failure")
        return reason.strip()

    @field_validator("issue")
    @classmethod
    def _address(cls, issue: str) -> str:
        try:
            parts = urlsplit(issue)
        except ValueError as fault:
            raise ValueError(f"should be an http or https address: {fault}") from fault
        if parts.scheme not in {"http", "https"} or not parts.hostname or not re.fullmatch(r"[!-~]+", issue):
            raise ValueError("should be an http or https address")
        return issue

    def overlaps(self, other: QuarantineEntry) -> bool:
        """Whether both would hold for the same case on some image."""
        shared = not self.images or not other.images or set(self.images) & set(other.images)
        return self.case == other.case and bool(shared)

    def holds_for(self, image: str) -> bool:
        """Whether it is meant for this image."""
        return not self.images or image in self.images


class QuarantineSpec(Spec):
    """A quarantine file."""

    entries: tuple[QuarantineEntry, ...]


@dataclass(frozen=True)
class PlacedEntry:
    """An entry with its place in the file."""

    entry: QuarantineEntry
    place: str
    """`FILE:LINE`."""


def load_quarantine(path: Path) -> tuple[PlacedEntry, ...]:
    """Read a quarantine file. Raises `SpecError` as `load_spec` does, and for a case that stands there twice."""
    text = read_spec(path)  # once: a pipe can be read no second time
    spec = parse_spec(QuarantineSpec, text, str(path))
    lines = read_yaml(text, str(path))[1]
    places = [f"{path}:{lines.get(('entries', str(index)), 1)}" for index in range(len(spec.entries))]
    placed = [PlacedEntry(entry, place) for entry, place in zip(spec.entries, places, strict=True)]
    faults = []
    for index, one in enumerate(placed):
        first = next((other for other in placed[:index] if other.entry.overlaps(one.entry)), None)
        if first is not None:
            faults.append(f"{one.place}: case {one.entry.case} is quarantined already at {first.place}")
    if faults:
        raise SpecError("\n".join(faults), hint="Keep one entry for a case; `images` may tell several apart.")
    return tuple(placed)
