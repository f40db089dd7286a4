"""Words that a stranger's disk holds, made fit for a terminal."""

from __future__ import annotations


def clean(words: str, most: int = 200) -> str:
    """Printable characters as they are, the others (also those that turn a line around) as `?`; `most` of them."""
    shown = "".join(char if char.isprintable() else "?" for char in words.strip())
    return shown if len(shown) <= most else shown[: most - 3] + "..."
