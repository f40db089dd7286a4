"""Downloads: one file by HTTP, with progress; broken off, it goes on where it stopped, or cleanly from the start."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import requests
from pooch import HTTPDownloader  # type: ignore[import-untyped]

from rig.errors import ImageError
from rig.events import Events
from rig.image import space
from rig.image.partial import Again, Complete, Part

ATTEMPTS = 4
"""Tries of one call; what they brought is kept for the next call."""
TIMEOUTS = (15, 60)
"""Seconds to connect, and without a byte."""
_BLOCK = 1 << 18
_FATAL = (
    requests.exceptions.SSLError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.TooManyRedirects,
)
_LATER = {408, 425, 429}
"""Answers of the 400s that may be different a moment later."""


def download(
    url: str,
    into: Path,
    name: str,
    *,
    events: Events,
    say: Callable[[str], None],
    how: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the file behind `url` into `into`, going on with what lies there; proxies as requests finds them.

    `name` is the image's, `how` its entry's words on how to get it. Emits `image.download.progress` (image, done,
    total in bytes). Raises ImageError (offline, not there, out of reach after `ATTEMPTS` tries) and HostError
    (disk full).
    """
    command = "" if "rig images import" in how else f"With the file at hand: rig images import FILE --like {name}"
    by_hand = "\n  ".join(filter(None, (command, how)))
    if os.environ.get("RIG_OFFLINE", "") not in ("", "0"):
        raise ImageError(f"{name}: not downloaded, RIG_OFFLINE is set: {url}", hint=f"Unset RIG_OFFLINE.\n  {by_hand}")
    part = Part(into, name, url, events)
    with space.explained(into, f"download {name}"):
        into.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _once(url, part)
            except (Again, requests.RequestException) as fault:
                reason = _reason(fault)
                if _is_fatal(fault):
                    raise ImageError(f"{name}: download failed: {url}: {reason}", hint=by_hand) from fault
                if attempt == ATTEMPTS:
                    kept = f" What arrived ({space.human(part.have)}) is kept: the next call goes on from there."
                    kept = kept if part.resumable else ""
                    raise ImageError(
                        f"{name}: download failed after {ATTEMPTS} tries: {url}: {reason}",
                        hint=f"Check the network and the proxy (https_proxy).{kept}\n  {by_hand}",
                    ) from fault
                pause = 2 ** (attempt - 1)
                say(f"download of {name} broke off ({reason}); try {attempt + 1} of {ATTEMPTS} in {pause} s")
                sleep(pause)
            except OSError:
                part.drop()  # a disk that is full, most often: leave it as it was found
                raise
            else:
                return


def _once(url: str, part: Part) -> None:
    fetch = HTTPDownloader(
        chunk_size=_BLOCK, headers=part.request_headers(), timeout=TIMEOUTS, hooks={"response": part.begin}
    )
    try:
        with suppress(Complete):
            fetch(url, part, None)
        part.tell()
    finally:
        part.close()
    if part.total is not None and part.have != part.total:
        have = part.have
        if have > part.total:
            part.drop()
        raise Again(f"{have} of {part.total} bytes arrived")


def _is_fatal(fault: Exception) -> bool:
    if isinstance(fault, requests.HTTPError) and fault.response is not None:
        code = fault.response.status_code
        return code < 500 and code not in _LATER
    return isinstance(fault, _FATAL)


def _reason(fault: Exception) -> str:
    if isinstance(fault, requests.HTTPError) and fault.response is not None:
        return f"HTTP {fault.response.status_code} {fault.response.reason}"
    if isinstance(fault, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(fault, requests.Timeout):
        return "no answer in time"
    return _root(fault)


def _root(fault: BaseException) -> str:
    """The innermost words: urllib3 wraps a plain reason three times."""
    inner, words = fault, ""
    while (below := getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)) is not None:
        if not isinstance(below, BaseException):
            words = below if isinstance(below, str) and len(inner.args) > 1 else ""  # words, then what they are about
            break
        inner = below
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", words or str(inner)).strip("'\"") or type(inner).__name__
