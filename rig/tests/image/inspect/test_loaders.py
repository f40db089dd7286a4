from __future__ import annotations

import pytest

from rig.image.inspect.fat import Fat
from rig.image.inspect.hfsplus import HfsPlus
from rig.image.inspect.loaders import efi_programs, first_sector, partition_sector, pe_machine, second_stage
from rig.spec import Firmware
from rig.tests.image.inspect.disks import BOOT0, BOOT1H, GRUB, PLIST, esp, program
from rig.tests.image.inspect.fatfs import fat
from rig.tests.image.inspect.hfs import hfsplus
from rig.tests.image.inspect.test_filesystems import part

PREFS = "/Library/Preferences/SystemConfiguration/com.apple.Boot.plist"


@pytest.mark.parametrize(
    ("code", "kind", "darwin"),
    [
        (BOOT0, "boot0", True),
        (GRUB, "GRUB", False),
        (b"\x33\xc0 Invalid partition table", "a plain MBR", False),
        (b"\x90" * 400, "unknown", False),
    ],
)
def test_the_first_sector(code: bytes, kind: str, darwin: bool) -> None:
    found = first_sector(code)
    assert found is not None and found.kind.startswith(kind)
    assert (found.firmware, found.stage, found.darwin) == (Firmware.BIOS, 0, darwin)


def test_no_code_is_no_loader() -> None:
    assert first_sector(b"") is None


def test_a_partitions_first_sector() -> None:
    hfs = partition_sector(part(hfsplus({"/a": b"a"}, boot_sector=BOOT1H)), "partition 1", fat=False)
    assert hfs is not None and hfs.kind.startswith("boot1h") and hfs.stage == 1
    dos = partition_sector(part(fat({"/A": b"a"}, code=b"BOOT    ")), "partition 1", fat=True)
    assert dos is not None and dos.kind.startswith("boot1f32")
    assert partition_sector(part(fat({"/A": b"a"})), "partition 1", fat=True) is None
    assert partition_sector(part(b"x"), "partition 1", fat=False) is None


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (b"Darwin/x86 boot v5.0.132 - Chameleon v2.3 Enoch r2924", "Enoch"),
        (b"Darwin/x86 boot v5.0.132 - Chameleon v2.0-RC4 r684", "Chameleon"),
        (b"Darwin/x86 boot v5.0.132", "boot-132"),
    ],
)
@pytest.mark.parametrize("startup", [True, False])
def test_the_second_stage(words: bytes, kind: str, startup: bool) -> None:
    content = bytes(9000) + words
    raw = hfsplus({"/a": b"a"}, startup=content) if startup else hfsplus({"/boot": content})
    system = HfsPlus(part(raw))
    (found,) = second_stage(system, "partition 1", system.startup_file())
    assert found.kind.startswith(kind) and found.darwin and found.stage == 2
    assert found.where == ("startup file on partition 1" if startup else "/boot on partition 1")
    assert found.boot_args is None


def test_a_boot_file_that_is_no_loader() -> None:
    assert second_stage(HfsPlus(part(hfsplus({"/boot": b"text"}))), "partition 1") == []
    assert second_stage(HfsPlus(part(hfsplus({"/boot/grub/x": b"text"}))), "partition 1") == []


def test_kernel_flags_of_a_plist() -> None:
    files = {"/boot": b"Enoch", PREFS: PLIST % b"-v rd=disk0s1"}
    (found,) = second_stage(HfsPlus(part(hfsplus(files))), "partition 1")
    assert (found.boot_args, found.args_from) == ("-v rd=disk0s1", PREFS)
    files["/Extra/org.chameleon.Boot.plist"] = PLIST % b"serial=3"
    (found,) = second_stage(HfsPlus(part(hfsplus(files))), "partition 1")
    assert (found.boot_args, found.args_from) == ("serial=3", "/Extra/org.chameleon.Boot.plist")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<plist><array/></plist>",
        b"<plist><dict><key>Kernel Flags</key></dict></plist>",
        b"<plist><dict><key>Kernel Flags</key><integer>x</integer></dict></plist>",
        b"bplist00" + b"\xff" * 60,
        b'<!DOCTYPE p [<!ENTITY a "a">]><plist><string>&a;</string></plist>',
        b"<plist><date>9</date></plist>",
    ],
)
def test_a_plist_that_is_none(text: bytes) -> None:
    (found,) = second_stage(HfsPlus(part(hfsplus({"/boot": b"Enoch", PREFS: text}))), "partition 1")
    assert found.boot_args is None


@pytest.mark.parametrize(
    ("words", "kind"),
    [("XNU EFI loader start", "xnu-loader"), ("OpenCore", "OpenCore"), ("GRUB", "GRUB"), ("?", "unknown EFI program")],
)
def test_efi_programs(words: str, kind: str) -> None:
    system = Fat(part(fat(esp(**{"BOOTX64.EFI": program(words)}))))
    (found,) = efi_programs(system, "partition 1")
    assert (found.kind, found.arches) == (kind, ("x86_64",))
    assert found.boot_args == ("-v serial=3" if kind == "xnu-loader" else None)


def test_efi_programs_of_other_names_and_processors() -> None:
    files = {
        "EFI/BOOT/BOOTAA64.EFI": program(machine=0xAA64),
        "EFI/BOOT/BOOTX64.EFI": b"no program",
        "EFI/BOOT/SHELL.EFI": program(),
    }
    assert [found.arches for found in efi_programs(Fat(part(fat(files))), "p")] == [("arm64",)]
    assert efi_programs(Fat(part(fat({"/A": b"a"}))), "p") == []


@pytest.mark.parametrize("raw", [b"", b"MZ", b"MZ" + b"\xff" * 70, program()[:130]])
def test_what_is_no_efi_program(raw: bytes) -> None:
    assert pe_machine(raw) is None
