"""Mutants: a probe whose system calls answer wrongly, one at a time. One that no case turns red shows a weak probe.

`guest-tests/mutants/PROBE.h` breaks the answers (`mutant.h` there says how). This reads which mutants a header
declares, and compiles a probe with all of its mutants in it; `mutant_runs` runs them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig import paths
from rig.errors import InputError, ManifestError
from rig.probe import zig
from rig.probe.cache import Cache, digest_of
from rig.probe.manifest import ProbeManifest
from rig.probe.sources import read_closure
from rig.probe.toolchain import _LINK, Say, Target, _Build
from rig.spec.image import GuestOS

_WORDS = r'"((?:[^"\\]|\\.)*)"'
_MUTANT = re.compile(rf"\b(MUTANT|LINUX_MUTANT|DARWIN_MUTANT)\(\s*([a-z0-9_]+)\s*,\s*((?:{_WORDS}\s*)+)\)")
_TOO = re.compile(r"\bMUTANT_TOO\(\s*([a-z0-9_]+)\s*\)")
_THROUGH = re.compile(r"^THROUGH\(([^)]*)\)", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_ONE_OS = {"LINUX_MUTANT": (GuestOS.LINUX,), "DARWIN_MUTANT": (GuestOS.DARWIN,)}


@dataclass(frozen=True)
class Mutant:
    """One broken answer."""

    probe: str
    name: str
    what: str
    """What is broken, as a sentence that the probe's cases should contradict."""
    systems: tuple[GuestOS, ...]
    """Where it means something."""
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.probe}.{self.name}"


@dataclass(frozen=True)
class MutantFile:
    """A probe's mutants."""

    manifest: ProbeManifest
    path: Path
    mutants: tuple[Mutant, ...]
    through: tuple[str, ...]
    """Files of the harness that are compiled with the broken calls, too."""

    def for_os(self, os: GuestOS) -> tuple[Mutant, ...]:
        """The mutants that mean something there."""
        return tuple(mutant for mutant in self.mutants if os in mutant.systems)


def mutants_dir() -> Path:
    """The mutants that ship with the rig: a header for each probe."""
    return paths.data_root() / "guest-tests" / "mutants"


def load_mutants(manifests: Iterable[ProbeManifest], root: Path | None = None) -> list[MutantFile]:
    """The mutants of those of the probes that have any. Raises `ManifestError` with the faults of all files at once."""
    root = mutants_dir() if root is None else root
    found: list[MutantFile] = []
    faults: list[str] = []
    for manifest in manifests:
        path = root / f"{manifest.probe}.h"
        if not path.is_file():
            continue
        try:
            found.append(_read(manifest, path))
        except ManifestError as fault:
            faults.append(fault.message)
    if faults:
        raise ManifestError("\n".join(faults))
    return found


def choose(files: Sequence[MutantFile], names: Iterable[str]) -> dict[str, frozenset[str]]:
    """Of each probe named (or the probe of each `probe.mutant` named), which mutants are meant; all for no names.

    Raises `InputError` for a name that is neither.
    """
    every = {file.manifest.probe: frozenset(mutant.name for mutant in file.mutants) for file in files}
    mechanisms = {file.manifest.mechanism for file in files}
    chosen: dict[str, frozenset[str]] = {}
    for name in names:
        probe, _, mutant = name.partition(".")
        if name in mechanisms:
            chosen |= {
                file.manifest.probe: every[file.manifest.probe] for file in files if file.manifest.mechanism == name
            }
        elif probe in every and not mutant:
            chosen[probe] = every[probe]
        elif mutant in every.get(probe, ()):
            chosen[probe] = chosen.get(probe, frozenset()) | {mutant}
        else:
            known = ", ".join(sorted(every[probe] if mutant and probe in every else every))
            raise InputError(f"no mutant or probe with mutants is called {name!r}", hint=f"There are: {known}.")
    return chosen or every


def build_mutants(
    files: Sequence[MutantFile],
    target: Target,
    say: Say = lambda _: None,
    *,
    harness: Path | None = None,
    cache: Cache | None = None,
    calls: zig.Calls | None = None,
) -> dict[str, Path]:
    """Compile each probe with its mutants; executables by the probe's name. Raises what `toolchain.build` raises."""
    build = _MutantBuild(target, say, harness or paths.harness_dir(), cache or Cache(), calls or zig.Calls())
    build.files = {file.manifest.probe: file for file in files}
    return build.run([file.manifest for file in files])


class _MutantBuild(_Build):
    """As any build, but for the header that comes before each of the probe's files and before some of the harness's."""

    files: dict[str, MutantFile]

    def probe_digest(self, manifest: ProbeManifest) -> str:
        file = self.files[manifest.probe]
        content = read_closure([file.path], [self.harness])
        parts = [super().probe_digest(manifest).encode(), " ".join(file.through).encode()]
        return digest_of([b"mutants", *parts, *(content[path] for path in sorted(content))])

    def executable(self, manifest: ProbeManifest, digest: str, objects: Sequence[Path]) -> None:
        file = self.files[manifest.probe]
        rebuilt = [str(self.harness.absolute() / name) for name in file.through]
        kept = [str(path) for path in objects if f"{path.stem}.c" not in file.through]

        def fill(into: Path) -> None:
            given = ["-o", str(into / manifest.executable), "-include", str(file.path.absolute())]
            arguments = [*_LINK[self.target.os], *given, *manifest.sources, *rebuilt, *kept]
            self.zig_cc(*arguments, cwd=manifest.path.parent.absolute())

        self.cache.publish("bin", digest, fill)


def _read(manifest: ProbeManifest, path: Path) -> MutantFile:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as fault:
        raise ManifestError(f"{path}: {fault}") from fault
    text = _COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment[0]), text)
    everywhere = (manifest.only.os,) if manifest.only else tuple(GuestOS)
    mutants: dict[str, Mutant] = {}
    for match in _MUTANT.finditer(text):
        macro, name, words = match[1], match[2], match[3]
        line = text.count("\n", 0, match.start()) + 1
        what = "".join(found[1] for found in re.finditer(_WORDS, words)).replace('\\"', '"')
        if name in mutants:
            raise ManifestError(f"{path}:{line}: a second mutant {name!r}: say MUTANT_TOO({name}) there")
        mutants[name] = Mutant(manifest.probe, name, what, _ONE_OS.get(macro, everywhere), path, line)
    through = tuple(re.findall(r'"([^"]+)"', " ".join(match[1] for match in _THROUGH.finditer(text))))
    if not mutants:
        raise ManifestError(f'{path}: no MUTANT(name, "what it breaks") in it')
    if unknown := sorted({match[1] for match in _TOO.finditer(text)} - mutants.keys()):
        raise ManifestError(f"{path}: MUTANT_TOO of no mutant: {', '.join(unknown)}")
    if absent := [name for name in through if not (paths.harness_dir() / name).is_file()]:
        raise ManifestError(f"{path}: THROUGH names what the harness does not have: {', '.join(absent)}")
    return MutantFile(manifest, path, tuple(mutants.values()), through)
