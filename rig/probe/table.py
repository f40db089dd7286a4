"""The table of mechanisms: what is probed of each, what each OS is expected to do, what the contracts rest on.

Made from the manifests, and kept in a Markdown file between two comments, so that nobody need keep it by hand.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.errors import HostError, InputError, ManifestError
from rig.probe.expect import Expected
from rig.probe.manifest import CaseKind, CaseSpec, ProbeManifest
from rig.spec.image import GuestOS

BEGIN = "<!-- Made by `rig probes table --write FILE`; what stands up to the end mark is replaced. -->"
END = "<!-- The end of the table. -->"
_RENEW = "rig probes table --write"

HEADINGS = ("mechanism", "probes", "cases", "timings", "on Linux", "on Darwin", "sources (cases that cite them)")
_NUMBERS = {"cases", "timings"}
_KERNEL = re.compile(r"\bxnu\b|\b(?:bsd|osfmk|libsyscall|libkern)/")
_FAMILIES = {
    "POSIX": re.compile(r"\bPOSIX\b"),
    "xnu": _KERNEL,
    "measured on Darwin": re.compile(r"\bmeasured on Darwin\b"),
    "Darwin's libraries": re.compile(r"\b(?:Libnotify|launchd|[lL]ibsystem_\w+|libSystem|migcom|dlsym\(3\))(?!\w)"),
    "Linux": re.compile(r"\bLinux\b"),
    "LTP": re.compile(r"\bLTP\b"),
    "BSD": re.compile(r"\b(?:Free|Net|Open)BSD\b"),
    "lmbench": re.compile(r"\blmbench\b"),
    "libMicro": re.compile(r"\blibMicro\b"),
    "MPMMTest": re.compile(r"\bMPMMTest\b"),
    "perf bench": re.compile(r"\bperf bench\b"),
}
"""Whose word a source is; a case may cite several. What fits none is `others`."""
_KERNEL_FILE = re.compile(r"\b(?:bsd|osfmk|libsyscall|libkern)/[\w/.+-]*?([\w+-]+\.[chs])\b")
_MOST_FILES = 3
_KINDS = {CaseKind.FUNCTIONAL: "functional", CaseKind.FACT: "facts", CaseKind.TIMING: "timings"}


@dataclass(frozen=True)
class Row:
    """One mechanism."""

    mechanism: str
    probes: tuple[str, ...]
    kinds: Mapping[str, int]
    """functional, facts, timings: how many cases are of each kind."""
    expected: Mapping[str, Mapping[int, Mapping[str, int]]]
    """By OS: how many cases are expected to pass, to be unsupported, ... of the oldest release (0), and again from each
    release on that is expected to do something else."""
    sources: Mapping[str, int]
    """Families of sources, the most cited first, with the number of cases that cite them."""
    kernel_files: tuple[str, ...]
    """The kernel's files that are cited most."""

    @property
    def cases(self) -> int:
        """All of them."""
        return sum(self.kinds.values())

    def cells(self) -> tuple[str, ...]:
        """As `HEADINGS` has them."""
        timings = self.kinds.get("timings", 0)
        families = [f"{name} {count}" for name, count in self.sources.items()]
        if self.kernel_files:
            at = next(n for n, name in enumerate(self.sources) if name == "xnu")
            families[at] += f" ({', '.join(self.kernel_files)})"
        return (
            self.mechanism,
            ", ".join(self.probes),
            str(self.cases - timings),
            str(timings),
            *(self._on(os) for os in GuestOS if os is GuestOS.LINUX),
            *(self._on(os) for os in GuestOS if os is GuestOS.DARWIN),
            ", ".join(families),
        )

    def _on(self, os: GuestOS) -> str:
        told = []
        for release, counts in self.expected[os.value].items():
            words = ", ".join(f"{counts[word]} {word}" for word in map(str, Expected) if counts.get(word))
            told.append(f"from {release}: {words}" if release else words)
        return "; ".join(told)


def make_rows(manifests: Sequence[ProbeManifest]) -> list[Row]:
    """One row a mechanism, by name."""
    mechanisms = sorted({manifest.mechanism for manifest in manifests})
    return [_row(name, [one for one in manifests if one.mechanism == name]) for name in mechanisms]


def total(rows: Iterable[Row]) -> Row:
    """All rows in one, without sources."""
    rows = list(rows)
    return Row(
        mechanism=f"{len(rows)} mechanisms",
        probes=(f"{sum(len(row.probes) for row in rows)} probes",),
        kinds=_sum(row.kinds for row in rows),
        expected={os.value: _sum_releases([row.expected[os.value] for row in rows]) for os in GuestOS},
        sources={},
        kernel_files=(),
    )


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    added: Counter[str] = Counter()
    for one in counts:
        added.update(one)
    return dict(added)


def _row(mechanism: str, manifests: Sequence[ProbeManifest]) -> Row:
    cases = [case for manifest in manifests for case in manifest.cases.values()]
    families = Counter(name for case in cases for name in _families(case))
    files = Counter(name for case in cases for name in set(_KERNEL_FILE.findall(case.source)))
    return Row(
        mechanism=mechanism,
        probes=tuple(sorted(manifest.probe for manifest in manifests)),
        kinds=dict(Counter(_KINDS[case.kind] for case in cases)),
        expected={os.value: _expected(cases, os) for os in GuestOS},
        sources={name: families[name] for name in _ranked(families)},
        kernel_files=tuple(_ranked(files)[:_MOST_FILES]) if families["xnu"] else (),
    )


def _expected(cases: Sequence[CaseSpec], os: GuestOS) -> dict[int, dict[str, int]]:
    releases = sorted({0, *(first for case in cases for first, _ in case.expectation(os).steps)})
    return _without_repeats({at: dict(Counter(case.expected(os, str(at)).value for case in cases)) for at in releases})


def _sum_releases(rows: Sequence[Mapping[int, Mapping[str, int]]]) -> dict[int, dict[str, int]]:
    releases = sorted({0, *(release for row in rows for release in row)})
    return _without_repeats(
        {at: _sum(row[max(release for release in row if release <= at)] for row in rows) for at in releases}
    )


def _without_repeats(counts: Mapping[int, dict[str, int]]) -> dict[int, dict[str, int]]:
    kept: dict[int, dict[str, int]] = {}
    for release, found in counts.items():
        if not kept or kept[max(kept)] != found:
            kept[release] = found
    return kept


def _ranked(counts: Counter[str]) -> list[str]:
    """The most frequent first; `others` last; the order never depends on that of the manifests."""
    return sorted(counts, key=lambda name: (name == "others", -counts[name], name))


def _families(case: CaseSpec) -> list[str]:
    return [name for name, pattern in _FAMILIES.items() if pattern.search(case.source)] or ["others"]


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, the totals below."""
    marks = ("---:" if heading in _NUMBERS else "---" for heading in HEADINGS)
    sums = (f"**{cell}**" if cell else "" for cell in total(rows).cells())
    lines = [HEADINGS, marks, *(row.cells() for row in rows), sums]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in lines) + "\n"


def written_into(text: str, table: str, path: Path) -> str:
    """`text`, the content of `path`, with the table between its marks. Raises `InputError` where they are not."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(
            f"{path}: has no place for the table of mechanisms",
            hint=f"Put these two lines where it belongs, once:\n  {BEGIN}\n  {END}",
        )
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n{END}{rest.partition(END)[2]}"


def write(path: Path, rows: Sequence[Row]) -> bool:
    """Put the table in its place in a Markdown file; whether that changed it. Raises `InputError`, `HostError`."""
    before = _read(path)
    after = written_into(before, markdown(rows), path)
    if after == before:
        return False
    try:
        path.write_text(after, encoding="utf-8")
    except OSError as fault:
        raise HostError(f"cannot write {path}: {fault.strerror}") from fault
    return True


def check(path: Path, rows: Sequence[Row]) -> None:
    """Raises `ManifestError` where the table of a Markdown file is not the one that the manifests make."""
    before = _read(path)
    after = written_into(before, markdown(rows), path)
    if after == before:
        return
    old, new = before.splitlines(), after.splitlines()
    at = next((n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), min(len(old), len(new)))
    wanted = new[at] if at < len(new) else "the end"
    raise ManifestError(
        f"{path}:{at + 1}: the table of mechanisms is not that of the manifests; here it should say\n  {wanted}",
        hint=f"{_RENEW} {path}",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as fault:
        raise InputError(f"{path}: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise InputError(f"{path}: not UTF-8 text (byte {fault.start})") from fault
