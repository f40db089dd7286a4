"""A tool laid out of its packages: with pretended packages that hold this machine's ELF files."""

from pathlib import Path

import pytest

from rig.bench import tools
from rig.bench.tools import LOADER, Tool, Toolbox, library, needed
from rig.errors import ImageError


class Package:
    """Stands for an opened package."""

    def __init__(self, **files):
        self.files = files

    def match(self, pattern):
        tail = pattern.removeprefix("*/")
        return sorted(path for path in self.files if path.endswith("/" + tail))

    def take(self, patterns):
        from rig.image.reference.archive import PackedFile

        return [PackedFile(path, 0o644, data=self.files[path]) for path in patterns]


@pytest.fixture(scope="module")
def program():
    """A dynamic program of this machine."""
    return Path("/bin/ls").resolve().read_bytes()


@pytest.fixture(scope="module")
def plain():
    """A library that needs nothing: the dynamic loader of this machine."""
    return Path(f"/lib64/{LOADER}").read_bytes()


def test_program_libraries_and_loader_are_found(program, plain, tmp_path):
    wanted = [name for name in needed(program, "ls") if name != LOADER]
    assert "libc.so.6" in wanted
    tool = Tool("ls", "program", "usr/bin/ls", ("others", "libc6"))
    others = {f"usr/lib/x86_64-linux-gnu/{name}": plain for name in wanted if name != "libc.so.6"}
    opened = {
        "program": Package(**{"usr/bin/ls": program}),
        "others": Package(**others),
        "libc6": Package(**{"lib/x86_64-linux-gnu/libc.so.6": plain, f"lib/x86_64-linux-gnu/{LOADER}": plain}),
    }
    tools._lay_out((tool,), opened, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [LOADER, "lib", "ls"]
    assert sorted(p.name for p in (tmp_path / "lib").iterdir()) == sorted(wanted)
    assert (tmp_path / "ls").stat().st_mode & 0o111
    assert (tmp_path / "ls").read_bytes() == program


def test_library_that_no_package_brings():
    tool = Tool("main", "program", "usr/bin/main", ("libone",))
    opened = {"libone": Package(**{"usr/share/doc/libone.so.1": b""})}
    with pytest.raises(ImageError, match=r"main needs libone.so.1, which none"):
        library(opened, "libone.so.1", tool)


def test_needed_of_a_program_and_of_rubbish(program):
    assert {"libc.so.6", LOADER} <= set(needed(program, "ls"))
    with pytest.raises(ImageError, match="no ELF"):
        needed(b"#!/bin/sh\n", "script")


def test_command_goes_by_the_tools_own_loader(tmp_path):
    line = Toolbox(tmp_path, {}).command(tools.PERF, ("bench", "-l", "5"), "/tmp/x")
    assert line == f"/tmp/x/{LOADER} --library-path /tmp/x/lib /tmp/x/perf bench -l 5"
