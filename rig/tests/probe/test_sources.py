from __future__ import annotations

from pathlib import Path

import pytest

from rig.errors import ManifestError
from rig.probe.sources import (
    absent_source,
    case_places,
    check_named,
    declared,
    kernel_sources,
    listed_names,
    manifest_place,
    read_closure,
    unclaimed,
)
from rig.tests.probe.make import Workshop, only_darwin


def test_what_a_file_includes_in_quotes_is_followed_however_deep(tmp_path: Path) -> None:
    below = tmp_path / "include"
    below.mkdir()
    (tmp_path / "a.c").write_text('#include <stdio.h>\n  #  include "near.h"\n#include "gone.h"\n')
    (tmp_path / "near.h").write_text('#include "far.h"\n#include "near.h"\n')
    (below / "far.h").write_text("int far;\n")
    (tmp_path / "other.h").write_text("int other;\n")
    found = read_closure([tmp_path / "a.c"], [below])
    assert sorted(path.name for path in found) == ["a.c", "far.h", "near.h"]
    assert found[below / "far.h"] == b"int far;\n"


def test_a_case_is_found_at_its_line(workshop: Workshop) -> None:
    c = 'PROBE("pipe", "1");\n\nCASE(one)\n{\n}\nCASE( two , .deadline = 30)\n// CASE(not)\n#define X CASE(nor)\n'
    path = workshop.probe(c=c).with_suffix(".c")
    places = {name: str(place) for name, place in case_places(workshop.load()[0]).items()}
    assert places == {"one": f"{path}:3", "two": f"{path}:6"}


def test_a_case_that_the_manifest_does_not_name_is_told(workshop: Workshop) -> None:
    workshop.probe(c='PROBE("pipe", "1");\nCASE(forgotten)\n{\n}\n')
    with pytest.raises(ManifestError, match="says nothing of case 'forgotten', which the probe has"):
        check_named(workshop.load()[0])


def test_a_case_that_no_source_shows_may_be_a_macros(workshop: Workshop) -> None:
    workshop.probe(c='PROBE("pipe", "1");\n')
    check_named(workshop.load()[0])


def test_a_probes_own_name_and_version_are_read(workshop: Workshop) -> None:
    workshop.probe(c='#include "rig.h"\nPROBE("pipe", "2");\n')
    assert declared(workshop.load()[0]) == ("pipe", "2")


def test_a_c_file_that_no_manifest_names_is_found(workshop: Workshop) -> None:
    forgotten = workshop.probe().with_name("forgotten.c")
    forgotten.write_text("int x;\n")
    assert unclaimed(workshop.load()) == [forgotten]


@pytest.mark.parametrize(
    ("script", "words"),
    [("#!/bin/sh\necho broken >&2\nexit 3\n", ["ended with 3", "broken"]), ("no program", ["did not run"])],
)
def test_a_probe_that_cannot_list_is_named(tmp_path: Path, script: str, words: list[str]) -> None:
    probe = tmp_path / "pipe"
    probe.write_text(script)
    probe.chmod(0o755)
    with pytest.raises(ManifestError) as caught:
        listed_names(probe)
    assert all(word in str(caught.value) for word in ["pipe --list", *words])


def test_listed_names_come_in_the_probes_order(tmp_path: Path) -> None:
    probe = tmp_path / "pipe"
    probe.write_text('#!/bin/sh\n[ "$1" = --list ] && printf "b\\na\\n"\n')
    probe.chmod(0o755)
    assert listed_names(probe) == ["b", "a"]


def test_the_stand_in_of_a_probe_has_its_cases_and_the_reason_byte_by_byte(workshop: Workshop) -> None:
    reason = 'Linux has "no" \\ such\tthing ??/ \x01\N{EN DASH}1'
    workshop.probe(version=3, **only_darwin(reason))
    why = r'"Linux has \042no\042 \134 such\011thing \077\077/ \001\342\200\2231"'
    assert absent_source(workshop.load()[0]).splitlines() == [
        '#include "rig.h"',
        'PROBE("pipe", "3");',
        f"CASE(first_case, .darwin_only = true, .why = {why}) {{}}",
        f"CASE(second_case, .darwin_only = true, .why = {why}) {{}}",
    ]


def test_a_case_is_found_at_its_line_in_the_manifest(workshop: Workshop) -> None:
    path = workshop.probe()
    line = path.read_text().splitlines().index("  second_case:") + 1
    assert str(manifest_place(workshop.load()[0], "second_case")) == f"{path}:{line}"


OURS = "https://github.com/apple-oss-distributions/xnu/blob/xnu-4570.41.2"


@pytest.mark.parametrize(
    ("source", "links"),
    [
        (
            "POSIX write(); xnu-4570 bsd/kern/sys_pipe.c:337 pipesize_blocks; osfmk/ipc/ipc_port.c ipc_port_init",
            {
                f"{OURS}/bsd/kern/sys_pipe.c#L337": "pipesize_blocks",
                f"{OURS}/osfmk/ipc/ipc_port.c": "ipc_port_init",
            },
        ),
        ("xnu osfmk/mach/message.h: MACH_RCV_LARGE", {f"{OURS}/osfmk/mach/message.h": ""}),
        ("bsd/kern/syscalls.master 275, 276.", {f"{OURS}/bsd/kern/syscalls.master": "275, 276"}),
        (
            "xnu-7195.121.3 bsd/kern/kern_sig.c; xnu-4570.41.2 bsd/kern/kern_sig.c",
            {
                "https://github.com/apple-oss-distributions/xnu/blob/xnu-7195.121.3/bsd/kern/kern_sig.c": "",
                f"{OURS}/bsd/kern/kern_sig.c": "",
            },
        ),
        ("xnu-7195 bsd/kern/kern_sig.c", {}),
        ("xnu tests/pipe_drain.c; Linux fs/pipe.c; FreeBSD sys/bsd/kern/x.c; measured on Darwin 20.5", {}),
    ],
)
def test_where_the_kernels_own_words_are_read(source: str, links: dict[str, str]) -> None:
    assert kernel_sources(source) == links
