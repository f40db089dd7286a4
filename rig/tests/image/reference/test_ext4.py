"""The file system: filled without root, free of whoever built it, and loud when something does not fit."""

import os
import subprocess
from pathlib import Path

import pytest

from rig.errors import ImageError
from rig.image.reference.ext4 import debugfs_complaints, fill_script, make_filesystem
from rig.image.reference.recipe import Disk, data_dir
from rig.image.reference.tree import Tree

DISK = Disk(size_mib=64, inodes=1024, journal_mib=4, uuid="5052a1d0-1bc0-4f0e-8e0c-52494752454d", signature="52494721")
SIZE = 16 << 20


def sample() -> Tree:
    tree = Tree()
    tree.file("etc/shadow", b"root::\n", 0o600)
    tree.file("usr/bin/tool", b"\0" * 9000 + b"end", 0o755)
    tree.link("bin", "usr/bin")
    tree.link("long", "/a" * 60)
    tree.directory("tmp", 0o1777)
    tree.character("dev/console", 5, 1, 0o600)
    return tree


def build(where: Path, tree: Tree, *, name: str = "fs") -> Path:
    scratch = where / f"{name}.scratch"
    scratch.mkdir()
    target = where / name
    config = data_dir() / "mke2fs.conf"
    make_filesystem(tree, DISK, SIZE, 1_700_000_000, config=config, scratch=scratch, target=target)
    return target


def ask(filesystem: Path, request: str) -> str:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    done = subprocess.run(
        ["debugfs", "-R", request, str(filesystem)],
        env={**os.environ, "PATH": path, "TZ": "UTC", "DEBUGFS_PAGER": "cat"},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def filesystem(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("ext4"), sample())


@pytest.mark.parametrize(
    ("path", "kind", "mode"),
    [
        ("/", "directory", "0755"),
        ("/etc", "directory", "0755"),
        ("/etc/shadow", "regular", "0600"),
        ("/usr/bin/tool", "regular", "0755"),
        ("/tmp", "directory", "01777"),
        ("/bin", "symlink", "0777"),
        ("/dev/console", "character special", "0600"),
    ],
)
def test_every_inode_belongs_to_root_with_its_mode_and_the_fixed_time(filesystem, path, kind, mode):
    shown = ask(filesystem, f"stat {path}")
    words = " ".join(shown.split())
    assert f"Type: {kind} Mode: {mode}" in words
    assert "User: 0 Group: 0" in words
    for stamp in ("ctime", "atime", "mtime", "crtime"):
        assert f" {stamp}: 0x6553f100:00000000 -- Tue Nov 14 22:13:20 2023" in words


def test_contents_links_and_devices_are_as_asked(filesystem):
    assert ask(filesystem, "cat /usr/bin/tool") == "\0" * 9000 + "end"
    assert 'Fast link dest: "usr/bin"' in ask(filesystem, "stat /bin")
    assert ask(filesystem, "cat /long") == "/a" * 60
    assert "Device major/minor number: 05:01" in ask(filesystem, "stat /dev/console")


def test_what_the_builder_is_decides_nothing(filesystem, tmp_path):
    before = os.umask(0o077)
    try:
        again = build(tmp_path, sample())
    finally:
        os.umask(before)
    assert again.read_bytes() == filesystem.read_bytes()


def test_owner_and_times_of_every_entry_are_set_whoever_runs_the_tools(tmp_path):
    # When root runs the tests, the file system alone cannot show that its owner is not the builder.
    lines = fill_script(sample(), tmp_path, 7)
    for path, _ in sample():
        for field in ("uid 0", "gid 0", "atime @7", "ctime @7", "mtime @7", "crtime @7"):
            assert f"sif /{path} {field}" in lines


def test_another_content_is_another_file_system(filesystem, tmp_path):
    tree = sample()
    tree.file("etc/more", b"")
    assert build(tmp_path, tree).read_bytes() != filesystem.read_bytes()


def test_a_tree_that_does_not_fit_is_an_error(tmp_path):
    tree = Tree()
    tree.file("big", os.urandom(SIZE))
    with pytest.raises(ImageError, match="cannot fill the root file system") as caught:
        build(tmp_path, tree)
    assert "size_mib" in caught.value.hint


def test_complaints_are_told_from_the_version_line():
    words = "debugfs 1.47.0 (5-Feb-2023)\nwrite: Could not allocate block in ext2 filesystem\n"
    assert debugfs_complaints(words) == ["write: Could not allocate block in ext2 filesystem"]
    assert debugfs_complaints("debugfs 1.47.0 (5-Feb-2023)\n") == []
