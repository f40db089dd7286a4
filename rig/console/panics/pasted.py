"""What web pages and terminals did to a text on its way here is undone: markup, and lines cut at the screen's edge."""

from __future__ import annotations

import html
import re

_MARKUP = re.compile(r"&(?:quot|gt|lt|amp|apos|nbsp|#x?[0-9a-fA-F]{2,4});|<br ?/?>|</?(?:pre|code)\b")
_TAGS = re.compile(
    r"</?(?:br|pre|code|p|div|span|details|summary|blockquote|li|ul|td|tr|a|b|strong|em)\b[^<>\n]{0,200}>"
)
_TYPESET = str.maketrans("\u00d7\u2013\u2014\u201c\u201d\u2019\u2026\xa0", 'x--""\'. ')
"""What a page's typesetting made of plain signs."""
_SCREEN = 80
_RULER_SIGNS = 2
"""A line of so few signs is drawn, not cut."""
_FULL_LINES = 2
"""So many lines of just the screen's width, and none beyond it, were cut by it."""


def unmarked(text: str) -> str:
    """HTML's entities and tags taken out, where there are any, and typesetting; a kernel's own `<TASK>` stays."""
    if _MARKUP.search(text):
        text = html.unescape(_TAGS.sub("", text))
    return text if text.isascii() else text.translate(_TYPESET)


def unwrapped(lines: list[str]) -> list[tuple[int, str]]:
    """The lines with their numbers, from 1; those that the edge of a screen cut are put together."""
    widest = max(map(len, lines), default=0)
    if widest != _SCREEN or sum(len(line) == widest for line in lines) < _FULL_LINES:
        return list(enumerate(lines, start=1))
    whole: list[tuple[int, str]] = []
    goes_on = False
    for number, line in enumerate(lines, start=1):
        if goes_on:
            first, text = whole[-1]
            whole[-1] = (first, text + line)
        else:
            whole.append((number, line))
        goes_on = len(line) == widest and len(set(line)) > _RULER_SIGNS
    return whole
