"""The messages of the stream protocol, version 1: what a probe says, one JSON object a line.

Each type of line ("t") is one frozen class; its fields are the line's keys. Keys that a class does not know are
ignored, and so are types: later probes may say more to earlier rigs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, FiniteFloat, StrictBool, StrictInt, StrictStr
from pydantic.dataclasses import dataclass as checked

PROTOCOL = 1

Number = Annotated[FiniteFloat, Field(strict=True)]
Count = Annotated[StrictInt, Field(ge=0)]
EndWord = Literal["pass", "fail", "unsupported", "skip", "crashed", "timeout"]


@checked(frozen=True)
class Hello:
    """The first line: who speaks, on what system, by which clock, and which cases will run, in order."""

    proto: Annotated[StrictInt, Field(ge=PROTOCOL, le=PROTOCOL)]
    probe: StrictStr
    version: StrictStr
    os: StrictStr
    """As `uname -s`."""
    release: StrictStr
    machine: StrictStr
    kernel: StrictStr
    """As `uname -v`."""
    pid: StrictInt
    clock: StrictStr
    """The clock of all timings."""
    tick_ns: Number
    clock_cost_ns: Number
    """What one reading of the clock costs."""
    page: Count
    """Bytes."""
    limits: dict[StrictStr, StrictInt | Number | StrictStr]
    cases: tuple[StrictStr, ...]


@checked(frozen=True)
class Start:
    """A case begins."""

    case: StrictStr


@checked(frozen=True)
class Check:
    """A comparison: each that failed, and the last one that held."""

    case: StrictStr
    ok: StrictBool
    what: StrictStr
    got: StrictStr = ""
    want: StrictStr = ""
    at: StrictStr = ""
    """File and line, for example `pipe.c:41`."""


@checked(frozen=True)
class Note:
    """Something said. Without a case it is about the probe."""

    text: StrictStr
    case: StrictStr | None = None


@checked(frozen=True)
class Fact:
    """Something measured and reported, not judged. Without a case it is about the probe."""

    name: StrictStr
    value: StrictInt | Number | StrictStr
    case: StrictStr | None = None


@checked(frozen=True)
class Metric:
    """Raw timing samples, one a batch: nanoseconds an operation, or bytes a second."""

    case: StrictStr
    name: StrictStr
    unit: Literal["ns", "B/s"]
    samples: tuple[Number, ...]
    per: StrictStr = "op"
    inner: Annotated[StrictInt, Field(ge=1)] = 1
    """Operations in a batch."""
    bytes: Count | None = None
    """Moved by one operation, where that means something."""


@checked(frozen=True)
class End:
    """A case is over."""

    case: StrictStr
    outcome: EndWord
    reason: StrictStr = ""
    checks: Count = 0
    ms: Number = 0.0
    via: StrictStr | None = None
    """Which way the calls took: libsystem, libc, syscall, mach."""
    signal: StrictStr | None = None
    """Name of the signal that ended it, for example `SIGSEGV`."""
    exit: StrictInt | None = None


@checked(frozen=True)
class Leak:
    """Something that the probe's cases left behind; the probe has removed it."""

    kind: StrictStr
    """process, sysv, posix, file or fd."""
    what: StrictStr


@checked(frozen=True, config=ConfigDict(populate_by_name=True))
class Goodbye:
    """The last line: a stream without it is that of a crashed probe. Counts are of cases by outcome."""

    cases: Count
    passed: Annotated[Count, Field(validation_alias="pass")] = 0
    """The key is `pass`."""
    fail: Count = 0
    unsupported: Count = 0
    skip: Count = 0
    crashed: Count = 0
    timeout: Count = 0
    leaks: Count = 0


@dataclass(frozen=True)
class Unknown:
    """A well-formed line of a type that this rig does not know: from a later probe, to be ignored."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Rubbish:
    """A line that is no message of the protocol, or stands where it cannot. Evidence, never fatal."""

    reason: str
    """In words."""
    excerpt: str
    """The line's beginning, as printable text."""
    size: int
    """The whole line's bytes."""
    line: int
    """Its number in the stream, from 1."""


Said = Hello | Start | Check | Note | Fact | Metric | End | Leak | Goodbye
Message = Said | Unknown | Rubbish

TYPES: dict[str, type[Said]] = {
    "hello": Hello,
    "start": Start,
    "check": Check,
    "note": Note,
    "fact": Fact,
    "metric": Metric,
    "end": End,
    "leak": Leak,
    "goodbye": Goodbye,
}
"""The class of each `t`."""
