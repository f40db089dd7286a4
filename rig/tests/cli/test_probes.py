from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rig import paths
from rig.cli.probes import app
from rig.errors import InputError, ManifestError, RigError, ToolchainError
from rig.probe.table import BEGIN, END
from rig.result import GuestFacts, Outcome, RunDir
from rig.tests.probe.make import PIPE_C, Workshop, case, only_darwin
from rig.tests.result import make

ZIG_CACHE = paths.cache_dir() / "probes" / "zig"
FACTS = GuestFacts(
    os="Darwin", release="20.5.0", machine="x86_64", kernel="x", clock="raw", tick_ns=1, clock_cost_ns=1, page=4096
)
TWO = {"expect": {"linux": "unsupported", "darwin": "pass"}, "reason": "Darwin only"}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """The rig's own places, with one probe in them."""
    made = Workshop(tmp_path / "rig" / "guest-tests")
    made.probe(
        c=PIPE_C,
        cases={"first_case": case(what="what [it] does"), "second_case": case(kind="timing", **TWO)},
    )
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr(paths, "data_root", lambda: tmp_path / "rig")
    zig = paths.ensure(paths.cache_dir() / "probes") / "zig"
    zig.symlink_to(paths.ensure(ZIG_CACHE), target_is_directory=True)
    return made


def rig(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, RigError | SystemExit):
        raise result.exception
    return result


def well(*arguments: str) -> str:
    result = rig(*arguments)
    assert result.exception is None, result.exception
    return result.stdout


def fault(kind: type[RigError], *arguments: str) -> str:
    result = rig(*arguments)
    assert isinstance(result.exception, kind), result.exception
    return str(result.exception)


def lists(tmp_path: Path, **names: str) -> list[str]:
    """Arguments that give lists of names."""
    for name, content in names.items():
        (tmp_path / name).write_text(content)
    return [word for name in names for word in ("--exports", f"{name}={tmp_path / name}")]


def imports() -> list[str]:
    (report,) = (r for r in json.loads(well("check", "--json"))["reports"] if "macos" in r["target"])
    return [*report["strong"], *report["weak"]]


def test_list_counts_cases_and_timings(workshop: Workshop) -> None:
    workshop.probe("other", mechanism="fifos")
    lines = well("list").splitlines()
    assert lines[0].split() == ["probe", "mechanism", "cases", "timings", "OS", "summary"]
    assert lines[2].split() == ["pipe", "pipes", "2", "1", "darwin", "linux", "unnamed", "pipes"]
    assert lines[3] == "2 probes, 2 mechanisms, 4 cases"


def test_a_narrow_terminal_has_no_room_for_summaries(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "summary" not in well("list")
    assert "unnamed" not in well("list")


def test_list_as_json_holds_the_manifests(workshop: Workshop) -> None:
    (found,) = json.loads(well("list", "--json"))
    assert (found["probe"], found["kinds"], found["systems"]) == (
        "pipe",
        {"functional": 1, "timing": 1},
        ["darwin", "linux"],
    )
    assert found["cases"]["second_case"]["expect"]["linux"] == "unsupported"


@pytest.mark.parametrize("name", ["pipe.second_case", "second_case"])
def test_show_tells_all_of_a_case(workshop: Workshop, name: str) -> None:
    told = well("show", name)
    source = workshop.probes / "pipes" / "pipe.c"
    for words in (
        "pipe.second_case",
        "what it does",
        "POSIX",
        "on linux   unsupported: Darwin only",
        "timing, deadline 10 s",
    ):
        assert words in told
    assert f"{source}:8" in told
    found = json.loads(well("show", name, "--json"))
    assert (found["probe"], found["case"], found["at"]) == ("pipe", "second_case", f"{source}:8")
    assert found["manifest"].startswith(f"{source.with_suffix('.yaml')}:")
    assert found["last"] is None and "last run" not in told


def test_show_of_a_case_of_the_kernel_leads_to_its_source(workshop: Workshop) -> None:
    expect = {"linux": "unsupported", "darwin": {17: "pass", 20: "fail"}}
    source = "xnu-4570.41.2 osfmk/ipc/ipc_mqueue.c:614 ipc_mqueue_send; measured on Darwin 20.5"
    odd = case(source=source, expect=expect, reason="20 [forgets] it")
    workshop.probe(**only_darwin("Linux has no Mach ports", first_case=odd, second_case=case(**TWO)))
    told = well("show", "pipe.first_case").splitlines()
    assert "on darwin  pass, from 20 fail: 20 [forgets] it" in told
    assert "on linux   unsupported: Linux has no Mach ports" in told
    read = "https://github.com/apple-oss-distributions/xnu/blob/xnu-4570.41.2/osfmk/ipc/ipc_mqueue.c#L614"
    assert f"read       {read} ipc_mqueue_send" in told
    assert "run it     rig test pipe.first_case" in told
    found = json.loads(well("show", "pipe.first_case", "--json"))
    assert found["expect"] == {"linux": "unsupported", "darwin": {"17": "pass", "20": "fail"}}
    assert found["read"] == {read: "ipc_mqueue_send"}
    whole = well("show", "pipe")
    assert "only on   darwin: Linux has no Mach ports" in whole and "pass, from 20 fail" in whole


def test_show_tells_what_the_last_run_found_and_by_which_way(workshop: Workshop, tmp_path: Path) -> None:
    with RunDir.create(image=make.IMAGE) as run:
        run.add_guest(make.guest(facts=FACTS))
        run.add_case(make.case("first_case", via="mach"))
        run.add_case(make.case("second_case", Outcome.UNSUPPORTED, reason="no wrapper: [a], b", guest=None))
    workshop.probe("other", mechanism="fifos")
    assert "last run" not in well("show", "other.first_case")
    told = well("show", "pipe.first_case")
    assert f"last run   pass, via mach, on reference (Darwin 20.5.0) ({run.path.resolve()})" in told
    told = well("show", "pipe.second_case")
    assert "last run   unsupported, on reference (linux): no wrapper: [a], b (" in told
    assert json.loads(well("show", "pipe.first_case", "--json"))["last"]["via"] == "mach"
    (run.path / "results.json").write_text("{")
    (run.path / "events.jsonl").unlink()
    assert "last run" not in well("show", "pipe.first_case")


def test_table_in_each_form(workshop: Workshop) -> None:
    assert json.loads(well("table", "--format", "json"))[0]["mechanism"] == "pipes"
    assert "| pipes | pipe | 1 | 1 | 1 pass, 1 unsupported | 2 pass | POSIX 2 |" in well(
        "table", "--format", "markdown"
    )
    assert "1 pass, 1 unsupported" in well("table")


def test_table_is_kept_in_a_file(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    assert f"--write {path}" in fault(ManifestError, "table", "--check", str(path))
    assert well("table", "--write", str(path)) == f"{path}: renewed\n"
    assert well("table", "--check", str(path)) == f"{path}: the table is that of the manifests\n"
    assert well("table", "--write", str(path)) == f"{path}: the table was that of the manifests\n"
    assert "give one of them" in fault(InputError, "table", "--check", str(path), "--write", str(path))


def test_show_of_a_probe_tells_its_cases(workshop: Workshop) -> None:
    told = well("show", "pipe")
    assert "version 1: unnamed pipes" in told
    assert "what [it] does" in told
    assert "unsupported" in told
    assert json.loads(well("show", "pipe", "--json"))["probe"] == "pipe"


def test_an_unknown_name_brings_its_neighbours(workshop: Workshop) -> None:
    assert "second_case" in fault(InputError, "show", "secnd_case")
    assert "Did you mean pipe" in fault(InputError, "build", "pip")


def test_build_makes_executables_for_both(workshop: Workshop, tmp_path: Path) -> None:
    rows = json.loads(well("build", "--json"))
    assert [(row["target"], row["probe"]) for row in rows] == [("linux", "pipe"), ("darwin", "pipe")]
    assert all(Path(row["path"]).is_file() for row in rows)
    well("build", "pipes", "--target", "darwin", "--out", str(tmp_path / "out"))
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("out/*/*")] == ["out/darwin/pipe"]
    assert (tmp_path / "out/darwin/pipe").stat().st_mode & 0o111
    assert str(tmp_path / "out/linux/pipe") in well("build", "--out", str(tmp_path / "out"))


def test_c_that_does_not_compile_is_shown_in_the_compilers_words(workshop: Workshop) -> None:
    path = workshop.probe(c="int main(void) { return x; }\n").with_suffix(".c")
    told = fault(ToolchainError, "build", "--target", "linux")
    assert f"{path}:1:25: error: use of undeclared identifier 'x'" in told


def test_a_place_that_cannot_be_written_is_named(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert f"cannot write {tmp_path / 'file' / 'linux'}" in fault(RigError, "build", "--out", str(tmp_path / "file"))


def test_check_without_lists_says_that_imports_are_not_judged(workshop: Workshop) -> None:
    told = well("check")
    assert "no libSystem is recorded" in told
    assert told.count("fit") == 2


def test_check_holds_imports_against_lists_given(workshop: Workshop, tmp_path: Path) -> None:
    whole = "\n".join(imports())
    assert "against full" in well("check", *lists(tmp_path, full=whole))
    told = fault(ToolchainError, "check", *lists(tmp_path, full=whole, small=whole.replace("_puts\n", "")))
    assert "1 fault" in told
    assert "imports _puts strongly, which small does not export" in told


def test_check_finds_a_disagreement_with_the_manifest(workshop: Workshop) -> None:
    workshop.probe(cases={"first_case": case()})
    result = rig("check", "--json")
    assert isinstance(result.exception, ToolchainError)
    (found,) = json.loads(result.stdout)["faults"]
    assert "says nothing of case 'second_case'" in found


def test_the_fixture_is_made_kept_and_used(workshop: Workshop, tmp_path: Path) -> None:
    names = imports()
    given = lists(tmp_path, **{"darwin-17": "\n".join([*names, "_unused"]), "small": "\n".join(names)})
    well("check", "--update-fixture", *given)
    fixture = tmp_path / "rig" / "fixtures" / "abi" / "libsystem.yaml"
    assert "_puts: [darwin-17, small]" in fixture.read_text()
    assert "_unused" not in fixture.read_text()
    assert "against darwin-17, small" in well("check")

    workshop.probe(
        c=PIPE_C + "extern int getpid(void);\nint more(void);\nint more(void) { return getpid(); }\n"
        "CASE(third_case) { more(); }\n",
        cases={n: case() for n in ("first_case", "second_case", "third_case")},
    )
    told = fault(ToolchainError, "check")
    assert "imports _getpid, of which" in told
    assert "--update-fixture" in told
    well(
        "check",
        "--update-fixture",
        *lists(tmp_path, **{name: "\n".join([*names, "_getpid"]) for name in ("darwin-17", "small")}),
    )
    assert "_getpid: [darwin-17, small]" in fixture.read_text()

    workshop.probe()
    well("check", "--update-fixture")
    assert "_getpid" not in fixture.read_text()


def test_the_fixture_is_made_of_all_probes(workshop: Workshop) -> None:
    assert "all probes" in fault(InputError, "check", "pipe", "--update-fixture")


def test_exports_name_themselves_unless_named(workshop: Workshop, tmp_path: Path) -> None:
    path = tmp_path / "My List.txt"
    path.write_text("\n".join(imports()))
    assert "against my-list" in well("check", "--exports", str(path))
    assert "'Not_Good!'" in fault(InputError, "check", "--exports", f"Not_Good!={path}")
    assert "gone" in fault(InputError, "check", "--exports", str(tmp_path / "gone"))


def sdk(place: Path, names: list[str]) -> Path:
    """A directory as an SDK is, whose libSystem is a text stub with these names."""
    (place / "usr" / "lib").mkdir(parents=True)
    stub = place / "usr" / "lib" / "libSystem.B.tbd"
    quoted = ", ".join(f"'{name}'" for name in names)
    stub.write_text(f"--- !tapi-tbd\ntbd-version: 4\nexports:\n  - targets: [x86_64-macos]\n    symbols: [{quoted}]\n")
    return place


def test_check_against_an_image_of_ones_own(workshop: Workshop, tmp_path: Path) -> None:
    names = imports()
    assert "_puts" in names
    lacking = [name for name in names if name != "_puts"]
    assert "against mine" in well("check", "--exports", f"mine={sdk(tmp_path / 'whole', names)}")
    told = fault(ToolchainError, "check", "--exports", f"mine={sdk(tmp_path / 'lacking', lacking)}")
    assert "1 fault in the probes" in told
    assert "pipe for x86_64-macos.10.13 imports _puts strongly, which mine does not export" in told
    (tmp_path / "names.txt").write_text("\n".join(lacking))
    assert "_puts strongly, which names does not export" in fault(
        ToolchainError, "check", "--exports", str(tmp_path / "names.txt")
    )


def test_what_is_no_image_is_told(workshop: Workshop, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    assert f"{empty}: exports nothing" in fault(InputError, "check", "--exports", str(empty))
    assert "found no libSystem here" in fault(InputError, "check", "--exports", f"mine={tmp_path}")
    (tmp_path / "void" / "usr" / "lib").mkdir(parents=True)
    (tmp_path / "void" / "usr" / "lib" / "libSystem.tbd").touch()
    assert "found no libSystem here" in fault(InputError, "check", "--exports", f"mine={tmp_path / 'void'}")
    assert "No such file" in fault(InputError, "check", "--exports", str(tmp_path / "nowhere" / "sdk"))
