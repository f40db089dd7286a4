"""What goes over a console that the kernel writes into, too: frames that are measured, numbered and checked.

A frame is `{`, base64, `}`: printable ASCII alone, because Darwin's console keeps seven bits. Inside are type, length,
job, number, payload and CRC-32. Kernel messages may stand between two frames or in the middle of one. What stands in
one is taken out where that gives back a frame whose length and checksum are right, else the frame is lost and asked for
again. The guest's half is guest-tests/agent/frame.c.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from dataclasses import dataclass

_HEAD = struct.Struct(">cHII")
_CRC = struct.Struct(">I")
_AROUND = _HEAD.size + _CRC.size
PAYLOAD_LIMIT = 2048
"""Bytes of a payload."""
_TEXT_LIMIT = (PAYLOAD_LIMIT + _AROUND + 2) // 3 * 4
_KEPT = 2 * _TEXT_LIMIT
_OTHER = re.compile(rb"[^A-Za-z0-9+/=]")
_STARTS = 3
"""Noise may hold a brace as well: so many openings are tried for one end."""


@dataclass(frozen=True)
class Frame:
    """One message. `job` is the command that it belongs to, `number` its place in what the guest says of that."""

    type: str
    job: int
    number: int = 0
    payload: bytes = b""

    @property
    def text(self) -> str:
        """The payload as text."""
        return self.payload.decode("ascii", "replace")


def encode(frame: Frame) -> bytes:
    """The bytes of a frame. `ValueError` for a payload that is too long."""
    if len(frame.payload) > PAYLOAD_LIMIT:
        raise ValueError(f"a frame holds {PAYLOAD_LIMIT} bytes, this one has {len(frame.payload)}")
    raw = _HEAD.pack(frame.type.encode("ascii"), len(frame.payload), frame.job, frame.number) + frame.payload
    return b"{" + base64.b64encode(raw + _CRC.pack(zlib.crc32(raw))) + b"}"


class FrameReader:
    """Finds frames in what comes from the console, whatever stands between and inside them."""

    def __init__(self) -> None:
        self.noise = 0
        """Bytes so far that belong to no frame, line ends aside."""
        self._kept = bytearray()
        self._looked = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take in bytes, cut anywhere; returns the frames that end in them."""
        self._kept += data
        found: list[Frame] = []
        while (end := self._kept.find(b"}", self._looked)) >= 0:
            frame = self._ending(end)
            if frame is None:
                self._looked = end + 1
            else:
                found.append(frame)
        self._looked = len(self._kept)
        start = self._kept.find(b"{")
        self._drop(start if start >= 0 else len(self._kept))
        self._drop(len(self._kept) - _KEPT)
        return found

    def _ending(self, end: int) -> Frame | None:
        """The frame that ends here. What stands before it, or in it, is noise."""
        start = end
        for _ in range(_STARTS):
            start = self._kept.rfind(b"{", 0, start)
            if start < 0:
                return None
            body = bytes(self._kept[start + 1 : end])
            frame = _decode(body) or _without_noise(body)
            if frame is not None:
                self._drop(end + 1, len(encode(frame)))
                return frame
        return None

    def _drop(self, count: int, good: int = 0) -> None:
        """Forget the first bytes, `good` of which were a frame."""
        if count > 0:
            gone = self._kept[:count]
            self.noise += count - good - gone.count(b"\r") - gone.count(b"\n")
            del self._kept[:count]
            self._looked = max(0, self._looked - count)


def _decode(body: bytes) -> Frame | None:
    if len(body) % 4 or not body or len(body) > _TEXT_LIMIT:
        return None
    try:
        raw = base64.b64decode(body, validate=True)
    except binascii.Error:
        return None
    if len(raw) < _AROUND or _CRC.unpack(raw[-_CRC.size :])[0] != zlib.crc32(raw[: -_CRC.size]):
        return None
    kind, length, job, number = _HEAD.unpack_from(raw)
    if length != len(raw) - _AROUND or not kind.isalpha():
        return None
    return Frame(kind.decode("ascii"), job, number, raw[_HEAD.size : -_CRC.size])


def _without_noise(body: bytes) -> Frame | None:
    """A kernel writes whole lines: noise in one place begins anywhere and ends with a line's end."""
    behind = body.rfind(b"\n") + 1
    if not behind:
        return None
    tail = body[behind:]
    foreign = _OTHER.search(body)
    assert foreign is not None  # the line's end is one
    if _OTHER.search(tail):
        return None
    for cut in range(foreign.start(), -1, -1):
        if (cut + len(tail)) % 4 == 0:
            frame = _decode(body[:cut] + tail)
            if frame is not None:
                return frame
    return None
