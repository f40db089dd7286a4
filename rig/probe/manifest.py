"""The manifest beside each probe: its cases, what each means, where that is written, what each OS is expected to do.

`guest-tests/probes/<directory>/<probe>.yaml` describes the C files beside it. A manifest is read without a compiler
and without a guest, so cases can be listed, selected and reported as missing before anything runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PrivateAttr, WithJsonSchema, field_validator, model_validator

from rig import paths
from rig.errors import InputError, ManifestError, SpecError
from rig.probe.expect import Expectation, Expectations, Expected
from rig.spec.base import Spec
from rig.spec.image import GuestOS
from rig.spec.loader import parse_spec, read_spec

CaseName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=80)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
Sentence = Annotated[str, Field(min_length=1)]


class CaseKind(StrEnum):
    """functional: judged by checks. timing: gives metrics. fact: measures something that is reported, not judged."""

    FUNCTIONAL = "functional"
    TIMING = "timing"
    FACT = "fact"


class CaseSpec(Spec):
    """One case of a probe."""

    what: Sentence
    """The contract in one line, for a reader who does not have the C at hand."""
    source: Sentence
    """Where the contract is written: a text and section, another suite's test, a line of the kernel."""
    expect: Expectations | None = None
    """May be left out where the probe's `only` says it for every case: pass there, unsupported elsewhere."""
    kind: CaseKind = CaseKind.FUNCTIONAL
    deadline: Annotated[float, Field(gt=0, le=3600)] = 10
    """Seconds on ordinary hardware; the guest's factor scales it."""
    reason: str = ""
    """Why an expectation is not `pass`."""

    @model_validator(mode="after")
    def _say_why(self) -> Self:
        if self.expect is None:
            return self
        others = [os.value for os in GuestOS if self.expectation(os).values != {Expected.PASS}]
        if others and not self.reason.strip():
            raise ValueError(f"expects other than pass on {' and '.join(others)}, so `reason` must say why")
        return self

    def expectation(self, os: GuestOS) -> Expectation:
        """What this case is expected to end with on `os`, release by release."""
        assert self.expect is not None  # its probe has seen to that
        return self.expect.of(os)

    def expected(self, os: GuestOS, release: str | None = None) -> Expected:
        """The same for one release, as its kernel names it (`20.5.0`); None: not known, which counts as the newest."""
        return self.expectation(os).at(release)


class Only(Spec):
    """For a probe of something that one OS alone has: its C is compiled for that OS alone.

    For any other OS the executable has the same cases, each of which ends `unsupported` with this reason, so that none
    is silently absent there.
    """

    os: GuestOS
    reason: Sentence
    """What the other OS lacks."""


class ProbeManifest(Spec):
    """One probe: an executable with cases."""

    probe: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
    """The manifest's file stem and the executable's name."""
    version: Annotated[
        str,
        Field(pattern=r"^[0-9A-Za-z.]+$", coerce_numbers_to_str=True),
        # An editor must not underline `version: 1`.
        WithJsonSchema({"type": ["string", "number"], "pattern": r"^[0-9A-Za-z.]+$"}),
    ]
    """As in the C file's PROBE(). Raised when a change makes timings incomparable with earlier ones."""
    mechanism: Slug
    """The heading in tables, for example `pipes` or `sysv-messages`. A new word makes a new heading."""
    summary: Sentence
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """C files, relative to the manifest. The harness is always linked."""
    only: Only | None = None
    cases: Annotated[dict[CaseName, CaseSpec], Field(min_length=1)]

    _path: Path = PrivateAttr(default=Path())

    @field_validator("sources")
    @classmethod
    def _plain_c(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for source in sources:
            if Path(source).is_absolute() or not source.endswith(".c"):
                raise ValueError(f"{source!r} must be the path of a .c file, relative to the manifest")
        return sources

    @model_validator(mode="after")
    def _expect_for_all(self) -> Self:
        if self.only is None:
            if silent := [name for name, case in self.cases.items() if case.expect is None]:
                raise ValueError(f"cases without `expect`: {', '.join(silent)} (a probe with `only` may leave it out)")
            return self
        usual = Expectations.for_only(self.only.os)
        for name, case in self.cases.items():
            if case.expect is None:
                self.cases[name] = case.model_copy(update={"expect": usual, "reason": case.reason or self.only.reason})
            elif any(case.expectation(os).values != {Expected.UNSUPPORTED} for os in GuestOS if not self.made_for(os)):
                raise ValueError(f"case {name}: is for {self.only.os} alone (`only`), so unsupported elsewhere")
        return self

    def made_for(self, os: GuestOS) -> bool:
        """Whether the probe's own C is compiled for `os`; if not, its cases only say that they are unsupported."""
        return self.only is None or self.only.os is os

    def reason(self, case: str, os: GuestOS) -> str:
        """Why the expectation of a case is not a pass on `os`."""
        if self.only is not None and not self.made_for(os):
            return self.only.reason
        return self.cases[case].reason

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self._path

    @property
    def executable(self) -> str:
        """Name of the executable that is pushed and run."""
        return self.probe

    @property
    def source_paths(self) -> tuple[Path, ...]:
        """The C files."""
        return tuple(self._path.parent / source for source in self.sources)

    @property
    def timings(self) -> tuple[str, ...]:
        """Names of the timing cases."""
        return tuple(name for name, case in self.cases.items() if case.kind is CaseKind.TIMING)

    @property
    def systems(self) -> tuple[GuestOS, ...]:
        """Those on which at least one case is expected to do something."""
        idle = {Expected.UNSUPPORTED, Expected.SKIP}
        return tuple(os for os in GuestOS if any(case.expectation(os).values - idle for case in self.cases.values()))


def load_manifest(path: Path) -> ProbeManifest:
    """Read one manifest. Raises `SpecError` naming file, line and key; all faults of the file at once."""
    manifest = _parsed(read_spec(path), str(path))
    manifest._path = path
    faults = list(_faults(manifest))
    if faults:
        raise SpecError("\n".join(faults))
    return manifest


@lru_cache(maxsize=256)
def _parsed(text: str, origin: str) -> ProbeManifest:
    """Kept in this process: a run reads each manifest twice, to select and to collect, and YAML takes its time."""
    return parse_spec(ProbeManifest, text, origin)


def load_manifests(root: Path | None = None) -> list[ProbeManifest]:
    """Every manifest below `root` (default: the probes that ship with the rig), by mechanism, then by name.

    Raises `SpecError` with the faults of all files at once, `InputError` for a directory without manifests.
    """
    root = paths.probes_dir() if root is None else root
    found: list[ProbeManifest] = []
    faults = [
        f"{path}:1: a manifest's name ends in .yaml, so this one would never be read" for path in root.glob("*/*.yml")
    ]
    for path in sorted(root.glob("*/*.yaml")):
        try:
            found.append(load_manifest(path))
        except SpecError as fault:
            faults.append(str(fault))
    faults.extend(_duplicates(found))
    if faults:
        raise SpecError("\n".join(faults))
    if not found:
        raise InputError(
            f"{root}: no probe manifest (*/*.yaml) here", hint="A probe is <mechanism>/<probe>.c with <probe>.yaml."
        )
    return found


def select(manifests: Sequence[ProbeManifest], names: Iterable[str]) -> list[ProbeManifest]:
    """The probes with these names or mechanisms, in the order of `manifests`; all of them for no names.

    Raises `InputError` naming near matches.
    """
    wanted = set(names)
    known = {m.probe for m in manifests} | {m.mechanism for m in manifests}
    for name in sorted(wanted - known):
        raise _unknown("probe or mechanism", name, known)
    return [m for m in manifests if not wanted or m.probe in wanted or m.mechanism in wanted]


def find_case(manifests: Sequence[ProbeManifest], name: str) -> tuple[ProbeManifest, str]:
    """The probe and the case that `probe.case`, or a case name that only one probe has, stands for.

    Raises `InputError` naming near matches, or the probes among which a name is not unique.
    """
    every = {f"{m.probe}.{case}": (m, case) for m in manifests for case in m.cases}
    if name in every:
        return every[name]
    alike = [full for full, (_, case) in every.items() if case == name]
    if len(alike) > 1:
        raise InputError(f"{len(alike)} probes have a case {name!r}", hint=f"Say which: {', '.join(alike)}.")
    if alike:
        return every[alike[0]]
    whole = {m.probe for m in manifests} | {m.mechanism for m in manifests}
    raise _unknown("probe, mechanism or case", name, whole | set(every) | {case for _, case in every.values()})


def compare(manifest: ProbeManifest, listed: Sequence[str]) -> None:
    """Hold a manifest against the names that its probe lists (`--list`). Order does not matter.

    Raises `ManifestError` naming what either side lacks.
    """
    faults = [f"the probe has no case {name!r}, which the manifest names" for name in manifest.cases.keys() - listed]
    faults += [
        f"the manifest says nothing of case {name!r}, which the probe has"
        for name in set(listed) - manifest.cases.keys()
    ]
    faults += [f"the probe lists case {name!r} twice" for name in set(listed) if listed.count(name) > 1]
    if faults:
        raise ManifestError(
            f"{manifest.path}: probe {manifest.probe!r} and its manifest disagree: " + "; ".join(sorted(faults)),
            hint=f"Each case of {', '.join(manifest.sources)} needs its entry under `cases`, and the reverse.",
        )


def _faults(manifest: ProbeManifest) -> Iterator[str]:
    """What the model alone cannot see: the file's own name, and the sources' presence."""
    path = manifest.path
    if path.stem != manifest.probe:
        yield f"{_at(path, 'probe')}found {manifest.probe!r}; must be the file's own name, {path.stem!r}"
    for source in manifest.source_paths:
        if not source.is_file():
            yield f"{_at(path, 'sources')}there is no file {source}"


def _duplicates(manifests: Sequence[ProbeManifest]) -> Iterator[str]:
    first: dict[str, ProbeManifest] = {}
    for manifest in manifests:
        other = first.setdefault(manifest.probe, manifest)
        if other is not manifest:
            yield f"{_at(manifest.path, 'probe')}found {manifest.probe!r}, which is also the name of {other.path}"


def _at(path: Path, key: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    number = next((n for n, line in enumerate(lines, 1) if line.startswith(f"{key}:")), 1)
    return f"{path}:{number}: {key}: "


def _unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    by_lower = {one.lower(): one for one in sorted(known)}
    lower = name.strip().lower()
    begun = sorted((one for one in by_lower if lower and one.startswith(lower)), key=len)
    alike = difflib.get_close_matches(lower, sorted(by_lower), 4, 0.6)
    near = [by_lower[one] for one in dict.fromkeys([*begun, *alike])][:4]
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    return InputError(f"there is no {what} {name!r}", hint=f"{guess}`rig probes list` shows the probes.")
