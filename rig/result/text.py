"""Text that came out of a guest, made fit to store and show.

A guest may print anything: escape sequences that move a terminal's cursor, half characters, marks that turn the
reading direction round. What is stored is printable text; the raw bytes stay in the run's log files.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

MARK = "\N{REPLACEMENT CHARACTER}"
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC: titles, clipboards, up to their terminator
    r"|\x1b[ -/]*[0-~]",  # other two-byte forms
    re.DOTALL,
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TURNERS = re.compile("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(value: object) -> str:
    """`value` as printable text: tabs and newlines stay, escape sequences and other control characters go.

    Lone surrogates and marks of reading direction become U+FFFD.
    """
    text = value if isinstance(value, str) else str(value)
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _TURNERS.sub(MARK, _CONTROLS.sub("", text))


def tail(text: str, lines: int, width: int = 4000) -> str:
    """The last `lines` lines, each cut at `width` characters."""
    kept = text.rstrip("\n").split("\n")[-lines:] if lines > 0 else []
    return "\n".join(line if len(line) <= width else line[: width - 3] + "..." for line in kept)


Text = Annotated[str, BeforeValidator(clean)]
"""A model's field for text that may come from a guest."""
