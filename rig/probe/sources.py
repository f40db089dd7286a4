"""Reading a probe's C without a compiler: which files it is made of, and where its cases stand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ManifestError
from rig.probe.manifest import ProbeManifest, compare
from rig.spec.yamltext import read_yaml

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_CASE = re.compile(r"^CASE\s*\(\s*([a-z0-9_]+)\s*[,)]", re.MULTILINE)
_PROBE = re.compile(r'^PROBE\s*\(\s*"([^"]*)"\s*,\s*"([^"]*)"\s*\)', re.MULTILINE)
_LIST_SECONDS = 30.0
_KERNEL_HOME = "https://github.com/apple-oss-distributions/xnu/blob"
_OUR_KERNEL = "4570.41.2"
"""Of Darwin 17.4."""
_FULL_TAGS = {"4570": _OUR_KERNEL}
_KERNEL_TAG = re.compile(r"\bxnu-(\d+(?:\.\d+)*)")
_KERNEL_FILE = re.compile(
    r"(?<![\w/.-])((?:bsd|osfmk|libsyscall|libkern)/[\w/.+-]+\.(?:c|h|s|defs|master))(?::(\d+))?\b"
)


@dataclass(frozen=True)
class Place:
    """A line of a file."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def read_closure(files: Iterable[Path], include_dirs: Sequence[Path]) -> dict[Path, bytes]:
    """The files and every file that they include in quotes, however deep, with their content.

    An include that is found nowhere is left to the compiler to report. Raises `OSError` for one of `files`.
    """
    content: dict[Path, bytes] = {}
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if path in content:
            continue
        content[path] = path.read_bytes()
        for name in _INCLUDE.findall(content[path]):
            text = name.decode("utf-8", "surrogateescape")
            places = (directory / text for directory in (path.parent, *include_dirs))
            found = next((place for place in places if place.is_file()), None)
            if found is not None:
                waiting.append(found)
    return content


def case_places(manifest: ProbeManifest) -> dict[str, Place]:
    """Where each CASE() of the probe's own sources stands. A CASE that a macro makes is not seen."""
    places: dict[str, Place] = {}
    for path in manifest.source_paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        for match in _CASE.finditer(text):
            places.setdefault(match[1], Place(path, text.count("\n", 0, match.start()) + 1))
    return places


def manifest_place(manifest: ProbeManifest, case: str) -> Place:
    """Where a case stands in its manifest."""
    _, lines = read_yaml(manifest.path.read_text(encoding="utf-8"), str(manifest.path))
    return Place(manifest.path, lines.get(("cases", case), 1))


def kernel_sources(source: str) -> dict[str, str]:
    """Where to read the files of Darwin's kernel that a case's `source` cites, each with the words that follow it.

    Those are as a rule the functions to look for; a cited line is part of the address. The tag is the last one named
    before the file, else that of Darwin 17.4; a tag cut short is not guessed at.
    """
    found: dict[str, str] = {}
    for match in _KERNEL_FILE.finditer(source):
        tags = _KERNEL_TAG.findall(source, 0, match.start()) or _KERNEL_TAG.findall(source)
        tag = _FULL_TAGS.get(tags[-1], tags[-1]) if tags else _OUR_KERNEL
        if tag.count(".") >= 2:
            line = f"#L{match[2]}" if match[2] else ""
            words = re.split(r"[;:]", source[match.end() :], maxsplit=1)[0].strip(" ,.")
            found.setdefault(f"{_KERNEL_HOME}/xnu-{tag}/{match[1]}{line}", words)
    return found


def check_named(manifest: ProbeManifest) -> None:
    """See that the manifest names every CASE() of the sources: one that it does not name would never be asked for.

    The other way round only the probe itself can tell (a macro may make cases). Raises `ManifestError`.
    """
    compare(manifest, list(dict.fromkeys([*manifest.cases, *case_places(manifest)])))


def declared(manifest: ProbeManifest) -> tuple[str, str] | None:
    """Name and version in the sources' PROBE(); None if no source has one."""
    for path in manifest.source_paths:
        if match := _PROBE.search(path.read_text(encoding="utf-8", errors="replace")):
            return match[1], match[2]
    return None


def absent_source(manifest: ProbeManifest) -> str:
    """The C of a probe for an OS that has nothing of what it tests: every case says so."""
    assert manifest.only is not None
    only = f".{manifest.only.os.value}_only = true, .why = {_c_string(manifest.only.reason)}"
    cases = (f"CASE({name}, {only}) {{}}" for name in manifest.cases)
    return "\n".join(['#include "rig.h"', f'PROBE("{manifest.probe}", "{manifest.version}");', *cases, ""])


def _c_string(text: str) -> str:
    """A literal of these bytes in UTF-8. In octal, which ends after three digits, is what is not plain ASCII."""
    plain = (
        chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{"".join(plain)}"'


def unclaimed(manifests: Iterable[ProbeManifest]) -> list[Path]:
    """C files beside manifests that no manifest names: they would never be compiled."""
    manifests = list(manifests)
    claimed = {path.resolve() for manifest in manifests for path in manifest.source_paths}
    beside = {path for manifest in manifests for path in manifest.path.parent.glob("*.c")}
    return sorted(path for path in beside if path.resolve() not in claimed)


def listed_names(executable: Path) -> list[str]:
    """The case names that a probe built for this host prints for `--list`, in its order.

    Raises `ManifestError` when it does not run or fails.
    """
    try:
        done = subprocess.run([executable, "--list"], capture_output=True, timeout=_LIST_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise ManifestError(f"{executable.name} --list did not run: {fault}") from fault
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[:400]
        raise ManifestError(f"{executable.name} --list ended with {done.returncode}, saying {said!r}")
    return done.stdout.decode("utf-8", "replace").split()
