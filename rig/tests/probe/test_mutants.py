from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from rig import paths
from rig.errors import GuestDied, HostError, InputError, ManifestError
from rig.probe.cache import Cache
from rig.probe.manifest import ProbeManifest, load_manifest, load_manifests
from rig.probe.mutant_runs import Found, HostPlace, OnBytes, ProbeMutants, run_mutants
from rig.probe.mutants import MutantFile, build_mutants, choose, load_mutants, mutants_dir
from rig.probe.toolchain import Target
from rig.spec.image import GuestOS

PROBE = """\
#include "sys_compat.h"

PROBE("tiny", "1");

CASE(reads_what_was_written)
{
    int fd[2];
    char byte = 0;
    REQUIRE_OK(pipe(fd));
    CHECK_EQ_INT(write(fd[1], "x", 1), 1);
    CHECK_EQ_INT(read(fd[0], &byte, 1), 1);
    CHECK_EQ_INT(byte, 'x');
}

CASE(makes_a_fifo) { CHECK_OK(rig_mkfifo("fifo", 0600)); }
"""
HEADER = """\
#include "mutant.h"
#include <sys/stat.h>
THROUGH("sys_compat.c")
/* MUTANT(in_a_comment, "is none") */
static inline ssize_t mutant_write(int fd, const void *bytes, size_t n)
{
    if (MUTANT(writes_another_byte, "what is written "
                                    "is not \\"what\\" was given"))
        return write(fd, "y", 1);
    if (MUTANT(changes_nothing, "nobody could see this"))
        errno = 0;
    return write(fd, bytes, n);
}
#define write(...) mutant_write(__VA_ARGS__)
static inline int mutant_mkfifo(const char *path, mode_t mode)
{
    if (MUTANT(makes_no_fifo, "mkfifo fails") || MUTANT_TOO(writes_another_byte))
        return mutant_fails(EROFS);
    return mkfifo(path, mode);
}
#define mkfifo(...) mutant_mkfifo(__VA_ARGS__)
static inline int mutant_close(int fd)
{
    if (MUTANT(never_asked, "nobody closes anything"))
        return 0;
    if (DARWIN_MUTANT(of_darwin, "closes nothing there"))
        return 0;
    return close(fd);
}
#define close(...) mutant_close(__VA_ARGS__)
"""
CASES = ("reads_what_was_written", "makes_a_fifo")


def tiny(directory: Path, header: str = HEADER, **more: object) -> MutantFile:
    """A probe of two cases with its mutants."""
    home = directory / "probes" / "tiny"
    home.mkdir(parents=True, exist_ok=True)
    (home / "tiny.c").write_text(PROBE)
    entry = {"what": "what it does", "source": "POSIX", "expect": {"linux": "pass", "darwin": "pass"}}
    data = {
        "probe": "tiny",
        "version": 1,
        "mechanism": "tiny-things",
        "summary": "A probe",
        "sources": ["tiny.c"],
        "cases": dict.fromkeys(CASES, entry),
        **more,
    }
    (home / "tiny.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    (directory / "tiny.h").write_text(header)
    (directory / "mutant.h").write_text((mutants_dir() / "mutant.h").read_text())
    (file,) = load_mutants([load_manifest(home / "tiny.yaml")], directory)
    return file


def test_a_header_declares_its_mutants(tmp_path: Path) -> None:
    file = tiny(tmp_path)
    assert [mutant.name for mutant in file.for_os(GuestOS.LINUX)] == [
        "writes_another_byte",
        "changes_nothing",
        "makes_no_fifo",
        "never_asked",
    ]
    assert [mutant.name for mutant in file.for_os(GuestOS.DARWIN)][-1] == "of_darwin"
    first = file.mutants[0]
    assert (first.what, first.line, str(first)) == (
        'what is written is not "what" was given',
        7,
        "tiny.writes_another_byte",
    )
    assert file.through == ("sys_compat.c",)


def test_mutants_of_a_darwin_probe_are_darwins(tmp_path: Path) -> None:
    bare = {name: {"what": "what it does", "source": "xnu"} for name in CASES}
    file = tiny(tmp_path, only={"os": "darwin", "reason": "Linux has none"}, cases=bare)
    assert file.for_os(GuestOS.LINUX) == ()
    assert len(file.for_os(GuestOS.DARWIN)) == 5


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("int nothing;", 'no MUTANT(name, "what it breaks")'),
        ('MUTANT(a, "x") MUTANT(a, "y")', "a second mutant 'a'"),
        ('MUTANT(a, "x") MUTANT_TOO(b)', "MUTANT_TOO of no mutant: b"),
        ('THROUGH("nowhere.c")\nMUTANT(a, "x")', "THROUGH names what the harness does not have: nowhere.c"),
    ],
)
def test_faults_of_a_header(tmp_path: Path, header: str, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        tiny(tmp_path, header)
    assert words in str(caught.value)
    assert "tiny.h" in str(caught.value)


def test_choosing(tmp_path: Path) -> None:
    files = [tiny(tmp_path)]
    everything = frozenset(mutant.name for mutant in files[0].mutants)
    assert choose(files, []) == {"tiny": everything}
    assert choose(files, ["tiny"]) == choose(files, ["tiny-things"]) == {"tiny": everything}
    assert choose(files, ["tiny.never_asked", "tiny.of_darwin"]) == {"tiny": frozenset({"never_asked", "of_darwin"})}
    for wrong, hint in (("tiny.nothing", "changes_nothing"), ("big", "tiny")):
        with pytest.raises(InputError) as caught:
            choose(files, [wrong])
        assert hint in caught.value.hint


def test_mutants_are_killed_or_not(tmp_path: Path, cache: Cache) -> None:
    """The whole of it, with a compiler: through the probe's own calls and through a file of the harness."""
    file = tiny(tmp_path)
    place = HostPlace(build_mutants([file], Target.LINUX, cache=cache), 1)
    (report,) = run_mutants([file], place, choose([file], []), jobs=2)
    found = {verdict.mutant.name: (verdict.found, verdict.case) for verdict in report.verdicts}
    assert found == {
        "writes_another_byte": (Found.KILLED, "reads_what_was_written"),
        "changes_nothing": (Found.SURVIVED, ""),
        "makes_no_fifo": (Found.KILLED, "makes_a_fifo"),
        "never_asked": (Found.UNREACHED, ""),
    }
    assert report.killed == 2
    assert report.left_out == {}
    assert "byte: 121, not 120" in next(v.how for v in report.verdicts if v.mutant.name == "writes_another_byte")


def stream(ends: dict[str, str], *, goodbye: bool = True, open_case: str = "") -> bytes:
    hello = {
        "t": "hello",
        "proto": 1,
        "probe": "tiny",
        "version": "1",
        "os": "Linux",
        "release": "1",
        "machine": "x86_64",
        "kernel": "k",
        "pid": 1,
        "clock": "c",
        "tick_ns": 1,
        "clock_cost_ns": 1,
        "page": 4096,
        "limits": {},
        "cases": [*ends, *([open_case] if open_case else [])],
    }
    lines: list[dict[str, object]] = [hello]
    for name, outcome in ends.items():
        lines.append({"t": "start", "case": name})
        lines.append({"t": "note", "case": name, "text": "mutant never_asked"})
        lines.append({"t": "end", "case": name, "outcome": outcome, "reason": "", "checks": 1, "ms": 1.0, "exit": 0})
    if open_case:
        lines.append({"t": "start", "case": open_case})
    if goodbye:
        counts = dict.fromkeys(["pass", "fail", "unsupported", "skip", "crashed", "timeout", "leaks"], 0)
        lines.append({"t": "goodbye", "cases": len(ends), **counts})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class ScriptedPlace:
    """Answers each start by what the test says."""

    os = GuestOS.LINUX
    scale = 1.0

    def __init__(self, answer: Callable[[list[str], str, int], bytes | Exception]) -> None:
        self.answer = answer
        self.starts: list[tuple[list[str], str]] = []

    def run(self, probe: str, arguments: Sequence[str], mutant: str, on_output: OnBytes) -> None:
        names = arguments[arguments.index("--only") + 1].split(",")
        self.starts.append((names, mutant))
        data = self.answer(names, mutant, len(self.starts))
        if isinstance(data, Exception):
            raise data
        on_output(data)

    def stop(self) -> None:
        pass


def judged(
    tmp_path: Path, answer: Callable[[list[str], str, int], bytes | Exception]
) -> tuple[ProbeMutants, Found, str]:
    file = tiny(tmp_path)
    probe = ProbeMutants(file, ScriptedPlace(answer))
    probe.learn()
    verdict = probe.judge(next(mutant for mutant in file.mutants if mutant.name == "never_asked"))
    return probe, verdict.found, verdict.case


def passing(names: list[str], mutant: str, start: int) -> bytes:
    return stream(dict.fromkeys(names, "pass"))


def test_a_case_that_fails_by_itself_kills_nothing(tmp_path: Path) -> None:
    def answer(names: list[str], mutant: str, start: int) -> bytes:
        unsteady = start > 1 and "makes_a_fifo" in names
        return stream({name: "fail" if unsteady and name == "makes_a_fifo" else "pass" for name in names})

    _, found, case = judged(tmp_path, answer)
    assert (found, case) == (Found.UNCLEAR, "makes_a_fifo")


def test_a_red_case_is_tried_with_longer_deadlines_then_left_out(tmp_path: Path) -> None:
    def answer(names: list[str], mutant: str, start: int) -> bytes:
        return stream({name: "timeout" if name == "makes_a_fifo" else "pass" for name in names})

    probe, found, _ = judged(tmp_path, answer)
    assert probe.report.left_out == {"makes_a_fifo": "timeout: "}
    assert list(probe.usual) == ["reads_what_was_written"]
    assert probe.scale == 4
    assert found is Found.SURVIVED


def test_an_expected_failure_that_goes_away_is_noticed(tmp_path: Path) -> None:
    """Outcomes are held against those without the mutant, so a case that becomes unsupported is red, too."""

    def answer(names: list[str], mutant: str, start: int) -> bytes:
        return stream(dict.fromkeys(names, "unsupported" if mutant else "pass"))

    _, found, case = judged(tmp_path, answer)
    assert (found, case) == (Found.KILLED, "reads_what_was_written")


def test_a_probe_that_falls_with_a_mutant_has_noticed_it(tmp_path: Path) -> None:
    def answer(names: list[str], mutant: str, start: int) -> bytes:
        if not mutant:
            return passing(names, mutant, start)
        return stream({"reads_what_was_written": "pass"}, goodbye=False, open_case="makes_a_fifo")

    _, found, case = judged(tmp_path, answer)
    assert (found, case) == (Found.KILLED, "makes_a_fifo")


def test_a_guest_that_falls_with_a_mutant_has_noticed_it(tmp_path: Path) -> None:
    def answer(names: list[str], mutant: str, start: int) -> bytes | Exception:
        return GuestDied("the guest's QEMU ended") if mutant else passing(names, mutant, start)

    file = tiny(tmp_path)
    probe = ProbeMutants(file, ScriptedPlace(answer))
    probe.learn()
    verdict = probe.judge(file.mutants[0])
    assert (verdict.found, verdict.case) == (Found.KILLED, "reads_what_was_written")
    assert verdict.how == "the guest's QEMU ended"


def test_without_a_passing_case_nothing_can_be_judged(tmp_path: Path) -> None:
    place = ScriptedPlace(lambda names, mutant, start: stream(dict.fromkeys(names, "skip")))
    with pytest.raises(HostError, match="no case passes here"):
        ProbeMutants(tiny(tmp_path), place).learn()


def test_no_stream_without_a_mutant_is_an_error(tmp_path: Path) -> None:
    place = ScriptedPlace(lambda names, mutant, start: b"Segmentation fault\n")
    with pytest.raises(ManifestError, match="tiny without a mutant: the probe wrote no hello"):
        ProbeMutants(tiny(tmp_path), place).learn()


def shipped() -> list[ProbeManifest]:
    return load_manifests(paths.probes_dir())


def test_shipped_mutants_belong_to_probes_and_are_enough() -> None:
    files = load_mutants(shipped())
    headers = {path.stem for path in mutants_dir().glob("*.h")} - {"mutant"}
    assert headers == {file.manifest.probe for file in files}
    for file in files:
        assert len(file.mutants) >= 5, file.path
        assert len({mutant.what for mutant in file.mutants}) == len(file.mutants), file.path
        lines = file.path.read_text(encoding="ascii").splitlines()
        assert len(lines) <= 400, file.path
