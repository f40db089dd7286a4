"""The probes that ship with the rig: they read, compile for both systems, agree with their manifests, and will load."""

from __future__ import annotations

import pytest

from rig.probe import libsystem
from rig.probe.agent import EXECUTABLE, build_agent
from rig.probe.checkup import Checkup, build_all, checkup
from rig.probe.manifest import ProbeManifest, load_manifests
from rig.probe.toolchain import Target


@pytest.fixture(scope="module")
def manifests() -> list[ProbeManifest]:
    return load_manifests()


@pytest.fixture(scope="module")
def found(manifests: list[ProbeManifest]) -> Checkup:
    fixture = libsystem.load_fixture()
    symbols = libsystem.Symbols.recorded(fixture, str(libsystem.fixture_path()))
    built = build_all(manifests, Target, print)
    for target, executables in built.items():
        executables[EXECUTABLE] = build_agent(target.os, print)
    return checkup(manifests, built, symbols)


def test_no_fault_is_known_of_them(found: Checkup) -> None:
    assert "\n".join(found.faults) == ""


def test_the_fixture_holds_what_they_import_and_no_more(found: Checkup) -> None:
    fixture = libsystem.load_fixture()
    recorded = fixture.symbols.keys() | fixture.assumed.keys() | fixture.absent.keys()
    assert recorded - found.imports == set(), "drop them: rig probes check --update-fixture"


def test_the_fixture_knows_both_recorded_systems() -> None:
    fixture = libsystem.load_fixture()
    assert fixture.reference == "darwin-17"
    assert fixture.lists["darwin-17"].exports > fixture.lists["darwin-20-fork"].exports > 1000


def test_each_case_says_where_it_stands(manifests: list[ProbeManifest]) -> None:
    from rig.probe.sources import case_places

    nowhere = [f"{m.probe}.{case}" for m in manifests for case in m.cases.keys() - case_places(m).keys()]
    assert nowhere == []
