"""A survey for a reader, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rig.image.inspect.fit import Fit
from rig.image.inspect.survey import Survey
from rig.image.space import human

_MOST = 24
"""Lines of one kind."""


def told(found: Survey) -> list[str]:
    """What was found, a few lines: label in the first 12 columns."""
    packed = f", in an {found.archive} archive" if found.archive == "xz" else ""
    packed = f", in a {found.archive} archive" if found.archive and not packed else packed
    lines = [f"{'disk':12}{found.format}, {human(found.size)}{packed}"]
    lines.append(f"{'table':12}{_table(found)}")
    volumes = {volume.where: volume for volume in found.volumes}
    rows = []
    for part in found.partitions:
        volume = volumes.pop(f"partition {part.number}", None)
        inside = "no file system known here" if volume is None else _volume(volume)
        name = f' "{part.name}"' if part.name else ""
        active = ", active" if part.active else ""
        rows.append(f"{part.number}: {part.type}{name}{active}, {human(part.size)} at {human(part.start)}: {inside}")
    rows += [f"{volume.where}: {_volume(volume)}" for volume in volumes.values()]
    lines += _block("volumes", rows)
    lines += _block("loader", [_loader(loader) for loader in found.loaders] or ["none found"])
    lines += _block("kernel", [_kernel(kernel) for kernel in found.kernels] or ["no Darwin kernel found"])
    lines += _block("damage", found.damage)
    lines += _block("note", found.notes)
    return lines


def judged(fits: list[Fit]) -> list[str]:
    """How each entry fits, in the same columns."""
    lines = []
    for one in fits:
        lines += _block("fits" if one.fits else "fits not", [_reasons(one)])
        lines += [f"{'':14}{remark}" for remark in one.remarks if one.fits]
    return lines


def next_steps(file: Path, fitting: list[str]) -> list[str]:
    """What one may do with the file now."""
    if not fitting:
        return [f"{'import':12}none fits; all the same: rig images import {file} --like ENTRY --force [--name NAME]"]
    return _block("import", [f"rig images import {file} --like {name}" for name in fitting])


def as_json(found: Survey, fits: list[Fit], sha256: str | None) -> dict[str, Any]:
    """All of it for a machine."""
    entries = [{"name": f.name, "fits": f.fits, "against": f.against, "remarks": f.remarks} for f in fits]
    return {**asdict(found), "releases": found.releases, "arches": found.arches, "sha256": sha256, "entries": entries}


def _reasons(one: Fit) -> str:
    return f"{one.name}: {'; '.join(one.against)}" if one.against else one.name


def _block(label: str, rows: list[str]) -> list[str]:
    shown = rows[:_MOST] + ([f"... and {len(rows) - _MOST} more"] if len(rows) > _MOST else [])
    return [f"{label if index == 0 else '':12}{row}" for index, row in enumerate(shown)]


def _table(found: Survey) -> str:
    if found.scheme == "none":
        return "no partition table"
    return f"{found.scheme}, {len(found.partitions)} partition{'' if len(found.partitions) == 1 else 's'}"


def _volume(volume: Any) -> str:
    label = f' "{volume.label}"' if volume.label else ""
    return f"{volume.kind}{label}{f' ({volume.note})' if volume.note else ''}"


def _loader(loader: Any) -> str:
    arches = f" for {', '.join(loader.arches)}" if loader.arches else ""
    args = "" if loader.boot_args is None else f"; boot-args in {loader.args_from}: {loader.boot_args}"
    return f"{loader.firmware.upper()}: {loader.kind}{arches}, {loader.where}{args}"


def _kernel(kernel: Any) -> str:
    name = f"Darwin {kernel.release}" if kernel.release else "a kernel"
    arches = f" for {', '.join(kernel.arches)}" if kernel.arches else ""
    rest = kernel.version.partition(": ")[2]
    note = f" ({kernel.note})" if kernel.note else ""
    version = f" [{rest}]" if rest else ""
    return f"{name}{arches}, {kernel.where}{note}{version}"
