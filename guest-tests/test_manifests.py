"""Each probe's C and its manifest say the same, without compiling anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rig.probe import manifest, sources
from rig.probe.expect import Expected
from rig.spec import GuestOS

PROBES = Path(__file__).parent / "probes"
MANIFESTS = sorted(PROBES.glob("*/*.yaml"))


def declared(spec: manifest.ProbeManifest) -> dict[str, str]:
    """Options of each CASE() by its name, in the order in which the probe runs them."""
    found = {}
    for path in spec.source_paths:
        for match in re.finditer(r"^CASE\(\s*([a-z0-9_]+)((?:[^()]|\([^()]*\))*)\)", path.read_text(), re.MULTILINE):
            assert match[1] not in found, f"{path}: CASE({match[1]}) twice"
            found[match[1]] = match[2]
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_cases_and_their_order(path: Path) -> None:
    spec = manifest.load_manifest(path)
    assert list(spec.cases) == list(declared(spec))
    assert sources.declared(spec) == (spec.probe, spec.version)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_deadlines_agree(path: Path) -> None:
    spec = manifest.load_manifest(path)
    for name, options in declared(spec).items():
        given = re.search(r"\.deadline\s*=\s*([0-9.]+)", options)
        assert spec.cases[name].deadline == (float(given[1]) if given else 10), name


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_one_sided_cases_are_expected_so(path: Path) -> None:
    spec = manifest.load_manifest(path)
    for name, options in declared(spec).items():
        case, never = spec.cases[name], {Expected.UNSUPPORTED}
        assert (".linux_only" in options) <= (case.expectation(GuestOS.DARWIN).values == never), name
        assert (".darwin_only" in options) <= (case.expectation(GuestOS.LINUX).values == never), name


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_no_file_is_forgotten_or_too_long(path: Path) -> None:
    assert sources.unclaimed([manifest.load_manifest(path)]) == []
    for source in path.parent.glob("*.[ch]"):
        assert len(source.read_text(encoding="ascii").splitlines()) <= 400, source
