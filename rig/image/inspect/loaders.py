"""Boot loaders: what BIOS code stands in the boot sectors, which second stage it loads, which EFI programs there are.

Facts: UEFI Specification 2.10, section 3.5.1.1 (\\EFI\\BOOT\\BOOT<machine>.EFI) and 4.1 (PE machine types); the
messages that boot0 and boot1h of Apple's boot-132, Chameleon and Enoch print; xnu-loader's own words.
"""

from __future__ import annotations

import plistlib
import struct
from dataclasses import dataclass
from xml.parsers.expat import ExpatError

from rig.image.inspect.blocks import Damaged, Part
from rig.image.inspect.files import Entry, FileSystem, find, start
from rig.image.inspect.text import clean
from rig.spec import Firmware

_MACHINES = {0x8664: "x86_64", 0x014C: "i386", 0xAA64: "arm64", 0x01C0: "arm"}
_EFI_NAMES = {"BOOTX64.EFI", "BOOTIA32.EFI", "BOOTAA64.EFI", "BOOTARM.EFI"}
_EFI_WORDS = (
    ("XNU EFI loader", "xnu-loader"),
    ("OpenCore", "OpenCore"),
    ("Clover", "Clover"),
    ("rEFInd", "rEFInd"),
    ("systemd-boot", "systemd-boot"),
    ("GRUB", "GRUB"),
    ("grub_", "GRUB"),
)
_BOOT_WORDS = (("Enoch", "Enoch (a Chameleon branch)"), ("Chameleon", "Chameleon"), ("Darwin/x86 boot", "boot-132"))
_MOST_LOADER = 8 << 20
_MOST_TEXT = 64 << 10
_PLISTS = (
    "Extra/org.chameleon.Boot.plist",
    "Extra/com.apple.Boot.plist",
    "Library/Preferences/SystemConfiguration/com.apple.Boot.plist",
)
_BOOT1H = bytes.fromhex("fa31c08ed0bcf0ff")
"""How boot1h begins: interrupts off, the stack to 0:fff0."""


@dataclass(frozen=True)
class Loader:
    """One stage of a boot, by BIOS or UEFI."""

    firmware: Firmware
    kind: str
    where: str
    stage: int
    """0: the disk's first sector. 1: a partition's first sectors. 2: what loads the kernel."""
    arches: tuple[str, ...] = ()
    """For EFI programs."""
    boot_args: str | None = None
    """The kernel's arguments, where the loader has them in a file."""
    args_from: str = ""

    @property
    def darwin(self) -> bool:
        """Whether it is a stage that loads Darwin's kernel, as far as one knows it."""
        return self.kind.startswith(("boot0", "boot1", "Enoch", "Chameleon", "boot-132", "xnu", "OpenCore", "Clover"))


def first_sector(code: bytes) -> Loader | None:
    """What the first sector's code is; None when there is none."""
    if not code:
        return None
    kind = "unknown code"
    if b"boot0" in code:
        kind = "boot0 (Chameleon, Enoch or Apple)"
    elif b"GRUB" in code:
        kind = "GRUB"
    elif b"isolinux" in code.lower() or b"syslinux" in code.lower():
        kind = "SYSLINUX"
    elif b"partition table" in code:
        kind = "a plain MBR: starts the active partition"
    return Loader(Firmware.BIOS, kind, "the first sector", 0)


def partition_sector(part: Part, where: str, *, fat: bool) -> Loader | None:
    """What code starts a partition; None when there is none that is known."""
    head = part.head(1024)
    if len(head) < 512 or head[510:512] != b"\x55\xaa":
        return None
    if head.startswith(_BOOT1H) or (b"boot1" in head and not fat):
        return Loader(Firmware.BIOS, "boot1h (starts /boot)", where, 1)
    if fat and (b"boot1" in head or head[90:98] == b"BOOT    "):
        return Loader(Firmware.BIOS, "boot1f32 (starts /boot)", where, 1)
    return None


def second_stage(system: FileSystem, where: str, extra: Entry | None = None) -> list[Loader]:
    """The file /boot (or `extra`, a startup file) where it is a loader of Darwin's. Raises Damaged."""
    found = []
    for item in (find(system, "boot"), extra):
        if item is None or item.folder or not item.size:
            continue
        content = start(system, item, _MOST_LOADER)
        for word, kind in _BOOT_WORDS:
            if word.encode() in content:
                args, source = _plist_args(system)
                name = "/boot" if item is not extra else item.name
                found.append(Loader(Firmware.BIOS, kind, f"{name} on {where}", 2, (), args, source))
                break
    return found


def efi_programs(system: FileSystem, where: str) -> list[Loader]:
    """The programs that UEFI starts by itself. Raises Damaged."""
    folder = find(system, "EFI/BOOT")
    inside = system.entries(folder) if folder is not None and folder.folder else []
    found = []
    for item in inside:
        if item.folder or item.name.upper() not in _EFI_NAMES:
            continue
        content = start(system, item, _MOST_LOADER)
        machine = pe_machine(content)
        if machine is None:
            continue
        kind = next((kind for word, kind in _EFI_WORDS if _says(content, word)), "unknown EFI program")
        args, source = _text_args(system) if kind == "xnu-loader" else (None, "")
        found.append(Loader(Firmware.UEFI, kind, f"\\EFI\\BOOT\\{item.name} on {where}", 2, (machine,), args, source))
    return found


def pe_machine(content: bytes) -> str | None:
    """The processor of an EFI program; None when it is none."""
    if content[:2] != b"MZ" or len(content) < 64:
        return None
    (at,) = struct.unpack_from("<I", content, 60)
    if content[at : at + 4] != b"PE\0\0" or len(content) < at + 6:
        return None
    (machine,) = struct.unpack_from("<H", content, at + 4)
    return _MACHINES.get(machine, f"processor {machine:#x}")


def _says(content: bytes, word: str) -> bool:
    return word.encode() in content or word.encode("utf-16-le") in content


def _text_args(system: FileSystem) -> tuple[str | None, str]:
    path = "EFI/BOOT/boot-args.txt"
    item = find(system, path)
    if item is None or item.folder:
        return None, ""
    return clean(start(system, item, _MOST_TEXT).decode("utf-8", "replace"), 500), f"/{path}"


def _plist_args(system: FileSystem) -> tuple[str | None, str]:
    """`Kernel Flags` of the first plist that a BIOS loader would read."""
    for path in _PLISTS:
        try:
            item = find(system, path)
            if item is None or item.folder or item.note:
                continue
            data = plistlib.loads(start(system, item, _MOST_TEXT))
        except (Damaged, ExpatError, plistlib.InvalidFileException, ValueError, KeyError, TypeError, AttributeError):
            continue
        except (IndexError, OverflowError, RecursionError):
            continue
        flags = data.get("Kernel Flags") if isinstance(data, dict) else None
        if isinstance(flags, str):
            return clean(flags, 500), f"/{path}"
    return None, ""
