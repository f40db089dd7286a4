"""What a case is expected to end with, by operating system and, where its kernels differ, by release.

    expect: {linux: pass, darwin: pass}
    expect: {linux: unsupported, darwin: {"17": pass, "20": fail}}

A release is the first number that `uname -r` prints; its expectation holds from there up to the next one named. A guest
older than all of them has that of the oldest, one whose release is not known that of the newest.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, RootModel, model_serializer, model_validator

from rig.spec.base import Spec
from rig.spec.image import GuestOS


class Expected(StrEnum):
    """What a case is expected to end with. The words are those of the stream's outcomes."""

    PASS = "pass"  # noqa: S105
    UNSUPPORTED = "unsupported"
    """The OS has no such thing and says so."""
    FAIL = "fail"
    """A known fault of the OS."""
    SKIP = "skip"
    """It cannot be judged there."""


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,2}", value):
        return int(value)
    raise ValueError("a release is the first number of `uname -r`, for example 20")


Release = Annotated[int, BeforeValidator(_number), Field(ge=0, le=999)]
_ALL = 0
"""The key under which a word alone is kept: from the first release on."""


def major(release: str | None) -> int | None:
    """The first number of a kernel's release (`20.5.0`); None where there is none."""
    found = re.match(r"\s*(\d{1,3})(?!\d)", release or "")
    return int(found[1]) if found else None


def _word_or_mapping(schema: dict[str, Any]) -> None:
    word = schema.pop("additionalProperties")
    pattern = {"pattern": "^(0|[1-9][0-9]{0,2})$"}
    mapping = {"type": schema.pop("type"), "additionalProperties": word, "propertyNames": pattern, "minProperties": 1}
    schema["anyOf"] = [word, mapping]


class Expectation(RootModel[dict[Release, Expected]]):
    """One word for every release of an OS, or a mapping of first releases to words."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, json_schema_extra=_word_or_mapping)

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        if isinstance(value, dict):
            if not value:
                raise ValueError("names no release")
            return value
        if isinstance(value, str) and value in list(Expected):
            return {_ALL: value}
        words = ", ".join(Expected)
        raise ValueError(f"must be one of {words}, or a mapping of first releases to these")

    @model_serializer
    def _as_written(self) -> Any:
        if self.root.keys() == {_ALL}:
            return self.root[_ALL].value
        return {str(first): word.value for first, word in self.steps}

    @property
    def steps(self) -> list[tuple[int, Expected]]:
        """First release and expectation, the oldest first."""
        return sorted(self.root.items())

    @property
    def values(self) -> frozenset[Expected]:
        """Every one that some release has."""
        return frozenset(self.root.values())

    def at(self, release: str | None) -> Expected:
        """That of a guest whose kernel says it is `release`; None: not known."""
        number, steps = major(release), self.steps
        if number is None:
            return steps[-1][1]
        return next((word for first, word in reversed(steps) if first <= number), steps[0][1])

    def __str__(self) -> str:
        """In words: `pass`, or `pass, from 20 fail`."""
        (_, first), *later = self.steps
        return ", ".join([first.value, *(f"from {release} {word.value}" for release, word in later)])


class Expectations(Spec):
    """One expectation for each OS, both always given."""

    linux: Expectation
    darwin: Expectation

    def of(self, os: GuestOS) -> Expectation:
        """That of one OS."""
        return self.linux if os is GuestOS.LINUX else self.darwin

    @classmethod
    def for_only(cls, os: GuestOS) -> Expectations:
        """A pass on `os`, unsupported elsewhere."""
        words = {each.value: Expected.PASS if each is os else Expected.UNSUPPORTED for each in GuestOS}
        return cls.model_validate(words)
