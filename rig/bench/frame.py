"""What every bench shares: where it works, what it finds, and how that is kept.

A bench is a function of a `Bed`; `rig.bench.main.BENCHES` names them.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rig.errors import HostError, InputError
from rig.guest import Guest, GuestOptions, boot_guest
from rig.image.catalogue import Catalogue
from rig.image.store import Store
from rig.paths import ensure

Say = Callable[[str], None]


@dataclass(frozen=True)
class Bed:
    """Where a bench works: `directory` is its own and stays; `rounds` is how often it repeats what it measures."""

    directory: Path
    rounds: int
    say: Say
    image: str = "reference"

    def boot(self, **options: Any) -> Guest:
        """A guest of this bench's image; options as those of `GuestOptions`. Close it."""
        stored = Store().ensure(Catalogue.load().get(self.image), self.say)
        self.say(f"booting {self.image}")
        return boot_guest(stored, GuestOptions(logs=self.directory / "guest", **options))

    def keep(self, name: str, text: str) -> None:
        """Put raw output beside the results."""
        try:
            (ensure(self.directory) / name).write_text(text, encoding="utf-8")
        except OSError as fault:
            raise HostError(f"{self.directory / name}: {fault.strerror}") from fault


@dataclass(frozen=True)
class Target:
    """What was aimed at and what came of it."""

    what: str
    limit: str
    """In words, for example `at most 0.15 s`."""
    measured: str
    met: bool
    why: str = ""
    """Where it was missed: by how much, what the time goes into, what was tried."""


@dataclass(frozen=True)
class Series:
    """Points of one line or one group of bars: x (a number, or a name), y, and the least and greatest where known."""

    name: str
    points: tuple[tuple[float | str, float, float | None, float | None], ...]


@dataclass(frozen=True)
class Plot:
    """One picture of a finding. Numbers as x make lines, names make bars."""

    title: str
    x: str
    """Label of the axis."""
    y: str
    series: tuple[Series, ...]
    log_y: bool = False


@dataclass
class Finding:
    """What a bench found: a table for people, `data` for machines (numbers and text only), notes that explain."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)


@dataclass(frozen=True)
class Bench:
    """One bench by name."""

    name: str
    summary: str
    run: Callable[[Bed], Finding]
    by_name_only: bool = False
    """Too long to be part of a call that names none."""


def chosen(benches: tuple[Bench, ...], names: list[str]) -> tuple[Bench, ...]:
    """Those with these names, in their own order; for no names all but the long ones.

    Raises `InputError` for an unknown one.
    """
    known = [bench.name for bench in benches]
    for name in names:
        if name not in known:
            raise InputError(f"there is no bench {name!r}", hint=f"There are: {', '.join(known)}.")
    return tuple(one for one in benches if (one.name in names if names else not one.by_name_only))


def host_facts() -> dict[str, Any]:
    """Of this machine, now: what a number cannot be judged without."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "processors": os.cpu_count() or 0,
        "load": round(os.getloadavg()[0], 2),
    }


def record(findings: dict[str, Finding], host: dict[str, Any]) -> str:
    """The JSON document of a whole call."""
    document = {"version": 1, "host": host, "benches": {name: asdict(found) for name, found in findings.items()}}
    return json.dumps(document, indent=1) + "\n"


def write(path: Path, text: str) -> None:
    """Write a result file. Raises `HostError`."""
    try:
        ensure(path.absolute().parent)
        path.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise HostError(f"{path}: {fault.strerror}") from fault
