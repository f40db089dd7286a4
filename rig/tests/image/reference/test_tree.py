"""The tree in memory, and the initramfs archive read back field by field."""

from typing import Any

import pytest

from rig.errors import ImageError
from rig.image.reference.tree import Kind, Tree, add_merged_links, cpio, merged

FIELDS = ["ino", "mode", "uid", "gid", "nlink", "mtime", "size"]
FIELDS += ["devmajor", "devminor", "rmajor", "rminor", "namesize", "check"]


def read_cpio(data: bytes) -> dict[str, dict[str, Any]]:
    """An independent reader of the newc format."""
    found: dict[str, dict[str, Any]] = {}
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = {n: int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i, n in enumerate(FIELDS)}
        name = data[at + 110 : at + 110 + fields["namesize"] - 1].decode()
        at = (at + 110 + fields["namesize"] + 3) & ~3
        if name == "TRAILER!!!":
            assert not data[at:].strip(b"\0")
            return found
        found[name] = fields | {"data": data[at : at + fields["size"]]}
        at = (at + fields["size"] + 3) & ~3


def test_parents_come_first_whatever_the_order_of_adding():
    tree = Tree()
    tree.file("a-b", b"")
    tree.file("a/z/deep", b"")
    tree.file("a/b", b"")
    assert [path for path, _ in tree] == ["a", "a/b", "a/z", "a/z/deep", "a-b"]


def test_a_directory_said_again_takes_the_last_mode():
    tree = Tree()
    tree.file("root/.ssh/authorized_keys", b"", 0o600)
    tree.directory("root", 0o700)
    assert tree["root"].mode == 0o700
    assert tree["root/.ssh"].mode == 0o755


@pytest.mark.parametrize("path", ["/abs", "", "a b", "a/../b", "a\nb", 'a"b'])
def test_paths_that_no_image_tool_would_take_are_refused(path):
    with pytest.raises(ImageError, match="not a path"):
        Tree().file(path, b"")


def test_one_path_cannot_be_two_things():
    tree = Tree()
    tree.file("etc/hosts", b"one")
    tree.file("etc/hosts", b"one")
    with pytest.raises(ImageError, match="two different things"):
        tree.file("etc/hosts", b"two")
    with pytest.raises(ImageError, match="no directory"):
        tree.file("etc/hosts/x", b"")
    with pytest.raises(ImageError, match="a directory and something else"):
        tree.directory("etc/hosts")


def test_merged_paths():
    assert merged("bin/dash") == "usr/bin/dash"
    assert merged("lib64/ld.so") == "usr/lib64/ld.so"
    assert merged("usr/bin/dash") == "usr/bin/dash"
    assert merged("boot/vmlinuz") == "boot/vmlinuz"


def test_cpio_holds_every_entry_with_the_given_time_and_roots_ownership():
    tree = Tree()
    add_merged_links(tree)
    tree.file("init", b"#!/bin/sh\n", 0o755)
    tree.file("odd", b"12345")
    tree.character("dev/console", 5, 1, 0o600)
    found = read_cpio(cpio(tree, 1_700_000_000))
    assert {f["mtime"] for f in found.values()} == {1_700_000_000}
    assert {(f["uid"], f["gid"]) for f in found.values()} == {(0, 0)}
    assert found["init"]["mode"] == Kind.FILE.value | 0o755
    assert found["odd"]["data"] == b"12345"
    assert found["bin"]["data"] == b"usr/bin"
    assert found["bin"]["mode"] == 0o120777
    assert (found["dev/console"]["rmajor"], found["dev/console"]["rminor"]) == (5, 1)
    assert len({f["ino"] for f in found.values()}) == len(found)
