"""`rig doctor`: what this machine has, what it lacks, and the command that mends each lack."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.markup import escape

from rig.errors import HostError, RigError
from rig.guest import GuestOptions, boot_guest
from rig.guest.accel import Verdicts, present
from rig.guest.registry import Registry
from rig.image.catalogue import Catalogue
from rig.image.reference import required_tools
from rig.image.status import State
from rig.image.store import Store
from rig.machine.firmware import find_uefi
from rig.machine.process import qemu_version
from rig.paths import cache_dir, store_dir
from rig.spec import Accel, GuestOS

_BINARY = "qemu-system-x86_64"
_FREE_DISK_GIB = 4
_FREE_MEMORY_MIB = 1024


class Grade(StrEnum):
    """ok: fine. note: good to know. problem: something will not work."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `mend` is the command that mends it."""

    what: str
    grade: Grade
    found: str
    mend: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    try_accel: Annotated[
        bool, typer.Option("--try/--no-try", help="Boot the reference guest where no verdict is known.")
    ] = True,
) -> None:
    """Look at this machine. Exit code 0: no problem; 1: at least one."""
    findings = [
        finding
        for look in (_python, _qemu, _tools, _firmware, _disk, _memory, _images, lambda: _accel(try_accel), _guests)
        for finding in look()
    ]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        _show(findings)
    raise typer.Exit(1 if any(finding.grade is Grade.PROBLEM for finding in findings) else 0)


def _show(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    colours = {Grade.OK: "green", Grade.NOTE: "yellow", Grade.PROBLEM: "bold red"}
    for finding in findings:
        grade = f"[{colours[finding.grade]}]{finding.grade:<8}[/]"
        console.print(f"{grade} {escape(finding.what)}: {escape(finding.found)}")
        if finding.mend:
            console.print(f"         mend it: {escape(finding.mend)}")


def _python() -> list[Finding]:
    return [Finding("Python", Grade.OK, sys.version.split()[0])]


def _qemu() -> list[Finding]:
    return [_told("QEMU", lambda: qemu_version(_BINARY)), _tool("qemu-img", "qemu-utils")]


def _told(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, Grade.OK, look())
    except RigError as fault:
        return Finding(what, Grade.PROBLEM, fault.message, fault.hint)


def _tool(tool: str, package: str) -> Finding:
    path = shutil.which(tool)
    if path is None:
        return Finding(tool, Grade.PROBLEM, "not installed", f"apt-get install {package}")
    return Finding(tool, Grade.OK, path)


def _tools() -> list[Finding]:
    lacking = {tool: package for tool, package in required_tools().items() if shutil.which(tool) is None}
    if not lacking:
        return [Finding("tools that build the reference image", Grade.OK, "all there")]
    packages = " ".join(sorted(set(lacking.values())))
    return [
        Finding(
            "tools that build the reference image",
            Grade.PROBLEM,
            f"missing: {', '.join(sorted(lacking))}",
            f"apt-get install {packages}",
        )
    ]


def _firmware() -> list[Finding]:
    try:
        return [Finding("UEFI firmware", Grade.OK, str(find_uefi().code))]
    except HostError as fault:
        return [Finding("UEFI firmware", Grade.NOTE, f"{fault.message}; UEFI images will not boot", fault.hint)]


def _disk() -> list[Finding]:
    places = {"image store": store_dir(), "cache": cache_dir(), "scratch": Path(tempfile.gettempdir())}
    findings = []
    for name, place in places.items():
        there = next(path for path in (place, *place.parents) if path.exists())
        free = shutil.disk_usage(there).free / (1 << 30)
        grade = Grade.OK if free >= _FREE_DISK_GIB else Grade.PROBLEM
        mend = "" if grade is Grade.OK else f"free some space on {there} (rig images rm NAME)"
        findings.append(Finding(f"disk for {name}", grade, f"{free:.1f} GiB free at {place}", mend))
    return findings


def _memory() -> list[Finding]:
    free = psutil.virtual_memory().available >> 20
    grade = Grade.OK if free >= _FREE_MEMORY_MIB else Grade.PROBLEM
    mend = "" if grade is Grade.OK else "end other guests (rig ps, rig down)"
    return [Finding("memory", grade, f"{free} MiB available, {psutil.cpu_count()} processors", mend)]


def _images() -> list[Finding]:
    catalogue, store = Catalogue.load(), Store()
    findings = []
    for name in catalogue.names():
        status = store.status(catalogue.get(name))
        match status.state:
            case State.READY:
                findings.append(Finding(f"image {name}", Grade.OK, "ready"))
            case State.DAMAGED:
                mend = f"rig images rm {name}, then fetch, import or build it again"
                findings.append(Finding(f"image {name}", Grade.PROBLEM, f"damaged: {status.note}", mend))
            case _:
                findings.append(Finding(f"image {name}", Grade.NOTE, str(status.state), f"rig images show {name}"))
    return findings


def _accel(try_it: bool) -> list[Finding]:
    """Which accelerator really works: the verdict of an earlier boot, else of a boot now."""
    try:
        verdicts = Verdicts(qemu_version(_BINARY))
    except HostError:
        return []
    findings = []
    for accel, seen in present():
        verdict = verdicts.get(accel, GuestOS.LINUX)
        if verdict is None and accel is not Accel.TCG and try_it and _boots(accel):
            verdict = verdicts.get(accel, GuestOS.LINUX)
        if accel is Accel.TCG:
            findings.append(Finding("accelerator tcg", Grade.OK, seen))
        elif verdict is None:
            findings.append(
                Finding(f"accelerator {accel}", Grade.NOTE, f"{seen}, but no guest has been booted with it", "rig up")
            )
        else:
            grade = Grade.OK if verdict.works else Grade.NOTE
            word = "works" if verdict.works else "does not work here, TCG is used instead"
            findings.append(Finding(f"accelerator {accel}", grade, f"{word}: {verdict.why}"))
    return findings


def _boots(accel: Accel) -> bool:
    """Let a boot of the reference guest decide, where that image is there; whether one was tried."""
    catalogue, store = Catalogue.load(), Store()
    spec = catalogue.get("reference")
    if store.status(spec).state is not State.READY:
        return False
    Console(stderr=True).print(f"trying {accel} with a boot of the reference guest ...", highlight=False)
    with tempfile.TemporaryDirectory(prefix="rig-doctor-") as logs:
        try:
            boot_guest(store.get(spec), GuestOptions(logs=Path(logs), console_only=True)).close()
        except RigError:
            return False
    return True


def _guests() -> list[Finding]:
    running = Registry().all()
    names = ", ".join(one.name for one in running) or "none"
    return [Finding("guests left running by rig up", Grade.OK, names)]
