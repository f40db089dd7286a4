"""A log as lines that a kernel wrote: what terminals, loggers and people put before and around them is taken off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rig.console.panics.pasted import unmarked, unwrapped
from rig.console.text import clean

LINE_LIMIT = 4096
"""Characters of a line that are looked at."""

_SHAPE_LIMIT = 80

_LEVEL = r"<\d{1,3}>"
_STAMP = r"\[ *(?P<seconds>\d{1,9}\.\d{1,9})\](?:\[ *(?P<caller>[TC]\d{1,9})\])?"
_TIME = r"\d\d:\d\d:\d\d\S*"
_SYSLOG = (
    rf"(?:[A-Z][a-z]{{2}} [ \d]\d|\d{{4}}-\d\d-\d\d)[T ]{_TIME}(?: (?:[\w.-]{{1,64}} )?kernel(?:\[\d+\])?:)?(?= |$)"
)
_CLOCK = rf"\[{_TIME}\]|\({_TIME}\)"
_QUOTED = r"(?:>|\|)(?= )"
_PREFIX = re.compile(rf"\s*(?:{_LEVEL}|{_STAMP}|{_SYSLOG}|{_CLOCK}|{_QUOTED})")


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
    caller: str = ""
    """Who printed it, where a stamp says so: `T` and a thread's number, `C` and a processor's."""


def lines_of(data: bytes) -> Iterator[Line]:
    """The lines with anything in them; one that only repeats the line before is left out.

    Some loaders and loggers write each line twice.
    """
    before: tuple[str, float | None, str] | None = None
    for number, text in unwrapped(unmarked(clean(data)).split("\n")):
        line = line_of(number, text)
        if line.text and (line.text, line.seconds, line.caller) != before:
            yield line
            before = line.text, line.seconds, line.caller


def line_of(number: int, text: str) -> Line:
    """One line."""
    rest, seconds, caller = text[:LINE_LIMIT], None, ""
    for _ in range(4):
        found = _PREFIX.match(rest)
        if found is None:
            break
        rest = rest[found.end() :]
        if seconds is None and found["seconds"]:
            seconds, caller = float(found["seconds"]), found["caller"] or ""
    bare = rest.lstrip()
    return Line(number, bare.rstrip(), len(rest) - len(bare), seconds, caller)


def shape_of(before: str) -> re.Pattern[str] | None:
    """What a logger put before one line, as a rule for the others: the same but for its numbers. None for nothing."""
    if not before.strip() or len(before) > _SHAPE_LIMIT or before[-1].isalnum():
        return None  # an unfinished word of somebody's
    parts = re.split(r"(\d+|\s+)", before.strip())
    rule = "".join(r"\d+" if part.isdigit() else r"\s+" if part.isspace() else re.escape(part) for part in parts)
    return re.compile(rf"\s*{rule}")


def without(prefix: re.Pattern[str], line: Line) -> Line:
    """A line without it."""
    found = prefix.match(line.text)
    if found is None:
        return line
    return replace(line, text=line.text[found.end() :].strip())
