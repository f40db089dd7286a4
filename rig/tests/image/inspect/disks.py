"""Whole disks for tests: tables, kernels, loaders, and the two shapes that PureDarwin comes in."""

from __future__ import annotations

import struct
import uuid
import zlib
from functools import cache

from rig.tests.image.inspect.fatfs import fat
from rig.tests.image.inspect.hfs import hfsplus

SECTOR = 512
MIB = 1 << 20
EFI = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
HFS = "48465300-0000-11aa-aa11-00306543ecac"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
X86_64, I386, ARM64, PPC = 0x01000007, 7, 0x0100000C, 18
V17 = "Darwin Kernel Version 17.4.0: Sun Dec 17 09:19:54 PST 2017; root:xnu-4570.41.2~1/RELEASE_X86_64"
V20 = "Darwin Kernel Version 20.5.0: Sat May  8 05:10:33 UTC 2021; root:xnu-7195.121.3~9/RELEASE_X86_64"
V9 = "Darwin Kernel Version 9.8.0: Wed Jul 15 16:55:01 PDT 2009; root:xnu-1228.15.4~1/RELEASE_I386"
BOOT0 = b"\xfa\x31\xc0" + bytes(380) + b"\r\nboot0: \0GPT\0test\0done\0error\0"
BOOT1H = (bytes.fromhex("fa31c08ed0bcf0ff") + bytes(400) + b"boot1: \0").ljust(510, b"\0") + b"\x55\xaa"
GRUB = b"\xeb\x63\x90" + bytes(370) + b"GRUB \0Geom\0Hard Disk\0"
PLIST = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict>'
    b"<key>Kernel Flags</key><string>%s</string></dict></plist>"
)


def macho(cpu: int = X86_64, version: str = V17, size: int = 20_000) -> bytes:
    """A program of that processor with a kernel's version string at two thirds."""
    big = cpu in (PPC,)
    magic = (0xFEEDFACF if cpu & 0x01000000 else 0xFEEDFACE).to_bytes(4, "big" if big else "little")
    head = magic + struct.pack(">III" if big else "<III", cpu, 3, 2)
    return (head.ljust(size * 2 // 3, b"\x90") + b"@(#)VERSION: " + version.encode() + b"\0").ljust(size, b"\xcc")


def universal(*programs: tuple[int, bytes]) -> bytes:
    """A fat binary of (processor, program)."""
    at, table, body = 4096, b"", b""
    for cpu, program in programs:
        table += struct.pack(">IIIII", cpu, 3, at + len(body), len(program), 12)
        body += program
    return (struct.pack(">II", 0xCAFEBABE, len(programs)) + table).ljust(4096, b"\0") + body


def program(words: str = "XNU EFI loader start", machine: int = 0x8664) -> bytes:
    """An EFI program that holds these words as UEFI has them."""
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 128)
    return head.ljust(128, b"\0") + b"PE\0\0" + struct.pack("<H", machine) + bytes(500) + words.encode("utf-16-le")


def mbr(parts: list[tuple[int, int, int, bool]], code: bytes = b"") -> bytes:
    """A first sector; each part as (type, first sector, sectors, active)."""
    table = b"".join(struct.pack("<B3xB3xII", 0x80 * on, kind, start, count) for kind, start, count, on in parts)
    return code.ljust(446, b"\0") + table.ljust(64, b"\0") + b"\x55\xaa"


def gpt(
    parts: list[tuple[str, bytes, str]],
    *,
    code: bytes = b"",
    hybrid: list[tuple[int, int, int, bool]] | None = None,
) -> bytearray:
    """A disk with a GPT and its backup; each part as (type, content, name), from 64 sectors on."""
    entries, start, placed = b"", 64, []
    for kind, content, name in parts:
        count = -(-len(content) // SECTOR)
        placed.append((start, content))
        named = name.encode("utf-16-le").ljust(72, b"\0")
        guid = uuid.UUID(int=start).bytes_le
        entries += uuid.UUID(kind).bytes_le + guid + struct.pack("<QQQ", start, start + count - 1, 0) + named
        start += count
    entries = entries.ljust(128 * 128, b"\0")
    last = start + 33
    disk = bytearray((last + 1) * SECTOR)
    for at, content in placed:
        disk[at * SECTOR : at * SECTOR + len(content)] = content

    def header(here: int, other: int, table: int) -> bytes:
        rest = struct.pack("<QQQQ16sQIII", here, other, 34, last - 33, b"u" * 16, table, 128, 128, zlib.crc32(entries))
        front = b"EFI PART" + struct.pack("<II", 0x10000, 92)
        return front + struct.pack("<I", zlib.crc32(front + bytes(8) + rest)) + bytes(4) + rest

    disk[0:SECTOR] = mbr([(0xEE, 1, last, False), *(hybrid or [])], code)
    disk[SECTOR : SECTOR + 92] = header(1, last, 2)
    disk[2 * SECTOR : 2 * SECTOR + len(entries)] = entries
    disk[last * SECTOR : last * SECTOR + 92] = header(last, 1, last - 32)
    disk[(last - 32) * SECTOR : (last - 32) * SECTOR + len(entries)] = entries
    return disk


def esp(**changes: bytes | None) -> dict[str, bytes]:
    """What the EFI partition of the fork has; `kernel=None` leaves a file out."""
    files: dict[str, bytes | None] = {
        "EFI/BOOT/BOOTX64.EFI": program(),
        "EFI/BOOT/kernel": macho(version=V20),
        "EFI/BOOT/boot-args.txt": b"-v serial=3",
    }
    files |= {f"EFI/BOOT/{name}": content for name, content in changes.items()}
    return {path: content for path, content in files.items() if content is not None}


def ext4(label: bytes = b"root", features: tuple[int, int] = (4, 0x40)) -> bytes:
    part = bytearray(64 * 1024)
    part[1080:1082] = b"\x53\xef"
    struct.pack_into("<II", part, 1024 + 92, *features)
    part[1144 : 1144 + len(label)] = label
    return bytes(part)


def uefi_disk(files: dict[str, bytes] | None = None) -> bytes:
    """As the 2026 fork's: GPT, an EFI partition with loader and kernel, a Linux file system as root."""
    return bytes(gpt([(EFI, fat(esp() if files is None else files), "ESP"), (LINUX, ext4(), "root")]))


@cache
def bios_disk(version: str = V17, cpu: int = X86_64, flags: bytes = b"-v serial=3", code: bytes = BOOT0) -> bytes:
    """As PureDarwin 17.4's: MBR, one HFS+ partition with boot1h, /boot and a kernel."""
    volume = hfsplus(
        {
            "/boot": b"\x90" * 5000 + b"Darwin/x86 boot v5.0.132 - Chameleon v2.3 Enoch r2924",
            "/System/Library/Kernels/kernel": macho(cpu, version),
            "/Library/Preferences/SystemConfiguration/com.apple.Boot.plist": PLIST % flags,
            "/bin/sh": b"x",
        },
        boot_sector=BOOT1H,
    )
    sectors = len(volume) // SECTOR
    return mbr([(0xAF, 64, sectors, True)], code).ljust(64 * SECTOR, b"\0") + volume
