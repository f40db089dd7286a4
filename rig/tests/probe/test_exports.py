from __future__ import annotations

from pathlib import Path

import lief
import pytest

from rig.errors import InputError
from rig.probe import zig
from rig.probe.cache import Cache
from rig.probe.exports import read_exports, x86_64_slice

TBD_V4 = """\
--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/usr/lib/libSystem.B.dylib'
exports:
  - targets: [ x86_64-macos, arm64-macos ]
    symbols: [ _both, '$ld$hide$os10.4$_both' ]
    weak-symbols: [ _weakly ]
  - targets: [ arm64-macos ]
    symbols: [ _arm_only ]
reexports:
  - targets: [ x86_64-macos ]
    symbols: [ _again ]
--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos ]
install-name: '/usr/lib/system/libpart.dylib'
exports:
  - targets: [ x86_64-macos ]
    symbols: [ '_select$1050' ]
...
"""
TBD_V3 = """\
--- !tapi-tbd-v3
archs: [ i386, x86_64 ]
exports:
  - archs: [ i386 ]
    symbols: [ _old ]
  - archs: [ i386, x86_64 ]
    symbols: [ _pipe ]
"""


@pytest.fixture
def sdk(tmp_path: Path, cache: Cache) -> Path:
    """A root with a libSystem that re-exports a part of itself, as Darwin's does."""
    lib = tmp_path / "sdk" / "usr" / "lib"
    (lib / "system").mkdir(parents=True)
    (tmp_path / "part.c").write_text('int part(void) { return 1; }\nint order __asm__("$ld$hide$os10.4$_part");\n')
    (tmp_path / "whole.c").write_text("extern int part(void);\nint whole(void) { return part(); }\n")
    part, whole = lib / "system" / "libpart.dylib", lib / "libSystem.B.dylib"
    for library, name, sources in (
        (part, "/usr/lib/system/libpart.dylib", ["part.c"]),
        (whole, "/usr/lib/libSystem.B.dylib", ["whole.c", str(part)]),
    ):
        flags = ["-target", "x86_64-macos.10.13", "-shared", "-s", f"-Wl,-install_name,{name}", "-o", str(library)]
        zig.compile_c([*flags, *sources], cwd=tmp_path, cache=cache.root / "zig")
    binary = x86_64_slice(whole)
    for command in binary.libraries:
        if command.name == "/usr/lib/system/libpart.dylib":
            command.command = lief.MachO.LoadCommand.TYPE.REEXPORT_DYLIB
    binary.write(str(whole))
    return tmp_path / "sdk"


def test_an_sdk_exports_what_its_libsystem_and_its_parts_do(sdk: Path) -> None:
    assert {"_whole", "_part"} <= read_exports(sdk)
    assert read_exports(sdk) == read_exports(sdk / "usr/lib") == read_exports(sdk / "usr/lib/libSystem.B.dylib")
    part = read_exports(sdk / "usr/lib/system/libpart.dylib")
    assert "_whole" not in part
    assert [name for name in read_exports(sdk) | part if name.startswith("$ld$")] == []


def test_a_library_for_another_machine_is_named(sdk: Path) -> None:
    library = sdk / "usr/lib/system/libpart.dylib"
    data = bytearray(library.read_bytes())
    data[4:8] = (0x0100000C).to_bytes(4, "little")  # CPU_TYPE_ARM64
    library.write_bytes(data)
    with pytest.raises(InputError, match="has no x86_64 part"):
        read_exports(library)


def test_a_part_that_is_not_there_is_left_out(sdk: Path) -> None:
    (sdk / "usr/lib/system/libpart.dylib").unlink()
    names = read_exports(sdk)
    assert "_whole" in names
    assert "_part" not in names


@pytest.mark.parametrize(
    ("text", "names"), [(TBD_V4, {"_both", "_weakly", "_again", "_select$1050"}), (TBD_V3, {"_pipe"})]
)
def test_a_text_stub_exports_what_it_says_for_x86_64(tmp_path: Path, text: str, names: set[str]) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    stub = tmp_path / "usr/lib/libSystem.B.tbd"
    stub.write_text(text)
    assert read_exports(stub) == names
    assert read_exports(tmp_path) == names


def test_a_list_may_be_plain_or_what_nm_prints(tmp_path: Path) -> None:
    path = tmp_path / "exports.txt"
    path.write_text(
        "# recorded\n_pipe\n\n  _select$1050  \r\n__platform_memmove)\n"
        "libsystem_c.dylib:\n0000000000001000 T _open\n                 U _undefined\n"
        "                 (undefined) external _close\n(indirect) external _memcpy (for __platform_memmove)\n"
    )
    assert read_exports(path) == {"_pipe", "_select$1050", "__platform_memmove", "_open", "_close", "_memcpy"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"_pipe\n<html>\n", ":2: found '<html>'"),
        (b"", "exports nothing"),
        (b"\xff\xfe\x00", "neither a Mach-O library nor text"),
        (b"\xcf\xfa\xed\xfe\x00", "Mach-O"),
        (b"--- !tapi-tbd\n- [\n", "text stub"),
        (b"--- !tapi-tbd\nexports: 3\n", "text stub"),
        (TBD_V3.replace("x86_64", "arm64").encode(), "exports nothing"),
    ],
)
def test_what_is_no_list_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_exports(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_directory_without_libsystem_and_a_path_without_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no libSystem here"):
        read_exports(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        read_exports(tmp_path / "gone")
