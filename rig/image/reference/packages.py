"""Debian packages: which versions apt would install here, and their download.

Nothing is installed and no server is named: apt's own configuration decides where packages come from, and its signed
lists carry the hash that each download is held against.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.errors import ImageError
from rig.image.reference.tools import run_tool

_UPDATE = "as root: apt-get update"


@dataclass(frozen=True)
class Package:
    """One package in the version that apt would install."""

    name: str
    version: str
    architecture: str
    sha256: str
    depends: str = ""

    @property
    def filename(self) -> str:
        """As apt-get download names it: the colon of an epoch is escaped."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def parse_records(text: str) -> dict[str, Package]:
    """Package records as `apt-cache show` prints them, by name; the first record of a name counts."""
    found: dict[str, Package] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): *(.*)$", paragraph, flags=re.MULTILINE))
        if "Package" in fields and "SHA256" in fields:
            package = Package(
                name=fields["Package"],
                version=fields["Version"],
                architecture=fields["Architecture"],
                sha256=fields["SHA256"],
                depends=fields.get("Depends", ""),
            )
            found.setdefault(package.name, package)
    return found


def resolve(names: Sequence[str], architecture: str) -> dict[str, Package]:
    """The version of each package that apt would install now, from its lists alone (no network, under a second).

    Raises ImageError when apt's lists are empty or do not hold a package.
    """
    shown = run_tool(
        ["apt-cache", "show", "--no-all-versions", *names],
        what="ask apt for package versions",
        accept=(0, 100),
        hint=_UPDATE,
    )
    found = parse_records(shown.stdout.decode(errors="replace"))
    absent = [name for name in names if name not in found]
    if absent and len(absent) == len(set(names)):
        raise ImageError("apt knows none of the packages of the reference image: its lists are empty", hint=_UPDATE)
    if absent:
        raise ImageError(
            f"apt does not know {', '.join(absent)}", hint=f"{_UPDATE}; a Debian 12 package source (main) is needed"
        )
    foreign = [p.name for p in found.values() if p.architecture not in (architecture, "all")]
    if foreign:
        raise ImageError(
            f"the reference image is built from {architecture} packages; apt here offers "
            f"{found[foreign[0]].architecture} for {', '.join(foreign)}",
            hint=f"build it on an {architecture} machine and bring the file along",
        )
    return {name: found[name] for name in names}


def real_kernel(meta: Package) -> str:
    """The package with the kernel itself, of the one that only pulls it in."""
    match = re.search(r"\blinux-image-\d[^\s,]*", meta.depends)
    if match is None:
        raise ImageError(f"{meta.name} {meta.version} names no kernel package in its dependencies: {meta.depends!r}")
    return match.group()


def fetch(packages: Iterable[Package], cache: Path, *, say: Callable[[str], None]) -> dict[str, Path]:
    """Have every package as a file in `cache`, downloading those that are not there yet with the right hash.

    Raises ImageError when apt cannot download, or when a file does not hold what apt's list says.
    """
    wanted = list(packages)
    cache.mkdir(parents=True, exist_ok=True)
    paths = {p.name: cache / p.filename for p in wanted}
    missing = [p for p in wanted if not _holds(paths[p.name], p.sha256)]
    if missing:
        say(f"downloading {len(missing)} packages")
        for package in missing:
            paths[package.name].unlink(missing_ok=True)
        # As root apt would download as another user, who may not write here.
        sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        run_tool(
            ["apt-get", "-q", *sandbox, "download", *(f"{p.name}={p.version}" for p in missing)],
            what="download packages",
            cwd=cache,
            hint=f"is the network there? If a file was not found, the package lists are old: {_UPDATE}",
        )
    for package in missing:
        if not _holds(paths[package.name], package.sha256):
            raise ImageError(
                f"{package.filename} does not have the sha256 {package.sha256} that apt's list gives",
                hint=f"{_UPDATE}, then build again",
            )
    return paths


def _holds(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
