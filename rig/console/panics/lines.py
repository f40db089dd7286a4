"""A log as lines that a kernel wrote: what terminals, loggers and people put before and around them is taken off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rig.console.text import clean

LINE_LIMIT = 4096
"""Characters of a line that are looked at."""

_LEVEL = r"<\d{1,3}>"
_STAMP = r"\[ *(?P<seconds>\d{1,9}\.\d{1,9})\](?:\[ *[TC]\d{1,9}\])?"
_SYSLOG = r"(?:[A-Z][a-z]{2} [ \d]\d|\d{4}-\d\d-\d\d)[T ]\d\d:\d\d:\d\d\S*(?: [\w.-]{1,64})?(?: kernel(?:\[\d+\])?:)?"
_QUOTED = r"(?:>|\|)(?= )"
_PREFIX = re.compile(rf"\s*(?:{_LEVEL}|{_STAMP}|{_SYSLOG}|{_QUOTED})")


@dataclass(frozen=True)
class Line:
    """One line of a log."""

    number: int
    """The first is 1."""
    text: str
    """Without stamp, level and other prefixes, and without spaces around it."""
    indent: int = 0
    """Spaces before the text."""
    seconds: float | None = None
    """The kernel's own stamp."""


def lines_of(data: bytes) -> Iterator[Line]:
    """The lines with anything in them; one that only repeats the line before is left out.

    Some loaders and loggers write each line twice.
    """
    before = None
    for number, text in enumerate(clean(data).split("\n"), start=1):
        line = line_of(number, text)
        if line.text and line.text != before:
            yield line
            before = line.text


def line_of(number: int, text: str) -> Line:
    """One line."""
    rest, seconds = text[:LINE_LIMIT], None
    for _ in range(4):
        found = _PREFIX.match(rest)
        if found is None:
            break
        rest = rest[found.end() :]
        if seconds is None and found["seconds"]:
            seconds = float(found["seconds"])
    bare = rest.lstrip()
    return Line(number, bare.rstrip(), len(rest) - len(bare), seconds)
