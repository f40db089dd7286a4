from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from rig.errors import HostError, ManifestError, ToolchainError
from rig.probe import toolchain, zig
from rig.probe.cache import Cache
from rig.probe.sources import listed_names
from rig.probe.toolchain import Target, build
from rig.spec.image import GuestOS
from rig.tests.probe.make import PIPE_C, Workshop, only_darwin


def made(workshop: Workshop, cache: Cache, target: Target = Target.LINUX, say: Any = lambda _: None) -> dict[str, Path]:
    return build(workshop.load(), target, say, harness=workshop.harness, cache=cache)


class Calls:
    """Counts compiler calls by their last argument; they run all the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        real = zig.compile_c

        def counted(arguments: Sequence[str], **more: Any) -> None:
            self.names.append(Path(arguments[-1]).name)
            real(arguments, **more)

        monkeypatch.setattr(zig, "compile_c", counted)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


def test_each_os_has_its_target() -> None:
    assert Target.for_os(GuestOS.DARWIN) is Target.DARWIN
    assert [Target.for_os(target.os) for target in Target] == list(Target)
    assert [target.value for target in Target] == ["x86_64-linux-musl", "x86_64-macos.10.13"]


def test_a_probe_is_compiled_linked_with_the_harness_and_runs(workshop: Workshop, cache: Cache) -> None:
    workshop.probe()
    path = made(workshop, cache)["pipe"]
    assert path.name == "pipe"
    assert listed_names(path) == ["first_case", "second_case"]
    assert subprocess.run([path], capture_output=True, check=True).stdout == b"pipe pipe.c main.c harness/rig.h\n"


def test_for_darwin_it_is_a_mach_o_file(workshop: Workshop, cache: Cache) -> None:
    workshop.probe()
    assert made(workshop, cache, Target.DARWIN)["pipe"].read_bytes()[:4] == b"\xcf\xfa\xed\xfe"


REASON = 'Linux has no "Mach" ports \\ \N{EN DASH} nor names'
MACH_C = PIPE_C.replace("#include <stdio.h>", "#include <stdio.h>\n#include <mach/mach.h>")


def test_a_probe_for_darwin_alone_says_on_linux_what_is_missing_there(workshop: Workshop, cache: Cache) -> None:
    workshop.probe(c=MACH_C, **only_darwin(REASON))
    path = made(workshop, cache)["pipe"]
    assert listed_names(path) == ["first_case", "second_case"]
    said = subprocess.run([path], capture_output=True, check=True).stdout.decode()
    assert said == f"first_case: {REASON}\nsecond_case: {REASON}\n"
    assert made(workshop, cache, Target.DARWIN)["pipe"].read_bytes()[:4] == b"\xcf\xfa\xed\xfe"


def test_its_own_c_is_not_what_it_is_made_of_elsewhere(workshop: Workshop, cache: Cache, calls: Calls) -> None:
    workshop.probe(c=MACH_C, **only_darwin(REASON))
    linux, darwin = made(workshop, cache), made(workshop, cache, Target.DARWIN)
    workshop.probe(c=MACH_C + "int changed(void);\n", **only_darwin(REASON))
    calls.names.clear()
    assert made(workshop, cache) == linux
    assert calls.names == []
    assert made(workshop, cache, Target.DARWIN) != darwin
    workshop.probe(c=MACH_C, **only_darwin("another"))
    assert made(workshop, cache) != linux
    assert made(workshop, cache, Target.DARWIN) == darwin


def test_a_fault_in_its_c_is_told_where_it_is_compiled(workshop: Workshop, cache: Cache) -> None:
    workshop.probe(c=MACH_C + "int broken(void) { return x; }\n", **only_darwin(REASON))
    made(workshop, cache)
    with pytest.raises(ToolchainError, match="undeclared identifier 'x'"):
        made(workshop, cache, Target.DARWIN)


def test_what_is_there_is_not_compiled_again(workshop: Workshop, cache: Cache, calls: Calls) -> None:
    workshop.probe("one")
    workshop.probe("two")
    said: list[str] = []
    first = made(workshop, cache, say=said.append)
    assert sorted(calls.names) == ["main.c", "main.o", "main.o"]
    assert "2 probes for x86_64-linux-musl" in said[0]
    calls.names.clear()
    said.clear()
    assert made(workshop, cache, say=said.append) == first
    assert (calls.names, said) == ([], [])


def test_a_change_of_one_probe_compiles_that_one(workshop: Workshop, cache: Cache, calls: Calls) -> None:
    workshop.probe("one")
    workshop.probe("two", PIPE_C + '#include "own.h"\n').with_name("own.h").write_text("\n")
    first = made(workshop, cache)
    calls.names.clear()
    (workshop.probes / "pipes" / "own.h").write_text("int changed(void);\n")
    second = made(workshop, cache)
    assert calls.names == ["main.o"]
    assert (second["one"] == first["one"], second["two"] == first["two"]) == (True, False)


@pytest.mark.parametrize("file", ["main.c", "rig.h"])
def test_a_change_of_the_harness_compiles_all(workshop: Workshop, cache: Cache, calls: Calls, file: str) -> None:
    workshop.probe()
    first = made(workshop, cache)
    calls.names.clear()
    with (workshop.harness / file).open("a") as text:
        text.write("int more(void);\n")
    assert made(workshop, cache) != first
    assert calls.names == ["main.c", "main.o"]


def test_another_compiler_makes_other_executables(
    workshop: Workshop, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.probe()
    first = made(workshop, cache)
    monkeypatch.setattr(zig, "version", lambda: "99.0")
    assert made(workshop, cache)["pipe"] != first["pipe"]


@pytest.mark.parametrize("change", [{"_COMPILE": ("-std=gnu11", "-O1")}, {"_LINK": {GuestOS.LINUX: ("-static",)}}])
def test_other_flags_make_other_executables(
    workshop: Workshop, cache: Cache, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    workshop.probe()
    first = made(workshop, cache)
    for name, value in change.items():
        monkeypatch.setattr(toolchain, name, value)
    assert made(workshop, cache)["pipe"] != first["pipe"]


@pytest.mark.parametrize("target", Target)
def test_the_same_source_gives_the_same_bytes_anywhere(tmp_path: Path, cache: Cache, target: Target) -> None:
    found = []
    for name in ("here", "there"):
        workshop = Workshop(tmp_path / name / "guest-tests")
        workshop.probe()
        found.append(made(workshop, Cache(_beside(cache, name)), target)["pipe"].read_bytes())
    assert found[0] == found[1]
    assert str(tmp_path).encode() not in found[0]


def _beside(cache: Cache, name: str) -> Path:
    root = cache.root.parent / name
    root.mkdir()
    (root / "zig").symlink_to(cache.root / "zig", target_is_directory=True)
    return root


def test_every_probe_that_does_not_compile_is_told_with_its_line(workshop: Workshop, cache: Cache) -> None:
    workshop.probe("good")
    unused = workshop.probe("unused", PIPE_C + "static int unused_thing;\n").with_suffix(".c")
    broken = workshop.probe("broken", "int main(void) { return x; }\n").with_suffix(".c")
    with pytest.raises(ToolchainError) as caught:
        made(workshop, cache)
    text = str(caught.value)
    assert f"{broken}:1:25: error: use of undeclared identifier 'x'" in text
    assert f"{unused}:" in text
    assert "-Werror,-Wunused" in text
    assert "\x1b" not in text
    assert "good.c" not in text


def test_a_name_that_nothing_defines_is_told(workshop: Workshop, cache: Cache) -> None:
    workshop.probe(c=PIPE_C + "extern void nowhere(void); CASE(c) { nowhere(); }\n")
    with pytest.raises(ToolchainError, match="nowhere"):
        made(workshop, cache)


def test_a_harness_that_does_not_compile_is_told_once(workshop: Workshop, cache: Cache) -> None:
    workshop.probe("one")
    workshop.probe("two")
    (workshop.harness / "bad.c").write_text("int bad(void) { return y; }\n")
    with pytest.raises(ToolchainError) as caught:
        made(workshop, cache)
    assert str(caught.value).count("undeclared identifier 'y'") == 1


def test_the_callers_environment_does_not_reach_the_compiler(
    workshop: Workshop, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIG_LIB_DIR", "/nonexistent")
    workshop.probe()
    assert made(workshop, cache)["pipe"].is_file()


def test_a_source_that_went_away_is_named(workshop: Workshop, cache: Cache) -> None:
    gone = workshop.probe().with_suffix(".c")
    manifests = workshop.load()
    gone.unlink()
    with pytest.raises(ManifestError, match=r"pipe\.c"):
        build(manifests, Target.LINUX, harness=workshop.harness, cache=cache)


def test_without_a_harness_nothing_is_built(workshop: Workshop, cache: Cache, tmp_path: Path) -> None:
    workshop.probe()
    with pytest.raises(HostError, match="harness"):
        build(workshop.load(), Target.LINUX, harness=tmp_path / "none", cache=cache)


def test_two_that_build_at_once_compile_once(workshop: Workshop, cache: Cache, calls: Calls) -> None:
    workshop.probe()
    together = threading.Barrier(2)
    found: list[dict[str, Path]] = []
    said: list[str] = []

    def one() -> None:
        together.wait(30)
        found.append(made(workshop, cache, say=said.append))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(found) == 2
    assert found[0] == found[1]
    assert sorted(calls.names) == ["main.c", "main.o"]
    assert sum(words.startswith("compiling") for words in said) == 1


@pytest.fixture
def stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that does not end; each call leaves its process number in this directory."""
    pids = tmp_path / "pids"
    pids.mkdir()
    fake = tmp_path / "zig"
    fake.write_text(f"#!/bin/sh\ntouch {pids}/$$\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setattr(zig, "binary", lambda: fake)
    return pids


def test_an_interrupted_build_stops_the_compiler_and_starts_it_no_more(
    workshop: Workshop, cache: Cache, stuck: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(20):
        (workshop.harness / f"more{n}.c").write_text("\n")
    workshop.probe()

    class Pool(ThreadPoolExecutor):
        def map(self, *work: Any, **more: Any) -> Any:
            super().map(*work, **more)
            while not list(stuck.iterdir()):
                time.sleep(0.01)
            raise KeyboardInterrupt

    monkeypatch.setattr(toolchain, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        made(workshop, cache)
    pids = [int(path.name) for path in stuck.iterdir()]
    assert 1 <= len(pids) <= (os.cpu_count() or 1)
    assert not any(psutil.pid_exists(pid) for pid in pids)
