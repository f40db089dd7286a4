"""A Darwin kernel: where it lies, what processor it is for, which release it is.

Facts: mach-o/loader.h and mach-o/fat.h (headers), mach/machine.h (processors); the version is the kernel's own string,
made by xnu config/version.c: `Darwin Kernel Version X.Y.Z: DATE; root:TREE/CONFIG_ARCH`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rig.image.inspect.blocks import Damaged
from rig.image.inspect.files import Entry, FileSystem, find, start
from rig.image.inspect.text import clean

FOLDERS = (
    "",
    "EFI/BOOT",
    "System/Library/Kernels",
    "System/Library/PrelinkedKernels",
    "System/Library/KernelCollections",
    "System/Library/Caches/com.apple.kext.caches/Startup",
)
"""Where Darwin's loaders look for a kernel."""
_NAMES = re.compile(r"(mach_kernel|kernel|prelinkedkernel|immutablekernel|bootkernelextensions\.kc).*", re.I)
_CPUS = {
    7: "i386",
    0x01000007: "x86_64",
    12: "arm",
    0x0100000C: "arm64",
    18: "ppc",
    0x01000012: "ppc64",
}
_THIN = {b"\xce\xfa\xed\xfe": "<", b"\xcf\xfa\xed\xfe": "<", b"\xfe\xed\xfa\xce": ">", b"\xfe\xed\xfa\xcf": ">"}
_FAT = {b"\xca\xfe\xba\xbe": 20, b"\xca\xfe\xba\xbf": 32}
_PACKED = {b"complzss": "lzss", b"complzvn": "lzvn"}
_EXECUTE, _FILESET = 2, 12
_VERSION = re.compile(rb"Darwin Kernel Version (\d{1,3}\.\d{1,3}(?:\.\d{1,3})?): ([\x20-\x7e]{8,200})")
_OVERLAP = 300
_MOST_READ = 128 << 20
_MOST_KERNELS = 16


@dataclass(frozen=True)
class Kernel:
    """One kernel, or the trace of one."""

    where: str
    """Its path and partition; for a trace where on the disk its version string lies."""
    arches: tuple[str, ...] = ()
    """Processors that it has code for; empty where that could not be read."""
    release: str | None = None
    """As `uname -r` prints it."""
    version: str = ""
    """The whole string."""
    size: int = 0
    note: str = ""
    found_by: str = "path"
    """path: a file where loaders look. string: only its version string, somewhere on the disk."""


def architectures(head: bytes) -> tuple[str, ...] | None:
    """Processors of a Mach-O program by its first bytes, thin or fat; None when it is none."""
    if head[:4] in _FAT and len(head) >= 8:
        each = _FAT[head[:4]]
        (count,) = struct.unpack_from(">I", head, 4)
        if not 0 < count <= 16 or len(head) < 8 + count * each:
            return None  # a Java class begins like this, too, with its version in place of a small count
        kinds = [struct.unpack_from(">I", head, 8 + index * each)[0] for index in range(count)]
        return tuple(_cpu(kind) for kind in kinds)
    order = _THIN.get(head[:4])
    if order is None or len(head) < 28:
        return None
    cpu, _, filetype = struct.unpack_from(f"{order}III", head, 4)
    return (_cpu(cpu),) if filetype in (_EXECUTE, _FILESET) else None


def _cpu(kind: int) -> str:
    return _CPUS.get(kind, f"processor {kind:#x}")


def version_in(pieces: Iterable[bytes]) -> tuple[str | None, str]:
    """Release and whole version string that a stream of bytes holds; (None, "") without."""
    tail, read, match = b"", 0, None
    for piece in pieces:
        joined = tail + piece
        match = _VERSION.search(joined)
        if match and match.end() < len(joined):
            break  # else it may go on in the next piece
        tail = joined[-_OVERLAP:]
        read += len(piece)
        if read >= _MOST_READ:
            break
    return (match[1].decode(), clean(match[0].decode("ascii"))) if match else (None, "")


def arch_of_version(version: str) -> tuple[str, ...]:
    """The processor that a version string names at its end (`RELEASE_X86_64`)."""
    match = re.search(r"/[A-Z0-9]+_(X86_64|I386|ARM64|ARM|PPC)", version)
    return (match[1].lower(),) if match else ()


def kernels_of(system: FileSystem, where: str) -> tuple[list[Kernel], list[str]]:
    """Kernels in the places where loaders look, and what was damaged. `where` names the volume for a reader."""
    found: list[Kernel] = []
    damage: list[str] = []
    for folder in FOLDERS:
        try:
            entry = find(system, folder)
            inside = system.entries(entry) if entry and entry.folder else []
        except Damaged as fault:
            damage.append(f"{where}, /{folder}: {fault}")
            continue
        for item in inside:
            if item.folder or not _NAMES.fullmatch(item.name) or len(found) >= _MOST_KERNELS:
                continue
            path = f"/{folder}/{item.name}".replace("//", "/")
            try:
                kernel = _look(system, item, f"{path} on {where}")
            except Damaged as fault:
                damage.append(f"{where}, {path}: {fault}")
            else:
                found += [kernel] if kernel else []
    return found, damage


def _look(system: FileSystem, item: Entry, where: str) -> Kernel | None:
    if item.note:
        return Kernel(where, note=f"{item.note}: not read")
    head = start(system, item, 4096)
    packed = _PACKED.get(head[:8])
    if packed:
        return Kernel(where, size=item.size, note=f"packed by {packed}: its version and processor are not read")
    if b"IM4P" in head[:32]:
        return Kernel(where, arches=("arm64",), size=item.size, note="signed and packed for Apple's own loaders (IMG4)")
    arches = architectures(head)
    if arches is None:
        return None
    release, version = version_in(system.stream(item))
    return Kernel(where, arches, release, version, item.size, "" if release else "it holds no version string")


def traces(pieces: Iterator[tuple[int, bytes]]) -> list[Kernel]:
    """Each different version string in the pieces of a disk (offset, bytes): for file systems that are not read."""
    found: dict[str, Kernel] = {}
    tail, end = b"", -1
    cut: list[tuple[int, re.Match[bytes]]] = []
    for at, piece in pieces:
        joined = tail + piece if at == end else piece
        begin = at + len(piece) - len(joined)
        if at != end:
            _keep(found, cut)  # a hole came after it: that was its end
        whole = [(begin + match.start(), match) for match in _VERSION.finditer(joined)]
        cut = [item for item in whole if item[1].end() == len(joined)]
        _keep(found, [item for item in whole if item not in cut])
        tail, end = joined[-_OVERLAP:], at + len(piece)
    _keep(found, cut)
    return list(found.values())


def _keep(found: dict[str, Kernel], matches: list[tuple[int, re.Match[bytes]]]) -> None:
    for at, match in matches:
        version = clean(match[0].decode("ascii"))
        if version not in found and len(found) < _MOST_KERNELS:
            arches = arch_of_version(version)
            found[version] = Kernel(f"byte {at} of the disk", arches, match[1].decode(), version, found_by="string")
