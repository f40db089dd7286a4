"""Which UEFI firmware this host has, by QEMU's own firmware descriptors.

Source of the format: docs/interop/firmware.json in QEMU; distributions install the descriptors as JSON files.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.errors import HostError

DESCRIPTOR_DIRS = (
    Path("/etc/qemu/firmware"),
    Path("/usr/share/qemu/firmware"),
    Path("/opt/homebrew/share/qemu/firmware"),
)
_UNWANTED = {"secure-boot", "enrolled-keys", "requires-smm"}


@dataclass(frozen=True)
class UefiFirmware:
    """A pair of flash images, both raw: read-only code, and the template of the variables."""

    code: Path
    variables: Path


def find_uefi(dirs: tuple[Path, ...] = DESCRIPTOR_DIRS) -> UefiFirmware:
    """The first x86_64 firmware for q35 without secure boot. Raises `HostError` where there is none."""
    given = os.environ.get("RIG_FIRMWARE_DIR")
    for directory in (Path(given), *dirs) if given else dirs:
        for path in sorted(directory.glob("*.json")):
            found = _read(path)
            if found is not None:
                return found
    raise HostError(
        "no UEFI firmware for x86_64 without secure boot is described under "
        + ", ".join(str(directory) for directory in dirs),
        hint="apt-get install ovmf",
    )


def _read(path: Path) -> UefiFirmware | None:
    try:
        text: Any = json.loads(path.read_text(encoding="utf-8"))
        fits = (
            "uefi" in text["interface-types"]
            and text["mapping"]["device"] == "flash"
            and not _UNWANTED & set(text["features"])
            and any(
                target["architecture"] == "x86_64" and any(kind.startswith("pc-q35") for kind in target["machines"])
                for target in text["targets"]
            )
        )
        code = Path(text["mapping"]["executable"]["filename"])
        variables = Path(text["mapping"]["nvram-template"]["filename"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a descriptor of another kind is not ours to judge
    return UefiFirmware(code, variables) if fits and code.is_file() and variables.is_file() else None
