"""Downloads from a server on the loopback that breaks off, lies, fails and recovers."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from rig.errors import HostError, ImageError
from rig.events import Event, Events
from rig.image import space
from rig.image.fetch import ATTEMPTS, download
from rig.image.partial import Part
from rig.tests.image.conftest import Web

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "tiny.part"


@pytest.fixture
def get(web: Web, into: Path, said: list[str]) -> Callable[[], list[float]]:
    """Download once; returns the pauses that were made."""

    def once() -> list[float]:
        pauses: list[float] = []
        download(web.url, into, "tiny", events=Events(), say=said.append, sleep=pauses.append)
        return pauses

    return once


Get = Callable[[], list[float]]


def cut_after(count: int, etag: str = '"one"') -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    """Promise the whole, send `count` bytes, hang up."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(200)
        if etag:
            handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:count])
        handler.close_connection = True

    return answer


def status(code: int) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_a_whole_file_in_one_go(web: Web, into: Path, get: Get, said: list[str]) -> None:
    assert get() == []
    assert into.read_bytes() == web.content
    assert (len(web.requests), said) == (1, [])
    assert web.requests[0]["Accept-Encoding"] == "identity"


def test_progress_ends_at_the_total(web: Web, into: Path, said: list[str]) -> None:
    events, seen = Events(), list[Event]()
    events.listen(seen.append)
    download(web.url, into, "tiny", events=events, say=said.append)
    assert seen[-1].data == {"image": "tiny", "done": len(web.content), "total": len(web.content)}


def test_what_breaks_off_goes_on_where_it_stopped(web: Web, into: Path, get: Get, said: list[str]) -> None:
    web.answers = [cut_after(300_000)]
    assert get() == [1.0]
    assert into.read_bytes() == web.content
    begin = int(web.requests[1]["Range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < begin <= 300_000
    assert web.requests[1]["If-Range"] == '"one"'
    assert "broke off" in said[0] and f"try 2 of {ATTEMPTS}" in said[0]


def test_the_next_call_goes_on_too(web: Web, into: Path, get: Get) -> None:
    web.answers = [cut_after(300_000), *[status(503)] * (ATTEMPTS - 1)]
    with pytest.raises(ImageError, match="HTTP 503") as caught:
        get()
    assert "is kept: the next call goes on from there" in caught.value.hint
    get()
    assert into.read_bytes() == web.content
    assert "Range" in web.requests[-1]


def test_a_new_version_on_the_server_is_never_mixed_with_the_old(web: Web, into: Path, get: Get) -> None:
    old = web.content

    def cut_old(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        cut_after(300_000)(handler, old)

    web.content, web.etag, web.answers = bytes(reversed(old)), '"two"', [cut_old]
    get()
    assert web.requests[1]["If-Range"] == '"one"'
    assert into.read_bytes() == web.content


def test_without_a_version_it_begins_anew(web: Web, into: Path, get: Get) -> None:
    web.etag = ""
    web.answers = [cut_after(300_000, "")]
    get()
    assert into.read_bytes() == web.content
    assert "Range" not in web.requests[1]


def test_a_part_of_another_address_is_dropped(web: Web, into: Path, get: Get) -> None:
    into.parent.mkdir()
    into.write_bytes(b"old")
    mark = {"url": "http://127.0.0.1/other", "validator": '"one"', "total": 9}
    into.with_name("tiny.part.json").write_text(json.dumps(mark))
    get()
    assert into.read_bytes() == web.content


def test_a_part_that_is_whole_is_not_fetched_again(web: Web, into: Path, get: Get) -> None:
    get()
    get()
    assert into.read_bytes() == web.content
    assert web.requests[1]["Range"] == f"bytes={len(web.content)}-"


def partly(begin: int, end: int) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    """Answer with the bytes from `begin` to `end`, whatever was asked for, and say so."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        handler.send_header("Content-Length", str(end - begin))
        handler.end_headers()
        handler.wfile.write(content[begin:end])

    return answer


def test_a_server_that_answers_with_another_part(web: Web, into: Path, get: Get) -> None:
    web.answers = [cut_after(262_144), partly(5, len(web.content) - 262_144 + 5)]
    get()
    assert into.read_bytes() == web.content


def test_a_server_that_answers_with_less_than_the_rest(web: Web, into: Path, get: Get) -> None:
    web.answers = [cut_after(262_144), partly(262_144, 300_000)]
    get()
    assert into.read_bytes() == web.content
    assert web.requests[2]["Range"] == "bytes=300000-"


def test_a_server_error_passes(web: Web, into: Path, get: Get) -> None:
    web.answers = [status(500), status(429)]
    assert get() == [1.0, 2.0]
    assert into.read_bytes() == web.content


@pytest.mark.parametrize("code", [404, 403, 410])
def test_what_is_not_there_is_not_asked_for_twice(web: Web, get: Get, code: int) -> None:
    web.answers = [status(code)] * 9
    with pytest.raises(ImageError, match=f"download failed: {web.url}: HTTP {code}") as caught:
        get()
    assert len(web.requests) == 1
    assert "rig images import FILE --like tiny" in caught.value.hint


def test_an_answer_without_a_file(web: Web, get: Get) -> None:
    web.answers = [status(204)] * ATTEMPTS
    with pytest.raises(ImageError, match="HTTP 204 has no file in it"):
        get()
    assert len(web.requests) == ATTEMPTS


def test_nobody_listens(into: Path, said: list[str]) -> None:
    pauses: list[float] = []
    with pytest.raises(ImageError, match=f"after {ATTEMPTS} tries: http://127.0.0.1:1/x: .*refused") as caught:
        download("http://127.0.0.1:1/x", into, "tiny", events=Events(), say=said.append, sleep=pauses.append)
    assert len(pauses) == ATTEMPTS - 1
    assert "proxy" in caught.value.hint


def test_a_proxy_is_used(web: Web, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ImageError, match="proxy"):
        get()
    assert web.requests == []


def test_a_redirect_is_followed(web: Web, into: Path, get: Get) -> None:
    def elsewhere(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/mirror")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    web.answers = [elsewhere]
    get()
    assert into.read_bytes() == web.content


def test_offline_means_offline(web: Web, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIG_OFFLINE", "1")
    with pytest.raises(ImageError, match="RIG_OFFLINE is set"):
        get()
    assert web.requests == []


def test_no_room_is_said_before_the_first_byte(web: Web, into: Path, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free_bytes", lambda _: space.MARGIN + 1000)
    with pytest.raises(HostError, match="disk full: cannot download tiny"):
        get()
    assert not into.exists()


def test_a_disk_that_fills_up_leaves_nothing(into: Path, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Part, "write", full)
    with pytest.raises(HostError, match="disk full: cannot download tiny"):
        get()
    assert list(into.parent.iterdir()) == []


def test_a_proxy_that_nobody_runs_is_told_in_plain_words(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ImageError, match="Unable to connect to proxy") as caught:
        get()
    assert caught.value.message.endswith(": Unable to connect to proxy")
