"""`rig doctor`: what this machine has, what it lacks, and the command that mends each lack."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
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

from rig.errors import HostError, ImageError, RigError
from rig.guest import GuestOptions, boot_guest
from rig.guest.accel import Verdict, Verdicts, present
from rig.guest.registry import Registry
from rig.image.catalogue import Catalogue
from rig.image.reference import required_tools
from rig.image.reference.tools import find_tool
from rig.image.status import State
from rig.image.store import Store
from rig.machine.firmware import find_uefi
from rig.machine.process import qemu_version
from rig.paths import cache_dir, scratch_parent, store_dir
from rig.probe import zig
from rig.spec import Accel, GuestOS

KVM = Path("/dev/kvm")
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


Look = Callable[[], list[Finding]]


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    try_accel: Annotated[
        bool, typer.Option("--try/--no-try", help="Boot the reference guest where no verdict is known.")
    ] = True,
) -> None:
    """Look at this machine. Exit code 0: no problem; 1: at least one."""
    looks: dict[str, Look] = {
        "Python": _python,
        "QEMU": _qemu,
        "C compiler": _compiler,
        "tools that build the reference image": _tools,
        "UEFI firmware": _firmware,
        "disks": _disk,
        "memory": _memory,
        "images": _images,
        "accelerators": lambda: _accel(try_accel),
        "guests left running by rig up": _guests,
    }
    findings = [finding for what, look in looks.items() for finding in _looked(what, look)]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        _show(findings)
    raise typer.Exit(1 if any(finding.grade is Grade.PROBLEM for finding in findings) else 0)


def _looked(what: str, look: Look) -> list[Finding]:
    """One look that fails must not keep the others from being told."""
    try:
        return look()
    except RigError as fault:
        return [Finding(what, Grade.PROBLEM, fault.message, fault.hint)]
    except OSError as fault:
        return [Finding(what, Grade.PROBLEM, str(fault))]


def _show(findings: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    colours = {Grade.OK: "green", Grade.NOTE: "yellow", Grade.PROBLEM: "bold red"}
    for finding in findings:
        grade = f"[{colours[finding.grade]}]{finding.grade:<8}[/]"
        console.print(f"{grade} {escape(finding.what)}: {escape(finding.found)}")
        if finding.mend:
            console.print(f"         mend it: {escape(finding.mend)}")


def _python() -> list[Finding]:
    return [Finding("Python", Grade.OK, sys.version.split()[0])]


def _qemu() -> list[Finding]:
    path = shutil.which("qemu-img")
    return [
        *_looked("QEMU", lambda: [Finding("QEMU", Grade.OK, qemu_version(_BINARY))]),
        Finding("qemu-img", Grade.OK, path)
        if path
        else Finding("qemu-img", Grade.PROBLEM, "not installed", "apt-get install qemu-utils"),
    ]


def _compiler() -> list[Finding]:
    return [Finding("C compiler", Grade.OK, f"zig {zig.version()}, {zig.binary()}")]


def _tools() -> list[Finding]:
    what = "tools that build the reference image"
    lacking: dict[str, str] = {}
    for tool, package in required_tools().items():
        try:
            find_tool(tool)
        except ImageError:
            lacking[tool] = package
    if not lacking:
        return [Finding(what, Grade.OK, "all there")]
    packages = " ".join(sorted(set(lacking.values())))
    return [Finding(what, Grade.PROBLEM, f"missing: {', '.join(sorted(lacking))}", f"apt-get install {packages}")]


def _firmware() -> list[Finding]:
    try:
        return [Finding("UEFI firmware", Grade.OK, str(find_uefi().code))]
    except HostError as fault:
        return [Finding("UEFI firmware", Grade.NOTE, f"{fault.message}; UEFI images will not boot", fault.hint)]


def _disk() -> list[Finding]:
    places = {"image store": store_dir(), "cache": cache_dir(), "scratch": scratch_parent()}
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
    for name, fault in sorted(catalogue.broken.items()):
        findings.append(Finding(f"image {name}", Grade.PROBLEM, fault.message, "mend or remove that file"))
    return findings


def _accel(try_it: bool) -> list[Finding]:
    """Which accelerator really works: the verdict of an earlier boot, else of a boot now."""
    try:
        verdicts = Verdicts(qemu_version(_BINARY))
    except HostError:
        return []
    findings = []
    for accel, seen in present():
        if accel is Accel.TCG:
            findings.append(_emulation(seen))
            continue
        if verdicts.get(accel, GuestOS.LINUX) is None and try_it:
            _boots(accel)
        # Each system has its own: what boots a Linux need not boot a Darwin.
        known = {system: one for system in GuestOS if (one := verdicts.get(accel, system)) is not None}
        findings += [_seen(accel, system, verdict) for system, verdict in known.items()]
        if not known:
            found = f"{seen}, but no guest has been booted with it"
            findings.append(Finding(f"accelerator {accel}", Grade.NOTE, found, "rig images build, then rig doctor"))
    return findings


def _seen(accel: Accel, system: GuestOS, verdict: Verdict) -> Finding:
    word = "works" if verdict.works else "does not work here, TCG is used instead"
    grade = Grade.OK if verdict.works else Grade.NOTE
    return Finding(f"accelerator {accel}, {system} guests", grade, f"{word}: {verdict.why}")


def _emulation(seen: str) -> Finding:
    if KVM.exists() and not os.access(KVM, os.R_OK | os.W_OK):
        mend = f"usermod -aG kvm {getpass.getuser()}, then log in again"
        return Finding("accelerator tcg", Grade.NOTE, seen, mend)
    return Finding("accelerator tcg", Grade.OK, seen)


def _boots(accel: Accel) -> None:
    """Let a boot of the reference guest decide, where that image is there; the boot itself writes the verdict down."""
    catalogue, store = Catalogue.load(), Store()
    spec = catalogue.get("reference")
    if store.status(spec).state is not State.READY:
        return
    Console(stderr=True).print(f"trying {accel} with a boot of the reference guest ...", highlight=False)
    with tempfile.TemporaryDirectory(prefix="rig-doctor-") as logs, contextlib.suppress(RigError):
        boot_guest(store.get(spec), GuestOptions(logs=Path(logs), console_only=True)).close()


def _guests() -> list[Finding]:
    registry = Registry()
    names = ", ".join(one.name for one in registry.all()) or "none"
    unread = [
        Finding("a guest's record", Grade.PROBLEM, f"{path} cannot be read; its guest may run", f"rm {path}")
        for path in registry.damaged
    ]
    return [Finding("guests left running by rig up", Grade.OK, names), *unread]
