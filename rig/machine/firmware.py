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
    Path("/usr/local/share/qemu/firmware"),
)
_UNWANTED = {"secure-boot", "enrolled-keys", "requires-smm"}


@dataclass(frozen=True)
class UefiFirmware:
    """A pair of flash images, both raw: read-only code, and the template of the variables."""

    code: Path
    variables: Path


def find_uefi(dirs: tuple[Path, ...] = DESCRIPTOR_DIRS) -> UefiFirmware:
    """The first x86_64 firmware for q35 without secure boot, in the order of the descriptors' names.

    A descriptor hides those of the same name in later directories. `RIG_FIRMWARE_DIR` is looked through first.
    Raises `HostError` where there is none.
    """
    given = os.environ.get("RIG_FIRMWARE_DIR")
    own = (Path(given),) if given else ()
    for path in [*_descriptors(own), *_descriptors(dirs)]:
        found = _read(path)
        if found is not None:
            return found
    raise HostError(
        "no UEFI firmware for x86_64 without secure boot is described under "
        + ", ".join(str(directory) for directory in (*own, *dirs)),
        hint="apt-get install ovmf",
    )


def _descriptors(dirs: tuple[Path, ...]) -> list[Path]:
    named: dict[str, Path] = {}
    for directory in dirs:
        for path in directory.glob("*.json"):
            named.setdefault(path.name, path)
    return [path for _, path in sorted(named.items())]


def _read(path: Path) -> UefiFirmware | None:
    try:
        text: Any = json.loads(path.read_text(encoding="utf-8"))
        code, variables = text["mapping"]["executable"], text["mapping"]["nvram-template"]
        fits = (
            "uefi" in text["interface-types"]
            and text["mapping"]["device"] == "flash"
            and code["format"] == variables["format"] == "raw"
            and not _UNWANTED & set(text["features"])
            and any(
                target["architecture"] == "x86_64" and any(kind.startswith("pc-q35") for kind in target["machines"])
                for target in text["targets"]
            )
        )
        pair = UefiFirmware(Path(code["filename"]), Path(variables["filename"]))
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        return None  # a descriptor of another kind is not ours to judge
    return pair if fits and pair.code.is_file() and pair.variables.is_file() else None
