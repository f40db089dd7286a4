"""Console bytes made readable: control sequences out, lines as a reader would see them."""

from __future__ import annotations

import re

# ECMA-48 control sequences (CSI ... final), operating system commands, and two-byte escapes.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
_WHOLE_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[ -/]*[0-Z\\^-~])")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_RETURNS = re.compile(rb"\r+\n?")


def clean(data: bytes) -> str:
    """Text without escape sequences and control bytes; every kind of line end becomes one newline."""
    data = _ESCAPES.sub(b"", data)
    data = _RETURNS.sub(b"\n", data)
    return _CONTROL.sub(b"", data).decode("utf-8", "replace")


def settled(data: bytes) -> bytes:
    """The part of an unfinished line that no further bytes can give another meaning: no half of an escape sequence."""
    at = data.rfind(b"\x1b")
    return data if at < 0 or _WHOLE_ESCAPE.match(data, at) else data[:at]


def last_lines(data: bytes, count: int) -> str:
    """The last `count` non-empty lines of the clean text."""
    lines = [line.rstrip() for line in clean(data).splitlines() if line.strip()]
    return "\n".join(lines[-count:])
