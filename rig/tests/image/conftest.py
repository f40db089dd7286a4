"""Tiny disks, catalogue entries and a web server on the loopback that misbehaves as told."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rig.spec import ImageSpec

MIB = 1 << 20


def raw_disk(size: int = MIB, seed: int = 1) -> bytes:
    """A disk with a boot sector, one partition that ends at its end, and a little content."""
    table = struct.pack("<B3xB3xII", 0x80, 0xAF, 8, size // 512 - 8) + bytes(48)
    boot = b"\xeb\x3c" + bytes(444) + table + b"\x55\xaa"
    content = hashlib.sha512(bytes([seed])).digest() * 2048
    return (boot + bytes(4096 - 512) + content).ljust(size, b"\0")


def as_format(raw: Path, fmt: str, *options: str) -> Path:
    """The same disk in another format, beside it."""
    out = raw.with_suffix(f".{fmt}")
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", fmt, *options, str(raw), str(out)], check=True)
    return out


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_spec(name: str = "tiny", **source: Any) -> ImageSpec:
    """A catalogue entry; by default one that the user imports."""
    return ImageSpec.model_validate(
        {
            "name": name,
            "summary": "a tiny disk",
            "os": "linux",
            "source": {"kind": "import", "format": "raw"} | source,
            "boot": {"stages": [{"name": "kernel", "pattern": "Linux", "deadline": 1}]},
        }
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The rig's whole home, for this test alone."""
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    for name in ("RIG_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(raw_disk())
    return path


@pytest.fixture
def said() -> list[str]:
    """What a call said: hand `said.append` as `say`."""
    return []


Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class Web:
    """A server of one file. `answers` are used up one a request, before it serves well."""

    url: str
    content: bytes
    etag: str = '"one"'
    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)


def serve_well(handler: BaseHTTPRequestHandler, content: bytes, etag: str) -> None:
    """Answer as a good server does, ranges included."""
    wanted = handler.headers.get("Range")
    if wanted and handler.headers.get("If-Range") in (None, etag):
        begin = int(wanted.removeprefix("bytes=").partition("-")[0])
        if begin >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        content = content[begin:]
    else:
        handler.send_response(200)
    if etag:
        handler.send_header("ETag", etag)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def web(raw: Path) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests.append(dict(self.headers))
            if site.answers:
                site.answers.pop(0)(self, site.content)
            else:
                serve_well(self, site.content, site.etag)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Web(f"http://127.0.0.1:{server.server_address[1]}/disk.raw", raw.read_bytes())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()
