from __future__ import annotations

from collections.abc import Callable

import pytest

from rig.image.catalogue import Catalogue
from rig.image.inspect.fit import Fit, fit, fits_of
from rig.image.inspect.survey import Survey
from rig.tests.image.conftest import make_spec, raw_disk
from rig.tests.image.inspect.disks import (
    ARM64,
    BOOT0,
    EFI,
    GRUB,
    I386,
    SECTOR,
    V9,
    V17,
    V20,
    bios_disk,
    esp,
    ext4,
    gpt,
    macho,
    mbr,
    program,
    uefi_disk,
)
from rig.tests.image.inspect.fatfs import fat

Look = Callable[[bytes | bytearray], Survey]
OLD, NEW = "puredarwin-17.4", "puredarwin-xnu20"


def against(found: Survey, name: str, *, own_release: bool = False) -> str:
    return "; ".join(fit(found, Catalogue.load().get(name), own_release=own_release).against)


def remarks(found: Survey, name: str, *, own_release: bool = False) -> str:
    return "; ".join(fit(found, Catalogue.load().get(name), own_release=own_release).remarks)


@pytest.mark.parametrize(("disk", "name"), [(bios_disk(), OLD), (uefi_disk(), NEW)])
def test_each_known_image_fits_its_entry_alone(look: Look, disk: bytes, name: str) -> None:
    fits = fits_of(look(disk), Catalogue.load())
    assert [one.name for one in fits] == [OLD, NEW], "what the rig builds takes no file"
    assert [one.name for one in fits if one.fits] == [name]
    assert remarks(look(disk), name) == ""


def test_the_wrong_firmware(look: Look) -> None:
    assert "boots by BIOS, but its first sector has no boot code; it boots by UEFI" in against(look(uefi_disk()), OLD)
    assert "no FAT partition has \\EFI\\BOOT\\BOOTX64.EFI; it boots by BIOS" in against(look(bios_disk()), NEW)


def test_no_loader(look: Look) -> None:
    assert "no boot code" in against(look(bios_disk(code=b"")), OLD)
    assert "BOOTX64.EFI" in against(look(uefi_disk(esp(**{"BOOTX64.EFI": None}))), NEW)
    arm = esp(**{"BOOTX64.EFI": None, "BOOTAA64.EFI": program(machine=0xAA64)})
    assert against(look(uefi_disk(arm)), NEW) == "its EFI programs are for arm64 only"


def test_no_kernel(look: Look) -> None:
    words = against(look(uefi_disk(esp(kernel=None))), NEW)
    assert words == "no Darwin kernel was found on it (not read: ext4 on partition 2)"


@pytest.mark.parametrize(
    ("cpu", "version", "words"),
    [(I386, V17, "i386 only"), (ARM64, V20, "arm64: qemu-system-x86_64 cannot"), (99, V20, "processor 0x63")],
)
def test_the_wrong_processor(look: Look, cpu: int, version: str, words: str) -> None:
    name = OLD if version == V17 else NEW
    disk = bios_disk(version, cpu) if name == OLD else uefi_disk(esp(kernel=macho(cpu, version)))
    assert words in against(look(disk), name)


def test_the_wrong_release(look: Look) -> None:
    found = look(bios_disk(V9))
    assert against(found, OLD) == "its kernel is Darwin 9.8.0, the entry is for 17.4.0"
    assert against(found, OLD, own_release=True) == ""
    assert "Darwin 9.8.0, the entry is for 17.4.0" in remarks(found, OLD, own_release=True)


def test_another_minor_release_fits_with_a_remark(look: Look) -> None:
    found = look(bios_disk(V17.replace("17.4.0", "17.7.0")))
    assert against(found, OLD) == "" and "Darwin 17.7.0; the entry was written for 17.4.0" in remarks(found, OLD)


def test_a_console_that_would_be_silent(look: Look) -> None:
    assert "serial= is not among the boot-args" in remarks(look(bios_disk(flags=b"-v")), OLD)


def test_a_loader_that_is_not_known(look: Look) -> None:
    disk = mbr([(0xA8, 64, 128, True)], GRUB).ljust(64 * SECTOR, b"\0") + ext4() + macho()
    found = look(disk.ljust(192 * SECTOR, b"\0"))
    assert against(found, OLD) == ""
    assert "loader (GRUB) is none that the rig knows" in remarks(found, OLD)
    assert "only its version string was found" in remarks(found, OLD)


def test_a_disk_that_was_cut_short(look: Look) -> None:
    assert "it was cut short" in against(look(bios_disk()[:-SECTOR]), OLD)


def test_an_apple_partition_map(look: Look) -> None:
    assert "PowerPC" in against(look(b"ER".ljust(SECTOR, b"\0") + b"PM".ljust(9 * SECTOR, b"\0")), OLD)


def test_the_very_file_that_is_pinned_fits_whatever_it_looks_like(look: Look) -> None:
    spec = Catalogue.load().get(OLD)
    found = look(raw_disk())
    assert fit(found, spec, spec.source.sha256) == Fit(
        OLD, (), ("it is the very file that the entry pins by its sha256",)
    )
    assert not fit(found, spec, "0" * 64).fits
    assert "pins another file" in "; ".join(fit(look(bios_disk()), spec, "0" * 64).remarks)


def test_an_entry_for_linux_asks_for_no_kernel_that_is_read(look: Look) -> None:
    spec = make_spec()
    assert fit(look(raw_disk()), spec).fits
    assert "for Linux" in "; ".join(fit(look(bios_disk()), spec).against)
    assert "no boot code" in "; ".join(fit(look(bytes(gpt([(EFI, fat(esp()), "")]))), spec).against)


def test_boot0_is_enough_of_a_loader(look: Look) -> None:
    disk = mbr([(0xA8, 64, 128, True)], BOOT0).ljust(64 * SECTOR, b"\0") + ext4() + macho()
    assert "is none that" not in remarks(look(disk.ljust(192 * SECTOR, b"\0")), OLD)
