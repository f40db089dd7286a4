"""Files out of a Debian package, made here with dpkg-deb itself."""

import subprocess
from pathlib import Path

import pytest

from rig.errors import ImageError
from rig.image.reference.archive import Archive


@pytest.fixture(scope="module")
def deb(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("deb")
    tree = root / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: sample\n"
    )
    library = tree / "usr/lib/x86_64-linux-gnu"
    library.mkdir(parents=True)
    (library / "libz.so.1.2.13").write_bytes(b"library")
    (library / "libz.so.1").symlink_to("libz.so.1.2.13")
    (tree / "lib64").mkdir()
    (tree / "lib64/ld.so").symlink_to("/usr/lib/x86_64-linux-gnu/libz.so.1")
    (tree / "usr/bin").mkdir()
    (tree / "usr/bin/tool").write_bytes(b"tool")
    (tree / "usr/bin/tool").chmod(0o755)
    target = root / "sample.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(target)], check=True, capture_output=True)
    return target


def test_a_link_brings_its_targets_along_link_by_link(deb, tmp_path):
    with Archive(deb, tmp_path) as archive:
        taken = {f.path: (f.link, f.data) for f in archive.take(["lib64/ld.so"])}
    assert taken == {
        "lib64/ld.so": ("/usr/lib/x86_64-linux-gnu/libz.so.1", b""),
        "usr/lib/x86_64-linux-gnu/libz.so.1": ("libz.so.1.2.13", b""),
        "usr/lib/x86_64-linux-gnu/libz.so.1.2.13": (None, b"library"),
    }


def test_modes_come_from_the_package(deb, tmp_path):
    with Archive(deb, tmp_path) as archive:
        (tool,) = archive.take(["usr/bin/*"])
    assert (tool.mode, tool.data) == (0o755, b"tool")


def test_a_pattern_that_matches_nothing_is_an_error(deb, tmp_path):
    with Archive(deb, tmp_path) as archive, pytest.raises(ImageError, match=r"sample\.deb holds no usr/bin/other"):
        archive.take(["usr/bin/tool", "usr/bin/other"])


def test_directories_are_not_matched_and_nothing_is_left_behind(deb, tmp_path):
    with Archive(deb, tmp_path) as archive:
        assert archive.match("usr/bin*") == ["usr/bin/tool"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_package_is_an_error(tmp_path):
    bad = tmp_path / "bad.deb"
    bad.write_bytes(b"no archive")
    with pytest.raises(ImageError, match=r"cannot unpack bad\.deb"), Archive(bad, tmp_path):
        pass
