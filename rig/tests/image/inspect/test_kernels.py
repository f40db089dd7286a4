from __future__ import annotations

import pytest

from rig.image.inspect.hfsplus import HfsPlus
from rig.image.inspect.kernels import Kernel, architectures, kernels_of, traces, version_in
from rig.tests.image.inspect.disks import ARM64, I386, PPC, V9, V17, V20, X86_64, macho, universal
from rig.tests.image.inspect.hfs import hfsplus
from rig.tests.image.inspect.test_filesystems import part


def kernels(files: dict[str, bytes], compressed: str = "") -> list[Kernel]:
    found, damage = kernels_of(HfsPlus(part(hfsplus(files, compressed=compressed))), "partition 1")
    assert not damage
    return found


@pytest.mark.parametrize(
    ("head", "arches"),
    [
        (macho(X86_64), ("x86_64",)),
        (macho(I386), ("i386",)),
        (macho(ARM64), ("arm64",)),
        (macho(PPC), ("ppc",)),
        (universal((I386, macho(I386)), (X86_64, macho(X86_64))), ("i386", "x86_64")),
        (macho(99), ("processor 0x63",)),
        (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(400), None),
        (b"\x7fELF" + bytes(60), None),
        (macho()[:12] + b"\x06\0\0\0" + bytes(60), None),
        (macho()[:20], None),
        (b"", None),
    ],
)
def test_processors(head: bytes, arches: tuple[str, ...] | None) -> None:
    assert architectures(head[:4096]) == arches


def test_a_kernel_is_found_and_read() -> None:
    (kernel,) = kernels({"/mach_kernel": macho(I386, V9), "/etc/kernel": macho(), "/System/Library/Kernels/x": macho()})
    assert (kernel.where, kernel.arches, kernel.release) == ("/mach_kernel on partition 1", ("i386",), "9.8.0")
    assert (kernel.version, kernel.found_by, kernel.note) == (V9, "path", "")


def test_all_the_places_where_loaders_look() -> None:
    paths = [
        "/mach_kernel.voodoo",
        "/System/Library/Kernels/kernel.development",
        "/System/Library/PrelinkedKernels/prelinkedkernel",
        "/System/Library/KernelCollections/BootKernelExtensions.kc",
        "/System/Library/Caches/com.apple.kext.caches/Startup/kernelcache",
    ]
    found = kernels(dict.fromkeys(paths, macho()))
    assert [kernel.where.removesuffix(" on partition 1") for kernel in found] == paths


def test_what_cannot_be_read_of_a_kernel_is_said() -> None:
    path = "/System/Library/PrelinkedKernels/prelinkedkernel"
    (packed,) = kernels({path: b"complzss" + bytes(5000)})
    assert "packed by lzss" in packed.note and packed.arches == ()
    (by_system,) = kernels({path: macho()}, compressed=path)
    assert "compressed by the file system" in by_system.note
    (signed,) = kernels({path: b"\x30\x84\0\0\0\0\x16\x04IM4P" + bytes(5000)})
    assert signed.arches == ("arm64",)
    (mute,) = kernels({path: macho(version="nothing")})
    assert mute.arches == ("x86_64",) and "no version" in mute.note
    assert kernels({path: b"#!/bin/sh\n", "/kernel": b""}) == []


@pytest.mark.parametrize("step", [1, 7, 90, 1000, 100_000])
def test_a_version_across_pieces(step: int) -> None:
    program = macho(version=V17, size=3000)
    pieces = [program[at : at + step] for at in range(0, len(program), step)]
    assert version_in(iter(pieces)) == ("17.4.0", V17)
    placed = [(at, program[at : at + step]) for at in range(0, len(program), step)]
    (trace,) = traces(iter(placed))
    assert (trace.version, trace.release, trace.arches, trace.found_by) == (V17, "17.4.0", ("x86_64",), "string")
    assert trace.where == f"byte {program.index(b'Darwin')} of the disk"


def test_traces_are_told_once_each_and_end_at_holes() -> None:
    piece = V20.encode() + b"\0" + V20.encode() + b"\0" + V9.encode()
    assert [trace.version for trace in traces(iter([(0, piece), (1 << 20, V17.encode())]))] == [V20, V9, V17]
    assert traces(iter([(0, b"Darwin Kernel Version "), (4096, b"17.4.0: something else")])) == []


def test_nothing_printable_comes_through() -> None:
    release, version = version_in(iter([b"Darwin Kernel Version 17.4.0: good text\x1b[31mred\0"]))
    assert (release, version) == ("17.4.0", "Darwin Kernel Version 17.4.0: good text")
