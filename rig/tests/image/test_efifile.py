"""A file of the EFI partition, changed in an overlay; read back by a reader that shares nothing with what wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.errors import ImageError
from rig.image import qemuimg
from rig.image.efifile import change_efi_file
from rig.image.fatfile import FatFile
from rig.image.inspect.blocks import Part, opened
from rig.image.inspect.fat import Fat
from rig.image.inspect.partitions import read_tables
from rig.image.overlay import create_overlay
from rig.spec import ImageFormat
from rig.tests.image.inspect.disks import bios_disk, gpt, program
from rig.tests.image.inspect.fatfs import fat

PATH = "/EFI/BOOT/boot-args.txt"
FLAGS = "-v debug=0x219 keepsyms=1 serial=3"
KERNEL = bytes(range(256)) * 40


def files(content: bytes = FLAGS.encode()) -> dict[str, bytes]:
    return {"EFI/BOOT/BOOTX64.EFI": program(), PATH: content, "EFI/BOOT/kernel": KERNEL}


def contents(volume: bytes | Part) -> dict[str, bytes]:
    """Every file of a FAT volume, as the rig's own reader sees it."""

    class Bytes:
        size = len(volume) if isinstance(volume, bytes) else volume.size

        def read(self, at: int, count: int) -> bytes:
            return volume[at : at + count] if isinstance(volume, bytes) else volume.read(at, count)

    system = Fat(Part(Bytes(), 0, Bytes.size))
    found: dict[str, bytes] = {}
    folders = [("", system.root())]
    while folders:
        path, folder = folders.pop()
        for entry in system.entries(folder):
            if entry.folder:
                folders.append((f"{path}/{entry.name}", entry))
            else:
                found[f"{path}/{entry.name}"] = b"".join(system.stream(entry))
    return found


@pytest.fixture
def overlay(tmp_path: Path):
    """Make an overlay over a disk of these bytes."""

    def make(disk: bytes | bytearray) -> Path:
        raw = tmp_path / "disk.raw"
        raw.write_bytes(disk)
        base = tmp_path / "base.qcow2"
        qemuimg.convert(raw, ImageFormat.RAW, base)
        return create_overlay(base, tmp_path / "a, comma.qcow2")

    return make


def efi_contents(disk: Path) -> dict[str, bytes]:
    with opened(disk, ImageFormat.QCOW2) as blocks:
        part = next(one for one in read_tables(blocks).partitions if one.type == "EFI system")
        return contents(Part(blocks, part.start, part.size))


def uefi(volume: bytes) -> bytearray:
    efi, linux = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0fc63daf-8483-4772-8e79-3d69d8477de4"
    return gpt([(linux, b"x" * 512 * 100, "first"), (efi, volume, "ESP"), (linux, b"y" * 512 * 900, "root")])


@pytest.mark.parametrize("bits", [12, 16, 32])
@pytest.mark.parametrize("longer", ["", " x=" + "y" * 900], ids=["in its cluster", "in more clusters"])
def test_the_file_is_changed_in_the_overlay_and_nothing_else_is(overlay, tmp_path, bits, longer):
    disk = overlay(uefi(fat(files(), bits=bits)))
    base = (tmp_path / "base.qcow2").read_bytes()
    seen: list[str] = []

    def change(text: str) -> str:
        seen.append(text)
        return f"{text} panic=1{longer}"

    wanted = f"{FLAGS} panic=1{longer}"
    assert change_efi_file(disk, PATH, change) == wanted
    assert seen == [FLAGS]
    found = efi_contents(disk)
    assert found == {f"/{name.lstrip('/')}": data for name, data in files(wanted.encode()).items()}
    assert (tmp_path / "base.qcow2").read_bytes() == base
    after = tmp_path / "after.raw"
    qemuimg.extract(disk, ImageFormat.QCOW2, 64 * 512, 100 * 512, after)
    assert after.read_bytes() == b"x" * 512 * 100
    assert {path.name for path in tmp_path.iterdir()} == {"disk.raw", "base.qcow2", "a, comma.qcow2", "after.raw"}


def test_only_what_differs_is_written(overlay):
    disk = overlay(uefi(fat({"filler": b"z" * (8 << 20), **files()}, bits=32)))
    before = disk.stat().st_size
    change_efi_file(disk, PATH, lambda text: text.replace("0x219", "0xc"))
    assert disk.stat().st_size - before < 1 << 20


def test_a_file_may_be_empty_or_end_in_a_newline_and_the_case_of_its_name_is_nothing(overlay):
    disk = overlay(uefi(fat(files(b""))))
    assert change_efi_file(disk, PATH.lower(), lambda text: f"<{text}>") == "<>"
    change_efi_file(disk, PATH.upper(), lambda text: f"{text}\n")
    assert change_efi_file(disk, PATH, lambda text: text * 2) == "<><>"
    change_efi_file(disk, PATH, lambda text: "")
    assert efi_contents(disk)[PATH] == b""


@pytest.mark.parametrize(
    ("disk", "path", "message"),
    [
        (bios_disk(), PATH, "no EFI system partition whose file could be changed; its partitions: Apple HFS"),
        (uefi(fat(files())), "/EFI/BOOT/none.txt", r"has no /EFI/BOOT/none.txt: .* boot-args.txt, kernel"),
        (uefi(fat(files())), "/EFI/PureDarwin/x", "where PureDarwin is looked for, there is BOOT"),
        (uefi(fat(files())), "/EFI/BOOT", "is a directory"),
        (uefi(fat(files())), "/EFI/BOOT/kernel/x", "has no /EFI/BOOT/kernel/x"),
        (uefi(bytes(1 << 20)), PATH, "FAT file system"),
        (uefi(b"no FAT at all " * 5000), PATH, "FAT file system"),
        (uefi(fat(files(b"x" * 70_000))), PATH, "70000 bytes: that is no file of flags"),
    ],
    ids=["no partition", "no file", "no folder", "a folder", "a file as folder", "blank", "not FAT", "too large"],
)
def test_what_cannot_be_changed_is_told_and_left_alone(overlay, disk, path, message):
    made = overlay(disk)
    before = made.read_bytes()
    with pytest.raises(ImageError, match=message):
        change_efi_file(made, path, lambda text: text + " x")
    assert made.read_bytes() == before


def test_a_change_that_is_refused_leaves_the_overlay_alone(overlay):
    made = overlay(uefi(fat(files())))
    before = made.read_bytes()

    def refuse(text: str) -> str:
        raise ImageError("no")

    with pytest.raises(ImageError, match="no"):
        change_efi_file(made, PATH, refuse)
    assert made.read_bytes() == before


SMALL = fat(files())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 3 * 600), max_size=4))
def test_any_lengths_one_after_the_other(tmp_path, lengths):
    volume = tmp_path / "volume"
    volume.write_bytes(SMALL)
    for number, length in enumerate(lengths):
        data = bytes([65 + number]) * length
        with FatFile(volume, PATH) as file:
            file.write(data)
        with FatFile(volume, PATH) as file:
            assert file.read() == data
        assert contents(volume.read_bytes()) == {f"/{k.lstrip('/')}": v for k, v in files(data).items()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 40_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=12))
def test_damage_is_told_and_never_a_traceback(tmp_path, changes):
    raw = bytearray(SMALL)
    for place, data in changes:
        at = place % (len(raw) - len(data))
        raw[at : at + len(data)] = data
    volume = tmp_path / "volume"
    volume.write_bytes(raw)
    try:
        with FatFile(volume, PATH) as file:
            file.read()
            file.write(b"new")
    except ImageError:
        pass
