from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lief
import pytest

from rig.errors import InputError
from rig.probe import abi, zig
from rig.probe.cache import Cache
from rig.probe.exports import x86_64_slice
from rig.probe.libsystem import ExportList, Fixture, Symbols
from rig.probe.toolchain import Target, build
from rig.tests.probe.make import PIPE_C, Workshop

WEAK_C = """
#ifdef __APPLE__
extern int msgget(int, int) __attribute__((weak_import));
CASE(weakly) { if (msgget) msgget(1, 2); }
#endif
"""
STRONG_C = "extern int msgget(int, int);\nCASE(strongly) { msgget(1, 2); }\n"

Compile = Callable[[str, Target], Path]


@pytest.fixture
def compiled(workshop: Workshop, cache: Cache) -> Compile:
    def compile_one(more: str, target: Target) -> Path:
        workshop.probe(c=PIPE_C + more)
        return build(workshop.load(), target, harness=workshop.harness, cache=cache)["pipe"]

    return compile_one


def symbols(path: Path, **lists: set[str]) -> Symbols:
    """Recorded symbols: all that the program imports is in all lists, but for what `lists` say is missing there."""
    report = abi.check("pipe", path, Target.DARWIN)
    imports = {*report.strong, *report.weak}
    return Symbols.recorded(
        Fixture(
            reference="full",
            lists={name: ExportList(exports=1) for name in lists},
            symbols={name: tuple(part for part, lack in lists.items() if name not in lack) for name in imports},
        ),
        "fixture.yaml",
    )


def test_what_the_toolchain_makes_is_fit(compiled: Compile) -> None:
    linux = abi.check("pipe", compiled("", Target.LINUX), Target.LINUX)
    assert linux.faults == ()
    darwin = abi.check("pipe", compiled(WEAK_C, Target.DARWIN), Target.DARWIN)
    assert darwin.faults == ()
    assert "_msgget" in darwin.weak
    assert {"_puts", "dyld_stub_binder"} <= {*darwin.strong}
    assert darwin.size == compiled(WEAK_C, Target.DARWIN).stat().st_size


def test_executables_are_stripped(compiled: Compile) -> None:
    elf = lief.ELF.parse(str(compiled("", Target.LINUX)))
    assert elf is not None
    assert not elf.has_section(".symtab")
    assert not elf.has_section(".debug_info")
    macho = x86_64_slice(compiled("", Target.DARWIN))  # lief's objects die with the binary they come from
    assert [symbol.name for symbol in macho.symbols if symbol.raw_type & 0xE0] == []


def test_a_strong_import_that_one_list_lacks_is_a_fault(compiled: Compile) -> None:
    path = compiled(STRONG_C, Target.DARWIN)
    known = symbols(path, full=set(), small={"_msgget"})
    (fault,) = abi.check("pipe", path, Target.DARWIN, known).faults
    assert "_msgget strongly, which small does not export" in fault
    assert "RIG_MAKE_WEAK" in fault


def test_a_weak_import_may_be_missing_in_all_but_the_reference(compiled: Compile) -> None:
    path = compiled(WEAK_C, Target.DARWIN)
    assert abi.check("pipe", path, Target.DARWIN, symbols(path, full=set(), small={"_msgget"})).faults == ()
    (fault,) = abi.check("pipe", path, Target.DARWIN, symbols(path, full={"_msgget"}, small=set())).faults
    assert "_msgget weakly, but full does not export it" in fault
    assert "`absent` in fixture.yaml" in fault


def whole_lists(path: Path, *, exported: bool, absent: dict[str, str]) -> Symbols:
    """Given lists: `full`, the reference, has all that the program imports, _msgget only if `exported`."""
    report = abi.check("pipe", path, Target.DARWIN)
    names = {*report.strong, *report.weak} - (set() if exported else {"_msgget"})
    fixture = Fixture(reference="full", lists={"full": ExportList(exports=1)}, absent=absent)
    return Symbols.given({"full": names}, fixture)


def test_a_weak_import_that_no_reference_has_may_be_declared_absent(compiled: Compile) -> None:
    path = compiled(WEAK_C, Target.DARWIN)
    why = {"_msgget": "Darwin lacks it, which is what the probe tells"}
    assert abi.check("pipe", path, Target.DARWIN, whole_lists(path, exported=False, absent=why)).faults == ()
    (fault,) = abi.check("pipe", path, Target.DARWIN, whole_lists(path, exported=False, absent={})).faults
    assert "declare it under `absent`" in fault
    (fault,) = abi.check("pipe", path, Target.DARWIN, whole_lists(path, exported=True, absent=why)).faults
    assert "declared under `absent`, but full exports it" in fault


def test_what_is_declared_absent_cannot_be_imported_strongly(compiled: Compile) -> None:
    path = compiled(STRONG_C, Target.DARWIN)
    known = whole_lists(path, exported=False, absent={"_msgget": "Darwin lacks it"})
    (fault,) = abi.check("pipe", path, Target.DARWIN, known).faults
    assert "imports _msgget strongly, which full does not export" in fault


@pytest.mark.parametrize("c", [WEAK_C, STRONG_C])
def test_an_import_that_was_never_recorded_is_a_fault_with_the_way_out(compiled: Compile, c: str) -> None:
    known = symbols(compiled("", Target.DARWIN), full=set())
    (fault,) = abi.check("pipe", compiled(c, Target.DARWIN), Target.DARWIN, known).faults
    assert "imports _msgget" in fault
    assert "fixture.yaml says nothing" in fault
    assert "--update-fixture" in fault


def test_weak_in_one_place_and_strong_in_another_counts_as_strong(compiled: Compile, tmp_path: Path) -> None:
    binary = x86_64_slice(compiled(WEAK_C, Target.DARWIN))
    for symbol in binary.symbols:
        if symbol.name == "_msgget":
            symbol.description &= ~0x40
    binary.write(str(tmp_path / "mixed"))
    assert "_msgget" in abi.check("pipe", tmp_path / "mixed", Target.DARWIN).strong


@pytest.mark.parametrize("version", [[11, 0, 0], [10, 14, 0], [10, 12, 0]])
def test_another_minimum_version_is_a_fault(compiled: Compile, tmp_path: Path, version: list[int]) -> None:
    binary = x86_64_slice(compiled("", Target.DARWIN))
    assert binary.version_min is not None
    binary.version_min.version = version
    binary.write(str(tmp_path / "changed"))
    (fault,) = abi.check("pipe", tmp_path / "changed", Target.DARWIN).faults
    assert f"macOS {'.'.join(map(str, version))} and newer, not for 10.13" in fault


def test_another_library_is_a_fault(compiled: Compile, tmp_path: Path) -> None:
    binary = x86_64_slice(compiled("", Target.DARWIN))
    binary.add_library("/usr/lib/libobjc.A.dylib")
    binary.write(str(tmp_path / "changed"))
    (fault,) = abi.check("pipe", tmp_path / "changed", Target.DARWIN).faults
    assert "needs /usr/lib/libobjc.A.dylib" in fault


def test_a_program_without_a_minimum_version_is_a_fault(compiled: Compile, tmp_path: Path) -> None:
    binary = x86_64_slice(compiled("", Target.DARWIN))
    assert binary.version_min is not None
    binary.remove(binary.version_min)
    binary.write(str(tmp_path / "changed"))
    assert "names no minimum version of macOS" in abi.check("pipe", tmp_path / "changed", Target.DARWIN).faults


def test_a_library_is_no_executable(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "odd.c").write_text("int odd(void) { return 1; }\n")
    flags = ["-target", Target.DARWIN, "-shared", "-o", str(tmp_path / "odd"), "odd.c"]
    zig.compile_c(flags, cwd=tmp_path, cache=cache.root / "zig")
    assert "is a DYLIB, not an executable" in abi.check("odd", tmp_path / "odd", Target.DARWIN).faults


def test_a_program_for_another_machine_has_no_part_for_this_one(compiled: Compile, tmp_path: Path) -> None:
    data = bytearray(compiled("", Target.DARWIN).read_bytes())
    data[4:8] = (0x0100000C).to_bytes(4, "little")  # CPU_TYPE_ARM64
    (tmp_path / "arm").write_bytes(data)
    with pytest.raises(InputError, match="has no x86_64 part"):
        abi.check("pipe", tmp_path / "arm", Target.DARWIN)


def test_a_program_that_does_not_load_libsystem_is_a_fault(compiled: Compile, tmp_path: Path) -> None:
    binary = x86_64_slice(compiled("", Target.DARWIN))
    for library in binary.libraries:
        library.name = "/usr/lib/libOther.dylib"
    binary.write(str(tmp_path / "changed"))
    faults = abi.check("pipe", tmp_path / "changed", Target.DARWIN).faults
    assert "does not load /usr/lib/libSystem.B.dylib" in faults
    assert any("needs /usr/lib/libOther.dylib" in fault for fault in faults)


def test_a_newer_systems_fixups_are_a_fault(compiled: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    path = compiled("", Target.DARWIN)
    monkeypatch.setattr(lief.MachO.Binary, "has_dyld_chained_fixups", True)
    assert "has chained fixups, which the dyld of Darwin 17 cannot read" in abi.check("p", path, Target.DARWIN).faults


def test_an_executable_that_is_not_static_is_a_fault() -> None:
    (fault,) = abi.check("sh", Path("/bin/sh"), Target.LINUX).faults
    assert "is not static" in fault
    assert "libc.so" in fault


def test_another_machine_is_a_fault(compiled: Compile, tmp_path: Path) -> None:
    data = bytearray(compiled("", Target.LINUX).read_bytes())
    data[18:20] = (183).to_bytes(2, "little")  # e_machine: EM_AARCH64
    (tmp_path / "arm").write_bytes(data)
    assert any("AARCH64" in fault for fault in abi.check("pipe", tmp_path / "arm", Target.LINUX).faults)


@pytest.mark.parametrize("target", Target)
def test_what_is_no_executable_is_named(compiled: Compile, tmp_path: Path, target: Target) -> None:
    (tmp_path / "text").write_text("no program\n")
    with pytest.raises(InputError, match="text"):
        abi.check("pipe", tmp_path / "text", target)
    with pytest.raises(InputError, match="no such file"):
        abi.check("pipe", tmp_path / "gone", target)
    other = compiled("", Target.DARWIN if target is Target.LINUX else Target.LINUX)
    with pytest.raises(InputError, match="not readable as"):
        abi.check("pipe", other, target)
