"""A tree as an ext4 file system in a plain file, made without root and without mounting.

mke2fs makes an empty file system, debugfs fills it from a script that sets owner, mode and times of every inode: so
the file system holds nothing of who built it or when.
"""

from __future__ import annotations

from pathlib import Path

from rig.errors import ImageError
from rig.image.reference.recipe import Disk
from rig.image.reference.tools import run_tool
from rig.image.reference.tree import Kind, Node, Tree

_TIMES = ("atime", "ctime", "mtime", "crtime")


def make_filesystem(
    tree: Tree, disk: Disk, size: int, epoch: int, *, config: Path, scratch: Path, target: Path
) -> None:
    """Write `target`, a file system of `size` bytes that holds the tree.

    `config` is the mke2fs.conf used in place of the host's. Raises ImageError when the tree does not fit or a tool
    complains.
    """
    # Known to e2fsprogs' library: the time that every tool of it takes for now.
    env = {"E2FSPROGS_FAKE_TIME": str(epoch), "MKE2FS_CONFIG": str(config), "DEBUGFS_PAGER": "cat"}
    target.unlink(missing_ok=True)
    with target.open("wb") as file:
        file.truncate(size)
    extended = f"hash_seed={disk.uuid},root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    identity = ["-t", "ext4", "-L", "reference", "-U", disk.uuid, "-E", extended]
    shape = ["-m", "0", "-I", "256", "-N", str(disk.inodes), "-J", f"size={disk.journal_mib}"]
    run_tool(["mke2fs", "-q", "-F", *identity, *shape, str(target)], what="make the root file system", env=env)
    files = scratch / "files"
    files.mkdir()
    script = scratch / "fill.debugfs"
    script.write_text("\n".join(fill_script(tree, files, epoch)) + "\n", encoding="ascii")
    filled = run_tool(
        ["debugfs", "-w", "-f", str(script), str(target)], what="fill the root file system", cwd=files, env=env
    )
    complaints = debugfs_complaints(filled.stderr.decode(errors="replace"))
    if complaints:
        raise ImageError(
            f"cannot fill the root file system: {complaints[0]}",
            hint="if there is no room in it, raise disk.size_mib or disk.inodes in images/reference/recipe.yaml",
        )
    run_tool(["e2fsck", "-f", "-n", str(target)], what="check the new root file system", env=env)


def fill_script(tree: Tree, files: Path, epoch: int) -> list[str]:
    """debugfs commands that make the tree; contents go to numbered files in `files`, where debugfs is to run."""
    lines: list[str] = []
    for number, (path, node) in enumerate(tree):
        lines += _create(path, node, number, files)
        lines += _settle(path, node, epoch)
    # Filling a directory touches it again.
    lines += [f"sif /{path} {t} @{epoch}" for path, n in tree if n.kind is Kind.DIRECTORY for t in _TIMES]
    lines += [f"sif {path} {t} @{epoch}" for path in ("/", "/lost+found") for t in _TIMES]
    return lines


def debugfs_complaints(words: str) -> list[str]:
    """What debugfs had to say beside its version: it ends with 0 even when a command failed."""
    return [line for line in words.splitlines() if line.strip() and not line.startswith("debugfs 1.")]


def _create(path: str, node: Node, number: int, files: Path) -> list[str]:
    if node.kind is Kind.DIRECTORY:
        return [f"mkdir /{path}"]
    if node.kind is Kind.LINK:
        return [f"symlink /{path} {node.data.decode('ascii')}"]
    if node.kind is Kind.CHARACTER:
        directory, _, name = path.rpartition("/")
        # mknod knows no paths; and in any other place than / the commands take /name for ./name.
        return [f"cd /{directory}", f"mknod {name} c {node.device[0]} {node.device[1]}", "cd /"]
    source = files / str(number)
    source.write_bytes(node.data)
    return [f"write {number} /{path}"]


def _settle(path: str, node: Node, epoch: int) -> list[str]:
    fields = [("mode", f"0{node.kind.value | node.mode:o}"), ("uid", "0"), ("gid", "0")]
    fields += [(t, f"@{epoch}") for t in _TIMES]
    return [f"sif /{path} {field} {value}" for field, value in fields]
