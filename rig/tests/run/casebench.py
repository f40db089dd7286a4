"""A runner of cases over fake guests, asked for each case as pytest asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.probe.manifest import ProbeManifest
from rig.result import GuestRecord, Outcome
from rig.run.cases import CaseAnswer, CaseRunner
from rig.run.guests import GuestKeeper
from rig.run.settings import RunSettings
from rig.spec import Isolation
from rig.tests.run.fakes import STORED, World, write_manifest

NAMES = ["a", "b", "c", "d"]


@dataclass
class Bench:
    world: World
    manifest: ProbeManifest
    place: Path
    runner: CaseRunner
    keeper: GuestKeeper
    records: list[GuestRecord]

    def all(self, order: Sequence[str] | None = None, manifest: ProbeManifest | None = None) -> dict[str, CaseAnswer]:
        """Ask for each case as pytest does."""
        manifest = manifest or self.manifest
        order = list(order or manifest.cases)
        return {name: self.runner.run(manifest, name, order[at:]) for at, name in enumerate(order)}


def make(
    world: World,
    place: Path,
    names: Sequence[str] = NAMES,
    *,
    isolation: Isolation = Isolation.SUITE,
    **changes: Any,
) -> Bench:
    manifest = write_manifest(place, names, **changes)
    records: list[GuestRecord] = []
    stored: Any = STORED
    keeper = GuestKeeper(stored, RunSettings(isolation=isolation), place / "logs", on_guest=records.append)
    other = write_manifest(place, ["x"], "other").source_paths[0]
    runner = CaseRunner(keeper, {"sample": manifest.source_paths[0], "other": other})
    return Bench(world, manifest, place, runner, keeper, records)


def outcomes(answers: dict[str, CaseAnswer]) -> dict[str, Outcome]:
    return {name: answer.result.outcome for name, answer in answers.items()}
