"""Images that reach for other files of the host are refused from their bytes, before any tool opens them."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from rig.errors import ImageError
from rig.image.headers import vet_header
from rig.spec import ImageFormat
from rig.tests.image.conftest import as_format

QCOW2, VMDK, RAW = ImageFormat.QCOW2, ImageFormat.VMDK, ImageFormat.RAW


def _qemu_img(*args: object) -> None:
    subprocess.run(["qemu-img", *map(str, args)], check=True, capture_output=True)


def _patched(path: Path, at: int, content: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[at : at + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("fmt", [QCOW2, VMDK])
def test_whole_images_pass(raw: Path, fmt: ImageFormat) -> None:
    vet_header(as_format(raw, fmt), fmt, "x")
    vet_header(raw, RAW, "x")


def test_old_qcow2_and_stream_optimized_vmdk_pass(raw: Path) -> None:
    vet_header(as_format(raw, "qcow2", "-o", "compat=0.10"), QCOW2, "x")
    vet_header(as_format(raw, "vmdk", "-o", "subformat=streamOptimized"), VMDK, "x")


def test_qcow2_with_a_backing_file(tmp_path: Path, raw: Path) -> None:
    thief = tmp_path / "thief.qcow2"
    _qemu_img("create", "-f", "qcow2", "-F", "raw", "-b", raw, thief)
    with pytest.raises(ImageError, match=r"refused.*disk\.raw"):
        vet_header(thief, QCOW2, "thief")


def test_qcow2_with_a_data_file(tmp_path: Path) -> None:
    thief = tmp_path / "thief.qcow2"
    _qemu_img("create", "-f", "qcow2", "-o", f"data_file={tmp_path / 'secret'}", thief, "1M")
    with pytest.raises(ImageError, match=r"refused.*another file"):
        vet_header(thief, QCOW2, "thief")


def test_qcow2_that_is_encrypted_corrupt_unknown_or_cut(raw: Path) -> None:
    good = as_format(raw, "qcow2").read_bytes()
    for at, content, words in [
        (32, struct.pack(">I", 1), "encrypted"),
        (72, struct.pack(">Q", 2), "marked corrupt"),
        (4, struct.pack(">I", 9), "version 9"),
        (24, struct.pack(">Q", 0), "0 bytes"),
    ]:
        path = raw.with_suffix(".qcow2")
        path.write_bytes(good)
        with pytest.raises(ImageError, match=words):
            vet_header(_patched(path, at, content), QCOW2, "x")
    path.write_bytes(good[:40])
    with pytest.raises(ImageError, match="cut short"):
        vet_header(path, QCOW2, "x")


def test_vmdk_with_a_parent(tmp_path: Path, raw: Path) -> None:
    as_format(raw, "vmdk")
    child = tmp_path / "child.vmdk"
    _qemu_img("create", "-f", "vmdk", "-F", "vmdk", "-b", tmp_path / "disk.vmdk", child)
    with pytest.raises(ImageError, match=r"refused.*disk\.vmdk"):
        vet_header(child, VMDK, "child")


def test_vmdk_whose_descriptor_alone_speaks(raw: Path) -> None:
    """With capacity 0 QEMU takes the embedded descriptor for one of several files, and opens what it names."""
    path = _patched(as_format(raw, "vmdk"), 12, bytes(8))
    with pytest.raises(ImageError, match=r"refused.*names other files"):
        vet_header(path, VMDK, "x")


def test_vmdk_of_esx_or_cut_short(raw: Path) -> None:
    path = as_format(raw, "vmdk")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ImageError, match="cut short"):
        vet_header(path, VMDK, "x")
    path.write_bytes(b"COWD" + bytes(2048))
    with pytest.raises(ImageError, match="refused"):
        vet_header(path, VMDK, "x")


def test_raw_of_a_broken_sector(raw: Path) -> None:
    raw.write_bytes(raw.read_bytes()[:-100])
    with pytest.raises(ImageError, match="no whole number of 512-byte sectors"):
        vet_header(raw, RAW, "x")
