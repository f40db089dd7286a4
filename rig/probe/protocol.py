"""Reads the stream that a probe writes: bytes in as they come, messages out as soon as their line is whole.

Nothing that a probe writes makes the reader raise. What is no message, or stands where it cannot, becomes `Rubbish`
with the reason. The same bytes give the same messages however they are cut; memory is bounded by one line; the cost is
linear in the bytes.
"""

from __future__ import annotations

from collections import Counter

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from rig.probe.messages import (
    PROTOCOL,
    TYPES,
    Check,
    End,
    Fact,
    Goodbye,
    Hello,
    Leak,
    Message,
    Metric,
    Note,
    Rubbish,
    Said,
    Start,
    Unknown,
)

__all__ = [
    "MAX_LINE",
    "PROTOCOL",
    "Check",
    "End",
    "Fact",
    "Goodbye",
    "Hello",
    "Leak",
    "Message",
    "Metric",
    "Note",
    "Rubbish",
    "Said",
    "Start",
    "StreamReader",
    "Unknown",
]

MAX_LINE = 256 * 1024
"""Bytes of the longest line that is read, without its newline."""
_EXCERPT = 200
_ADAPTERS: dict[str, TypeAdapter[Said]] = {name: TypeAdapter(kind) for name, kind in TYPES.items()}


class StreamReader:
    """One stream of one run of one probe.

    `feed` and `close` return what became readable; the attributes say how far the stream has come:

    hello       the first line once it was read, else None
    goodbye     the last line once it was read, else None
    ended       each finished case's `End`, in the order of their ends
    outcomes    how many cases ended with each outcome
    rubbish     how many lines were rubbish
    lines       how many lines there were, empty ones included
    """

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.goodbye: Goodbye | None = None
        self.ended: dict[str, End] = {}
        self.outcomes: Counter[str] = Counter()
        self.rubbish = 0
        self.lines = 0
        self._line = bytearray()  # what is there of the current line, up to one byte over the limit
        self._size = 0  # the current line's bytes so far, those that were not kept included
        self._cases: frozenset[str] = frozenset()
        self._refused_hello = ""  # why the hello that came was not taken

    @property
    def complete(self) -> bool:
        """Whether the probe said goodbye. A stream that is over without it is that of a crashed probe."""
        return self.goodbye is not None

    @property
    def missing(self) -> tuple[str, ...]:
        """Cases that the hello named and that have not ended."""
        return tuple(case for case in self.hello.cases if case not in self.ended) if self.hello else ()

    @property
    def problem(self) -> str:
        """In words, what is wrong with the stream so far as a whole; empty when it is complete and sound."""
        if self.hello is None:
            return self._refused_hello or "the probe wrote no hello"
        if self.goodbye is None:
            return "the stream ends without a goodbye"
        if self.missing:
            return f"the probe said goodbye, but of {', '.join(self.missing)} no end was read"
        if self.goodbye.cases != len(self.ended):
            return f"the goodbye counts {self.goodbye.cases} cases, but {len(self.ended)} ends were read"
        return ""

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes; returns the messages of all lines that they complete."""
        *whole, rest = data.split(b"\n")
        messages: list[Message] = []
        for piece in whole:
            self._take(piece)
            messages += self._end_line()
        self._take(rest)
        return messages

    def close(self) -> list[Message]:
        """The stream is over: read what is left without a newline. A second call returns nothing."""
        return self._end_line() if self._size else []

    def _take(self, piece: bytes) -> None:
        self._line += piece[: MAX_LINE + 1 - len(self._line)]
        self._size += len(piece)

    def _end_line(self) -> list[Message]:
        line, size = bytes(self._line), self._size
        self._line.clear()
        self._size = 0
        self.lines += 1
        if not line.strip():
            return []
        try:
            if size > MAX_LINE:
                raise _Refused(f"a line of {size} bytes; {MAX_LINE} is the limit")
            found = _parse(line)
            if not isinstance(found, Unknown):
                self._accept(found)
        except _Refused as refusal:
            self.rubbish += 1
            if refusal.kind == "hello" and self.hello is None:
                self._refused_hello = refusal.reason
            return [Rubbish(refusal.reason, _printable(line[:_EXCERPT]), size, self.lines)]
        return [found]

    def _accept(self, said: Said) -> None:
        """Keep account of a message. Raises `_Refused` for one that cannot stand here."""
        if self.goodbye is not None:
            raise _Refused("after the goodbye")
        if isinstance(said, Hello):
            if self.hello is not None:
                raise _Refused("a second hello")
            self.hello = said
            self._cases = frozenset(said.cases)
            return
        if self.hello is None:
            raise _Refused("before the hello")
        case = getattr(said, "case", None)
        if case is not None and case not in self._cases:
            raise _Refused(f"of case {case[:80]!r}, which the hello does not name")
        if isinstance(said, End):
            if said.case in self.ended:
                raise _Refused(f"a second end of case {said.case!r}")
            self.ended[said.case] = said
            self.outcomes[said.outcome] += 1
        elif isinstance(said, Goodbye):
            self.goodbye = said


class _Refused(Exception):
    """Why a line is no message; `kind` is its type as far as it has one."""

    def __init__(self, reason: str, kind: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


def _parse(line: bytes) -> Said | Unknown:
    try:
        data = from_json(line, allow_inf_nan=False)
    except ValueError as fault:
        raise _Refused(f"not JSON: {fault}") from fault
    if not isinstance(data, dict):
        raise _Refused(f"JSON, but a {type(data).__name__} and no object")
    kind = data.get("t")
    if not isinstance(kind, str):
        raise _Refused("an object whose `t` is no text" if "t" in data else "an object without `t`")
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        return Unknown(kind, data)
    proto = data.get("proto", PROTOCOL)
    if kind == "hello" and isinstance(proto, int) and proto != PROTOCOL:
        raise _Refused(f"the probe speaks protocol {proto}, this rig reads {PROTOCOL}: build it with this rig", kind)
    try:
        return adapter.validate_json(line)
    except ValidationError as fault:
        words = (_words(error["loc"], error["type"], error["msg"]) for error in fault.errors()[:3])
        raise _Refused(f"{kind}: {'; '.join(words)}", kind) from fault


def _words(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(str(part) for part in loc)
    return f"key {key!r} is missing" if kind == "missing" else f"key {key!r}: {message[:1].lower()}{message[1:]}"


def _printable(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in data)
