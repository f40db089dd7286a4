"""What has arrived of a download, and whether the rest of it can be asked for.

The bytes lie in `<name>.part`; beside them `<name>.part.json` says which version of the file they are of. Only a part
that is certainly of the server's version is gone on with (If-Range, RFC 9110 section 13.1.5).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import requests
from pydantic import BaseModel

from rig.errors import ImageError
from rig.events import Events
from rig.image import space
from rig.image.record import read_json, write_json

_TELL_EVERY = 1 << 20


class _Mark(BaseModel):
    """What a part is a part of."""

    url: str
    validator: str
    total: int | None


class Again(Exception):
    """What arrived is not what was asked for; the next try may be better."""


class Complete(Exception):
    """All of it had arrived before."""


class Part:
    """The file object that pooch writes to: decides, when the answer's head is there, where the body goes."""

    def __init__(self, part: Path, name: str, url: str, events: Events) -> None:
        self._part, self._name, self._url, self._events = part, name, url, events
        self._mark_file = part.with_name(part.name + ".json")
        self._file: BinaryIO | None = None
        self._told = 0
        self.total: int | None = None

    @property
    def have(self) -> int:
        """Bytes that have arrived."""
        return self._part.stat().st_size if self._part.exists() else 0

    @property
    def resumable(self) -> bool:
        """Whether the next request can ask for the rest."""
        mark = self._mark()
        return bool(self.have) and mark is not None and mark.url == self._url

    def request_headers(self) -> dict[str, str]:
        """Headers that ask for the rest of the same version, or for the whole; a part of unknown kind is dropped."""
        headers = {"Accept-Encoding": "identity"}
        mark = self._mark()
        if mark is None or not self.resumable:
            self.drop()
            return headers
        return headers | {"Range": f"bytes={self.have}-", "If-Range": mark.validator}

    def begin(self, answer: requests.Response, *_: object, **__: object) -> None:
        """Look at an answer's head, before its body is read (a hook of requests; called for redirects too)."""
        if answer.is_redirect or not (answer.ok or answer.status_code == 416):
            return  # requests follows the one, pooch raises for the other
        if self._url.startswith("https:") and not answer.url.startswith("https:"):
            raise ImageError(
                f"{self._url}: the server leads away from https, to {answer.url}", hint="Check the address."
            )
        if answer.status_code == 416:
            self._past_the_end()
        if answer.status_code == 206:
            begun, self.total = _range(answer.headers.get("Content-Range", ""))
            if begun != self.have:
                self.drop()
                raise Again("the server sent another part than was asked for")
        elif answer.status_code != 200:
            raise Again(f"HTTP {answer.status_code} has no file in it")
        else:
            self.drop()
            length = answer.headers.get("Content-Length", "")
            self.total = int(length) if length.isdecimal() else None
            self._remember(answer)
        if self.total is not None:
            space.require(self._part, self.total - self.have, f"download {self._name}")
        self._file = self._part.open("ab")

    def _past_the_end(self) -> None:
        mark = self._mark()
        if mark is None or mark.total != self.have:
            self.drop()
            raise Again("the server's file is shorter than what had arrived")
        self.total = self.have
        raise Complete

    def write(self, chunk: bytes) -> None:
        """Keep a chunk (pooch calls this)."""
        assert self._file is not None
        self._file.write(chunk)
        if self._file.tell() - self._told >= _TELL_EVERY:
            self.tell()

    def flush(self) -> None:
        """Nothing: pooch flushes after each chunk, and what a crash loses is downloaded again."""

    def tell(self) -> None:
        """Let the listeners know how far it is."""
        self._told = self._file.tell() if self._file else self.have
        self._events.emit("image.download.progress", image=self._name, done=self._told, total=self.total)

    def close(self) -> None:
        """Put what arrived on the disk."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def drop(self) -> None:
        """Forget what arrived."""
        self._part.unlink(missing_ok=True)
        self._mark_file.unlink(missing_ok=True)
        self._told = 0

    def _mark(self) -> _Mark | None:
        try:
            return read_json(_Mark, self._mark_file)
        except ImageError:
            return None

    def _remember(self, answer: requests.Response) -> None:
        tag = answer.headers.get("ETag", "")
        validator = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
        if validator:
            write_json(_Mark(url=self._url, validator=validator, total=self.total), self._mark_file)


def _range(header: str) -> tuple[int, int | None]:
    """First byte and total of a Content-Range such as `bytes 5-9/10`; (-1, None) when it is none."""
    unit, _, rest = header.partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes" or not first.isdecimal():
        return -1, None
    return int(first), int(total) if total.isdecimal() else None
