"""`rig` as a user calls it, in this process."""

from __future__ import annotations

import signal
from dataclasses import dataclass

import pytest

from rig.cli import main


@dataclass
class Answer:
    code: int
    out: str
    err: str


class Rig:
    """`rig ARGUMENTS`, with its exit code and both of its streams."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capfd, self._monkeypatch = capfd, monkeypatch

    def __call__(self, *args: object) -> Answer:
        self._monkeypatch.setattr("sys.argv", ["rig", *map(str, args)])
        self._capfd.readouterr()
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        code = 0
        try:
            main.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return Answer(code, *self._capfd.readouterr())
