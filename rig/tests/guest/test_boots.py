"""Every script of fixtures/boots, booted by QEMU with its profile: the stage, the name, the evidence it comes to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import pytest

from rig.console import ConsoleShell
from rig.deadline import Deadline
from rig.errors import Evidence, GuestError, RigError
from rig.events import Event, Events
from rig.guest import Guest, boot_guest
from rig.guest.transport import RunResult, Transport
from rig.spec import ImageSpec
from rig.tests.fakeguest.disk import Bench
from rig.tests.fakeguest.expected import Expected
from rig.tests.fakeguest.script import BOOTS

SCRIPTS = sorted(path.stem for path in BOOTS.glob("*.yaml"))
ANSWER_SECONDS = 60.0
"""For all commands of one guest."""


class Booted:
    """A script booted with the console alone."""

    def __init__(self, place: Path, name: str) -> None:
        self.events: list[Event] = []
        bench, events = Bench(place), Events()
        script = bench.script(name)
        assert script.expect is not None, f"{name}: a script of fixtures/boots says what it must come to"
        self.expected = script.expect
        self.stored = bench.stored(script)
        events.listen(self.events.append)
        self.guest: Guest | None = None
        self.fault: GuestError | None = None
        self.began = Deadline.after(1e9)
        try:
            self.guest = boot_guest(self.stored, bench.options(console_only=True), events)
        except GuestError as fault:
            self.fault = fault
        self.seconds = self.began.elapsed

    @property
    def stages(self) -> tuple[str, ...]:
        return tuple(event.data["stage"] for event in self.events if event.name == "boot.stage")


def longest(spec: ImageSpec) -> float:
    """Seconds that a boot by this profile may take at most: its stages' deadlines, and a silence at the end."""
    return sum(stage.deadline for stage in spec.boot.stages) + spec.boot.silence


@pytest.mark.qemu
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_boot_comes_to_what_its_script_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    booted = Booted(tmp_path, name)
    expected, fault = booted.expected, booted.fault
    if booted.guest is not None:
        with booted.guest as guest:
            assert expected.ends == "ready", f"it is ready: {guest.console.tail()}"
            fault = life_and_death(guest, expected, monkeypatch)
    else:
        assert fault is not None and type(fault).__name__ == expected.ends, fault
    assert booted.stages == expected.stages
    assert booted.seconds < longest(booted.stored.spec)
    assert (fault is None) == (expected.message is None)
    if fault is not None and expected.message is not None:
        assert re.search(expected.message, fault.message), fault.message
        judge(fault.evidence, expected)


def life_and_death(guest: Guest, expected: Expected, monkeypatch: pytest.MonkeyPatch) -> GuestError | None:
    """Talk to a guest that is ready; how it died, where it is to die."""
    shell, deadline = guest.shell(), guest.deadline(ANSWER_SECONDS)
    shell.log_in(deadline)
    for command, printed in expected.answers.items():
        assert shell.ask(command, deadline).output == printed
    if expected.dies_of is None:
        return None
    monkeypatch.setattr("rig.guest.guest._PING_SECONDS", 0.5)
    guest.transport = cast(Transport, Typed(shell))
    with pytest.raises(GuestError) as caught:
        guest.run(expected.dies_of, seconds=1)
    assert type(caught.value).__name__ == expected.death
    return caught.value


class Typed:
    """Commands typed at the console's shell, as they are: as much of a transport as is needed here."""

    def __init__(self, shell: ConsoleShell) -> None:
        self._shell = shell

    def run(self, command: str, deadline: Deadline, **_: Any) -> RunResult:
        answer = self._shell.run(command, deadline)
        return RunResult(answer.status, answer.output.encode(), b"", 0.0)

    def close(self) -> None:
        """Nothing to let go of."""

    def ping(self, deadline: Deadline, **_: Any) -> bool:
        try:
            return self.run(":", deadline).ok
        except RigError:
            return False


def judge(evidence: Evidence, expected: Expected) -> None:
    for pattern in expected.console:
        assert re.search(pattern, evidence.console), evidence.console
    assert evidence.registers and evidence.screenshot is not None and evidence.screenshot.exists()
    panic = evidence.panic or {}
    assert {key: panic.get(key) for key in expected.panic} == expected.panic
    if expected.panic:
        assert evidence.reason
