"""Fields that several models share: what is searched for, what is typed, how long something may take."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field


def _compiles(pattern: str) -> str:
    try:
        compiled = re.compile(pattern.encode(), re.MULTILINE)
    except (re.error, ArithmeticError, RecursionError) as fault:
        raise ValueError(f"not a regular expression: {fault}") from fault
    if compiled.search(b""):
        raise ValueError("this regular expression matches nothing at all, so it would be found at once")
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""Regular expression, matched with re.MULTILINE against the bytes of the console."""
Typed = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What is typed on a console as one line."""
Seconds = Annotated[float, Field(gt=0, le=86_400)]
