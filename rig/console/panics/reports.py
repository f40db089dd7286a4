"""macOS's own panic files: since 10.15 JSON around the text that the kernel printed.

One object, or a line with a small object and then another; the text is in `macOSPanicString` (the x86 side, where there
is a T2) or `panicString`. A file that was cut is read as far as it goes, and so is one that somebody quotes among words
of his own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_TEXT_KEYS = ("macOSPanicString", "panicString")
_FACTS = frozenset(("bug_type", "os_version", "timestamp", "date", "incident", "incident_id", "build", "product"))
_CUT = re.compile(r'"(?:macOSPanicString|panicString)" ?: ?"(?P<text>(?:[^"\\]|\\.)*)', re.DOTALL)
_DEPTH_LIMIT = 16


@dataclass
class Report:
    """The kernel's text, and what the file says beside it."""

    text: bytes
    facts: dict[str, str] = field(default_factory=dict)
    whole: bool = False
    """Whether the file is one, and not only quotes one."""


def report_of(data: bytes) -> Report | None:
    """The report in such a file; None for any other text."""
    if not any(f'"{key}"'.encode() in data for key in _TEXT_KEYS):
        return None
    text = data.decode("utf-8", "replace").lstrip()
    if text.startswith("{"):
        objects = _objects(text)
        told = [words for one in objects if (words := _told(one))]
        if told:
            facts = {name: str(value) for one in objects for name, value in one.items() if _is_fact(name, value)}
            return Report("\n".join(told).encode("utf-8", "replace"), facts, whole=True)
    bare = _CUT.sub(lambda cut: f"\n{_unescaped(cut['text'])}\n", text)
    return Report(bare.encode("utf-8", "replace")) if bare != text else None


def _told(one: dict[str, Any]) -> str:
    """The kernel's text in an object."""
    return next((one[key] for key in _TEXT_KEYS if isinstance(one.get(key), str) and one[key].strip()), "")


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects one after another; what follows the last readable one is left."""
    decoder, found, at = json.JSONDecoder(strict=False), [], 0
    for _ in range(_DEPTH_LIMIT):
        at += len(text[at:]) - len(text[at:].lstrip())
        try:
            one, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if isinstance(one, dict):
            found.append(one)
    return found


def _is_fact(name: str, value: object) -> bool:
    return name in _FACTS and isinstance(value, str | int) and len(str(value)) <= 200


def _unescaped(text: str) -> str:
    """What stands in an unfinished JSON string."""
    try:
        whole: str = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return re.sub(r"\\([nt/\"\\])", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)
    return whole
