"""What can be held against probes without a guest: that they agree with their manifests, that they will load."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ManifestError
from rig.probe import abi, zig
from rig.probe.libsystem import Symbols
from rig.probe.manifest import ProbeManifest, compare
from rig.probe.sources import case_places, declared, listed_names, unclaimed
from rig.probe.toolchain import Say, Target, build
from rig.spec.image import GuestOS


@dataclass(frozen=True)
class Checkup:
    """What was found."""

    reports: tuple[abi.Report, ...]
    faults: tuple[str, ...]
    """In words, each with the probe it is about. Empty: all is well."""

    @property
    def imports(self) -> frozenset[str]:
        """Every name that a Darwin probe imports."""
        return frozenset(name for report in self.reports for name in (*report.strong, *report.weak))


def build_all(manifests: Sequence[ProbeManifest], targets: Iterable[Target], say: Say) -> dict[Target, dict[str, Path]]:
    """`build` for several targets at once. Raises what `build` raises."""
    targets, calls = list(targets), zig.Calls()
    with ThreadPoolExecutor(len(targets)) as pool, calls.stopped_on_error():
        found = pool.map(lambda target: build(manifests, target, say, calls=calls), targets)
        return dict(zip(targets, found, strict=True))


def checkup(
    manifests: Sequence[ProbeManifest], built: Mapping[Target, Mapping[str, Path]], symbols: Symbols | None
) -> Checkup:
    """Look at every executable and its manifest; what has none (the agent) has an ABI all the same.

    Without `symbols` imports are not judged.
    """
    names = dict.fromkeys([manifest.probe for manifest in manifests])
    names |= dict.fromkeys(name for executables in built.values() for name in executables)
    reports = [
        abi.check(name, executables[name], target, symbols) for name in names for target, executables in built.items()
    ]
    faults = [f"{report.probe} for {report.target} {fault}" for report in reports for fault in report.faults]
    for manifest in manifests:
        faults += _disagreements(manifest, built.get(Target.LINUX, {}).get(manifest.probe))
    faults += [f"{path}: no manifest beside it names this file under `sources`" for path in unclaimed(manifests)]
    return Checkup(tuple(reports), tuple(faults))


def _disagreements(manifest: ProbeManifest, executable: Path | None) -> Iterator[str]:
    said = declared(manifest)
    if said is None:
        yield f"{manifest.probe}: no source has its PROBE({manifest.probe!r}, {manifest.version!r})"
    elif said != (manifest.probe, manifest.version):
        wanted = (manifest.probe, manifest.version)
        yield f"{manifest.path}: says {' version '.join(wanted)}, PROBE() in the C says {' version '.join(said)}"
    try:
        # Where the probe's own C cannot run, it is read instead: the same answer, unless a macro makes cases.
        runs = executable is not None and _runs_here() and manifest.made_for(GuestOS.LINUX)
        compare(manifest, listed_names(executable) if executable and runs else list(case_places(manifest)))
    except ManifestError as fault:
        yield fault.message


def _runs_here() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"
