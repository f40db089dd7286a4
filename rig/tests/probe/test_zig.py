"""Calls of the compiler: what their ends mean. The compiler is a script."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rig.errors import HostError, ToolchainError
from rig.probe import zig


def test_a_missing_compiler_is_told_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    zig.version.cache_clear()
    try:
        with pytest.raises(HostError, match="ziglang") as caught:
            zig.version()
    finally:
        zig.version.cache_clear()
    assert caught.value.hint == "pip install ziglang"


class FakeZig:
    """A compiler that says what it is told, call by call; the last words again and again."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self._script = place / "zig"
        monkeypatch.setattr(zig, "binary", lambda: self._script)

    def says(self, *scripts: str) -> None:
        cases = "\n".join(f"{number}) {script} ;;" for number, script in enumerate(scripts[:-1], 1))
        counted = f"echo >>{self.place}/calls\nn=$(wc -l <{self.place}/calls)"
        self._script.write_text(f"#!/bin/sh\n{counted}\ncase $n in\n{cases}\n*) {scripts[-1]} ;;\nesac\n")
        self._script.chmod(0o755)

    @property
    def called(self) -> int:
        return len((self.place / "calls").read_bytes())

    def compile(self) -> None:
        zig.compile_c([], cwd=self.place, cache=self.place / "cache")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeZig:
    return FakeZig(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("script", "error", "words", "called"),
    [
        ("kill -9 $$", HostError, "signal 9", 1),
        ("exit 1", ToolchainError, "saying nothing", 1),
        ("seq 1000; exit 1", ToolchainError, "and 940 lines more", 1),
        ("echo \"/a.c:1:2: error: use of undeclared identifier 'NoRoom'\"; exit 1", ToolchainError, "NoRoom", 1),
        ("echo 'error: undefined symbol: _nowhere'; exit 1", ToolchainError, "_nowhere", 1),
        ("echo 'error: undefined symbol: Nowhere'; exit 1", ToolchainError, "Nowhere", 1),
        ("echo 'error: NoSpaceLeft'; exit 1", ToolchainError, "^error: NoSpaceLeft$", 2),
        ("echo 'error: unable to open it: FileNotFound'; exit 1", ToolchainError, "FileNotFound", 2),
    ],
)
def test_what_the_compiler_ends_with_is_told_in_words(
    fake: FakeZig, script: str, error: type[Exception], words: str, called: int
) -> None:
    fake.says(script)
    with pytest.raises(error, match=words):
        fake.compile()
    assert fake.called == called


@pytest.mark.parametrize("words", ["error: NoSpaceLeft", "LLVM ERROR: IO failure: No space left on device"])
def test_a_fault_of_the_compilers_own_that_does_not_come_twice(fake: FakeZig, words: str) -> None:
    fake.says(f"echo '{words}'; exit 1", "exit 0")
    fake.compile()
    assert fake.called == 2


def test_what_the_second_call_says_counts(fake: FakeZig) -> None:
    fake.says("echo 'error: NoSpaceLeft'; exit 1", "echo 'a.c:1:1: error: expected expression'; exit 1")
    with pytest.raises(ToolchainError, match="expected expression"):
        fake.compile()


@pytest.mark.parametrize("left", [{"f_bavail": 10}, {"f_favail": 0}])
def test_a_disk_is_blamed_when_it_is_full(fake: FakeZig, monkeypatch: pytest.MonkeyPatch, left: dict[str, int]) -> None:
    room = {"f_bavail": 1 << 40, "f_frsize": 4096, "f_files": 1 << 20, "f_favail": 1 << 20}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**room | left))
    fake.says("echo 'error: NoSpaceLeft'; exit 1")
    with pytest.raises(HostError, match=r"the disk that holds .*/cache is full"):
        fake.compile()
    assert fake.called == 1


def test_a_disk_that_counts_no_files_is_not_full(fake: FakeZig, monkeypatch: pytest.MonkeyPatch) -> None:
    room = {"f_bavail": 1 << 40, "f_frsize": 4096, "f_files": 0, "f_favail": 0}
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(**room))
    fake.says("echo 'error: NoSpaceLeft'; exit 1")
    with pytest.raises(ToolchainError, match="NoSpaceLeft"):
        fake.compile()


def test_a_call_that_was_stopped_is_not_made_again(fake: FakeZig) -> None:
    calls = zig.Calls()
    fake.says("echo 'error: NoSpaceLeft'; exit 1")
    real = calls.run

    def stopped_meanwhile(*words: Any, **more: Any) -> Any:
        answer = real(*words, **more)
        with pytest.raises(KeyboardInterrupt), calls.stopped_on_error():
            raise KeyboardInterrupt
        return answer

    calls.run = stopped_meanwhile  # type: ignore[method-assign]
    with pytest.raises(HostError, match="stopped"):
        zig.compile_c([], cwd=fake.place, cache=fake.place, calls=calls)
    assert fake.called == 1
