"""Putting text on a terminal that may be narrow, without colour, or unable to show what is not ASCII."""

from __future__ import annotations

import os

from rich.console import Console
from rich.text import Text

from rig.report.words import VERDICT_NOTES
from rig.result import CaseResult, Outcome
from rig.result.text import clean

STYLES = {
    Outcome.PASS: "green",
    Outcome.UNSUPPORTED: "blue",
    Outcome.SKIP: "bright_black",
    Outcome.FAIL: "red",
    Outcome.ERROR: "magenta",
    Outcome.TIMEOUT: "red",
    Outcome.CRASHED: "red",
    Outcome.HANG: "bold red",
    Outcome.PANIC: "bold red",
}
_PLAINER = str.maketrans({"µ": "u", "±": "+-", "\N{REPLACEMENT CHARACTER}": "?"})


def is_plain(console: Console, plain: bool | None = None) -> bool:
    """Whether to print line by line: asked for, no terminal, a dumb one, or NO_COLOR set."""
    if plain is not None:
        return plain
    return not console.is_terminal or console.is_dumb_terminal or bool(os.environ.get("NO_COLOR"))


def fit(console: Console, text: str) -> str:
    """`text` without control characters, in characters that the terminal's encoding has."""
    text = clean(text)
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(console.encoding, "replace").decode(console.encoding)
    except LookupError:
        return text.translate(_PLAINER).encode("ascii", "replace").decode("ascii")
    return text


def styled(console: Console, text: str, style: str = "") -> Text:
    """A rich text that holds no markup of the guest's making, and folds rather than loses characters."""
    return Text(fit(console, text), style=style, overflow="fold")


def say(console: Console, text: str = "", style: str = "", *, indent: int = 0) -> None:
    """Print lines. On a terminal they fold under their indent; elsewhere they stay whole, for grep."""
    for line in text.split("\n"):
        out = styled(console, line, style)
        if not console.is_terminal:
            console.print(Text(" " * indent).append_text(out), soft_wrap=True)
            continue
        width = max(8, console.width - indent)
        for part in out.wrap(console, width, overflow="fold") if line else [out]:
            part.rstrip()
            console.print(Text(" " * indent).append_text(part), soft_wrap=True)


def style_of(case: CaseResult) -> str:
    """The colour of a case's outcome; what was expected is never red."""
    if case.verdict in VERDICT_NOTES:
        return "yellow"
    return STYLES[case.outcome]
