"""Guests and probes that are not there: each case of a fake probe behaves as it is told.

`install` puts them where the rig would boot QEMU and call the compiler, in this process and, from a conftest, in the
workers of xdist.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rig.console.panics import Panic
from rig.errors import (
    BootError,
    Evidence,
    GuestDied,
    GuestError,
    HangError,
    PanicError,
    TransportError,
    TransportTimeout,
)
from rig.guest import RunResult, StageTime
from rig.probe.manifest import ProbeManifest, load_manifest
from rig.spec import Accel, Clock, GuestOS
from rig.tests.guest.fakes import make_spec

Say = Callable[[bytes], None]
PANIC = Panic("linux", message="delayed", process="sample", cpu=0).plain()
EVIDENCE = Evidence(console="the last words", registers="RIP=0", command=("qemu",), panic=PANIC)


def line(kind: str, /, **fields: Any) -> bytes:
    return json.dumps({"t": kind, **fields}).encode() + b"\n"


def hello(cases: Sequence[str], probe: str = "sample", version: str = "1") -> bytes:
    return line(
        "hello", proto=1, probe=probe, version=version, os="Linux", release="6.1", machine="x86_64", kernel="#1", pid=7,
        clock="clock_gettime", tick_ns=1.0, clock_cost_ns=20.0, page=4096, limits={}, cases=list(cases),
    )  # fmt: skip


def write_manifest(place: Path, cases: Sequence[str], probe: str = "sample", **changes: Any) -> ProbeManifest:
    """A manifest in a directory of its own, expecting a pass of every case."""
    entry = {"what": "what it does", "source": "POSIX", "expect": {"linux": "pass", "darwin": "pass"}, "deadline": 1}
    plain: dict[str, Any] = {
        "probe": probe,
        "version": 1,
        "mechanism": "pipes",
        "summary": "a sample",
        "sources": [f"{probe}.c"],
        "cases": {name: entry | changes.pop(name, {}) for name in cases},
    }
    directory = place / probe
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{probe}.c").write_text("int main(void) { return 0; }\n")
    path = directory / f"{probe}.yaml"
    path.write_text(yaml.safe_dump(plain | changes, sort_keys=False))
    return load_manifest(path)


@dataclass
class World:
    """What the fake probes and guests do, and what was done with them.

    `behaviours` says what a case does, by its name: pass (without an entry), fail, unsupported, crash (the probe's
    process ends), panic, died, hang, timeout, reset (the connection), hole (no word of it), open (no end of it),
    rubbish (odd lines before it), worker (this very process ends, the first time), `first` and one of these: so the
    first time, a pass from then on; `second` and one: the reverse. One of these and `after a+b`, or `without a+b`: so
    where those cases ran in the same guest before, or did not, else a pass.
    """

    behaviours: dict[str, str] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=dict)
    """The probe's own order of cases, by probe; without an entry the one of the manifests."""
    has: dict[str, list[str]] = field(default_factory=dict)
    """Cases that a probe has, where it is not what it is asked for."""
    mute: tuple[str, ...] = ()
    """Probes that print nothing."""
    late: str = ""
    """What comes after the last case: a behaviour of `behaviours`, or `exit` for a bad status after the goodbye."""
    leaks: int = 0
    dies_idle: tuple[str, ...] = ()
    """Probes after whose end their guest panics."""
    boots: list[str] = field(default_factory=list)
    """Of each boot in order: ok or fails; ok without an entry."""
    warm: bool = False
    """Whether guests are restored from a template."""
    booted: int = 0
    starts: list[tuple[str, list[str]]] = field(default_factory=list)
    guests: list[FakeGuest] = field(default_factory=list)

    def boot(self, stored: Any, options: Any, events: Any, *, layers: Any = ()) -> FakeGuest:
        """Stands for `ready_guest`."""
        word = self.boots[self.booted] if self.booted < len(self.boots) else "ok"
        self.booted += 1
        events.emit("accel.chosen", accel="tcg", reason="asked for", trial=False)
        events.emit("boot.stage", stage="login", seconds=1.0, took=1.0, seen=True)
        if word != "ok":
            raise BootError("boot stage 'kernel' was not reached in 25 s", evidence=EVIDENCE)
        guest = FakeGuest(self, stored, options)
        for layer in layers:
            layer.apply(guest)
        self.guests.append(guest)
        return guest


class FakeGuest:
    """As much of a guest as the runner uses."""

    def __init__(self, world: World, stored: Any, options: Any) -> None:
        self.world = world
        self.stored = stored
        self.options = options
        self.os = GuestOS.LINUX
        self.factor = 1.0
        self.accel, self.accel_reason = Accel.TCG, "asked for"
        self.stages = [StageTime("login", 1.0, 1.0)]
        self.template: str | None = "a template" if world.warm else None
        self.lost: GuestError | None = None
        self.dead: GuestError | None = None
        self.closed = False
        self.pushed: list[str] = []
        self.ran: set[str] = set()
        """Cases, by their names."""
        spec = SimpleNamespace(cpus=1, memory=256)
        logs = options.logs
        launch = SimpleNamespace(
            spec=spec, clock=Clock.WALL, console_log=logs / "console.log", qemu_log=logs / "qemu.log"
        )
        process = SimpleNamespace(alive=True, argv=["qemu"], how_it_ended="killed by SIGKILL")
        self.machine = SimpleNamespace(launch=launch, process=process, qemu_version="7.2.0")
        self.console = SimpleNamespace(watch=SimpleNamespace(bytes_seen=0), tail=lambda _: "the last words")

    @property
    def alive(self) -> bool:
        return self.dead is None

    def death(self) -> GuestError | None:
        self.lost = self.dead
        return self.dead

    def evidence(self) -> Evidence:
        return EVIDENCE

    def close(self) -> None:
        self.closed = True

    def push(self, source: Path, destination: str) -> None:
        if self.dead is not None:
            raise self.dead
        self.pushed += [f"{destination}/{path.name}" for path in sorted(source.iterdir())]

    def run(self, command: str, *, seconds: float = 60, idle: float | None = None, on_output: Say | None = None) -> Any:
        if self.dead is not None:
            raise self.dead
        found = re.search(r"/(\w+) (?:--only (\S+)|--list)", command)
        if found is None:
            return RunResult(0, b"guest says: " + command.encode(), b"", 0.0)
        probe, only = found[1], found[2]
        if only is None:
            return RunResult(0, "\n".join(self.world.has.get(probe, [])).encode(), b"", 0.0)
        assert on_output is not None
        names = only.split(",")
        self.world.starts.append((probe, names))
        status, words = self._probe(probe, names, on_output)
        if probe in self.world.dies_idle:
            self.dead = PanicError("the guest's kernel panicked: delayed", evidence=EVIDENCE)
        return RunResult(status, b"", words, 0.0)

    def _probe(self, probe: str, names: list[str], say: Say) -> tuple[int, bytes]:
        world = self.world
        if probe in world.mute:
            return 134, b"dyld: Symbol not found"
        strangers = [name for name in names if probe in world.has and name not in world.has[probe]]
        if strangers:
            return 64, f"no case {strangers[0]}".encode()
        ordered = sorted(names, key=world.order.get(probe, names).index)
        say(hello(ordered, probe))
        for name in ordered:
            status = self._case(name, world.behaviours.get(name, "pass"), say)
            if status is not None:
                return status, b"it crashed"
        for number in range(world.leaks):
            say(line("leak", kind="file", what=f"/tmp/left{number}"))
        if world.late and world.late != "exit":
            self._end(world.late)
            return 139, b"late"
        say(line("goodbye", cases=len(ordered)))
        return (1, b"after all") if world.late == "exit" else (0, b"")

    def _case(self, name: str, behaviour: str, say: Say) -> int | None:
        """The probe's status where it ends here."""
        if behaviour == "hole":
            return None
        if behaviour == "rubbish":
            say(b"malloc: noise\n{half\n")
        if behaviour != "before":
            say(line("start", case=name))
        if behaviour == "worker":
            crashed = Path(os.environ["RIG_HOME"]) / f"crashed-{name}"
            if not crashed.exists():
                crashed.touch()
                os._exit(1)
        behaviour = self._now(name, behaviour)
        if behaviour in {"pass", "fail", "unsupported", "rubbish", "worker"}:
            outcome = "pass" if behaviour in {"rubbish", "worker"} else behaviour
            if outcome == "fail":
                say(line("check", case=name, ok=False, what="write", got="EPIPE", want="EBADF", at="sample.c:1"))
            reason = "" if outcome == "pass" else f"{outcome} it did"
            say(line("end", case=name, outcome=outcome, reason=reason, checks=1, ms=1.0))
            return None
        if behaviour == "open":
            return None
        self._end(behaviour)
        return 139

    def _now(self, name: str, behaviour: str) -> str:
        """A behaviour that depends on what was before, as it is now."""
        ill, _, condition = behaviour.partition(" ")
        ran, self.ran = self.ran, {*self.ran, name}
        match condition.split():
            case ["after", cases]:
                return ill if set(cases.split("+")) <= ran else "pass"
            case ["without", cases]:
                return "pass" if set(cases.split("+")) <= ran else ill
            case [_] if ill in {"first", "second"}:
                marked = Path(os.environ["RIG_HOME"]) / f"tried-{name}"
                again = marked.exists()
                marked.touch()
                return condition if again == (ill == "second") else "pass"
        return behaviour

    def _end(self, behaviour: str) -> None:
        if behaviour == "timeout":
            raise TransportTimeout("'sample' said nothing for 200 s")
        if behaviour == "reset":
            raise TransportError("the SSH connection broke")
        if behaviour in {"panic", "died", "hang", "before"}:
            kinds = {"panic": PanicError, "died": GuestDied, "hang": HangError, "before": PanicError}
            words = {"panic": "the guest's kernel panicked: test", "died": "QEMU ended: killed by SIGKILL"}
            self.dead = kinds[behaviour](words.get(behaviour, "the guest no longer answers"), evidence=EVIDENCE)
            raise self.dead


@dataclass
class FakeStored:
    """An image of the store."""

    spec: Any
    digest: str = "0" * 64
    key: Path | None = None


class FakeStore:
    """Has every image."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def ensure(self, spec: Any, say: Any = None) -> FakeStored:
        return FakeStored(spec)


def build(manifests: Sequence[ProbeManifest], *_: Any) -> dict[str, Path]:
    """Every probe compiles, to its own source."""
    return {manifest.probe: manifest.source_paths[0] for manifest in manifests}


class installed:  # noqa: N801  (it is called as a function is)
    """A context manager: the rig with this world's guests, until the block is left.

    Not made of a generator: one that is never left (a pytest within a test may end so) would put back what it found
    whenever it is collected, long behind the test.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> World:
        INSTALLED.append(self._world)

        def boot(*args: Any, **kwargs: Any) -> FakeGuest:
            """By what `boot` the world has now: a test may put another there.

            No test may patch the rig's own name instead: what was here would be put back in the order of the fixtures,
            perhaps behind this, and the fakes left to the tests of other modules.
            """
            return self._world.boot(*args, **kwargs)

        self._patch.setattr("rig.run.making.ready_guest", boot)
        for module in ("rig.run.worker", "rig.run.front"):
            self._patch.setattr(f"{module}.Store", FakeStore)
            self._patch.setattr(f"{module}.build", build)
        return self._world

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


STORED = FakeStored(make_spec())
INSTALLED: list[World] = []
"""Every world of this process, the latest last."""
