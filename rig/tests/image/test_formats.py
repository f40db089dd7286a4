from __future__ import annotations

import gzip
import lzma
import os
from pathlib import Path

import pytest

from rig.errors import ImageError
from rig.image.formats import Kind, sniff, wrong_kind
from rig.tests.image.conftest import as_format, raw_disk


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", Kind.EMPTY),
        (raw_disk(), Kind.RAW),
        (lzma.compress(b"x"), Kind.XZ),
        (gzip.compress(b"x", mtime=0), Kind.GZ),
        (b"PK\x03\x04" + bytes(30), Kind.ZIP),
        (b"7z\xbc\xaf\x27\x1c" + bytes(30), Kind.SEVEN),
        (b"# Disk DescriptorFile\nversion=1\n", Kind.VMDK_TEXT),
        (b"COWD" + bytes(600), Kind.VMDK),
        (b"\n <!DOCTYPE html><title>log in</title>", Kind.PAGE),
        (b"Not Found", Kind.TEXT),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", Kind.TEXT),
        (bytes(1024) + b"koly" + bytes(508), Kind.DMG),
        (bytes(1024) + b"conectix" + bytes(504), Kind.VHD),
        (bytes(64) + b"\x7f\x10\xda\xbe" + bytes(600), Kind.VDI),
    ],
)
def test_a_file_is_told_by_its_bytes(tmp_path: Path, content: bytes, kind: Kind) -> None:
    path = tmp_path / "misleading.qcow2"
    path.write_bytes(content)
    assert sniff(path) is kind


@pytest.mark.parametrize(("fmt", "kind"), [("qcow2", Kind.QCOW2), ("vmdk", Kind.VMDK), ("vdi", Kind.VDI)])
def test_what_qemu_img_writes_is_known(raw: Path, fmt: str, kind: Kind) -> None:
    assert sniff(as_format(raw, fmt)) is kind


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(ImageError, match="no regular file"):
            sniff(path)
    with pytest.raises(ImageError, match="No such file"):
        sniff(tmp_path / "absent")


def test_the_error_names_what_it_is_and_the_way_out() -> None:
    fault = wrong_kind("x.7z", Kind.SEVEN, "a raw disk image")
    assert "this is a 7z archive; expected a raw disk image" in fault.message
    assert "7z x" in fault.hint
