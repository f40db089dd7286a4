"""Launches on a disk of nothing, a QEMU that is a script, and a QMP server that does as it is told."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rig.machine import Launch
from rig.machine.process import qemu_version
from rig.spec import MachineSpec

PATIENCE = 60.0
"""Seconds after which a test gives up; nothing is expected to take them."""
GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name, as pytest's own may not."""
    path = Path(tempfile.mkdtemp(prefix="rig-t-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def launch(place: Path) -> Callable[..., Launch]:
    """Make a launch whose files all lie in `place`; keywords are Launch's own, but for those of the spec."""

    def make(*, spec: dict[str, Any] | None = None, **rest: Any) -> Launch:
        given = {"disk": place / "disk.qcow2", "directory": place / "run", "logs": place / "logs"} | rest
        (place / "run").mkdir(exist_ok=True)
        return Launch(spec=MachineSpec(**({"memory": 64} | (spec or {}))), **given)

    return make


@pytest.fixture
def disk(place: Path) -> Path:
    """A disk that nothing boots from."""
    path = place / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"], check=True)
    return path


FakeQemu = Callable[..., Path]


@pytest.fixture
def fake_qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeQemu]:
    """Put a script of the name qemu-system-x86_64 before all others on the PATH."""

    def make(body: str, version: str = "echo 'QEMU emulator version 7.2.22 (Debian)'") -> Path:
        home = tmp_path / "bin"
        home.mkdir(exist_ok=True)
        path = home / "qemu-system-x86_64"
        path.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then\n{version}\nexit\nfi\n{body}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")
        qemu_version.cache_clear()
        return path

    yield make
    qemu_version.cache_clear()


SPEAKS_QMP = f"""exec {sys.executable} -IS - "$@" <<'EOF'
import json, re, socket, sys, time
fd = int(re.search(r"id=qmp,fd=(\\d+)", " ".join(sys.argv))[1])
monitor = socket.socket(fileno=fd)
def say(what):
    monitor.sendall(json.dumps(what).encode() + b"\\n")
say({GREETING!r})
print("fake: warning: no such CPU feature", flush=True)
waiting = ""
while data := monitor.recv(4096).decode():
    waiting += data
    try:
        asked, end = json.JSONDecoder().raw_decode(waiting)
    except ValueError:
        continue
    waiting = waiting[end:]
    if asked["execute"] == "quit" and not @DEAF@:
        sys.exit(0)
    if asked["execute"] != "quit":
        say({{"return": {{}}}} | ({{"id": asked["id"]}} if "id" in asked else {{}}))
time.sleep(1000)
EOF
"""
"""The body of a fake QEMU that greets, answers every command, and quits when asked to (unless it is deaf)."""


def gone(pid: int) -> bool:
    """Wait until a process has ended; whether it did."""
    with contextlib.suppress(psutil.NoSuchProcess):
        one = psutil.Process(pid)
        psutil.wait_procs([one], timeout=PATIENCE)
        return not one.is_running() or one.status() == psutil.STATUS_ZOMBIE
    return True


def absent(path: Path) -> bool:
    """Wait until nothing is at a path; whether that came."""
    step = threading.Event()
    for _ in range(int(PATIENCE * 100)):
        if not path.exists():
            return True
        step.wait(0.01)
    return False


class FakeQmp:
    """A QMP server on one end of a socket pair. `answers` maps a command to its answer, or to bytes sent as they are.

    A command without an answer gets none.
    """

    def __init__(self, greeting: bytes | None = None, **answers: Any) -> None:
        self.client, self._server = socket.socketpair()
        self.asked: list[dict[str, Any]] = []
        self._answers = {"qmp_capabilities": {"return": {}}} | answers
        self._greeting = json.dumps(GREETING).encode() + b"\n" if greeting is None else greeting
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            self._server.sendall(self._greeting)
            waiting = ""
            while data := self._server.recv(4096).decode():
                waiting += data
                try:
                    asked, end = json.JSONDecoder().raw_decode(waiting)  # QMP's client sends no newlines
                except ValueError:
                    continue
                waiting = waiting[end:]
                self._answer(asked)

    def _answer(self, asked: dict[str, Any]) -> None:
        self.asked.append(asked)
        answer = self._answers.get(asked["execute"])
        if isinstance(answer, bytes):
            self._server.sendall(answer)
        elif answer is not None:
            self.say(answer | ({"id": asked["id"]} if "id" in asked else {}))

    def say(self, what: dict[str, Any]) -> None:
        """Send one message, such as an event."""
        self._server.sendall(json.dumps(what).encode() + b"\n")

    def die(self) -> None:
        """Close the connection, as an ending QEMU does."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.die()
        self._thread.join(PATIENCE)
        self._server.close()
        self.client.close()
