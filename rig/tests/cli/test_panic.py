"""`rig panic`: a log, a file of macOS, standard input, a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import rig
from rig.cli.panic import panic
from rig.console.panics import parse_panics
from rig.errors import Evidence, InputError
from rig.result import Outcome, RunDir
from rig.tests.result import make

PANICS = Path(rig.__file__).parents[1] / "fixtures" / "panics"
app = typer.Typer()
app.command()(panic)


def called(*arguments: str, code: int = 0, **options: Any) -> Result:
    result = CliRunner().invoke(app, list(arguments), **options)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code
    return result


def test_a_log_is_told_in_full() -> None:
    text = called(str(PANICS / "darwin17-mach-port.log")).output
    for told in (
        "lines 3 to 50, darwin\n",
        "process    mach_port\n",
        "darwin trap: Kernel trap, type 14=page fault in ipc_kmsg_copyin_header < mach_msg_overwrite_trap",
        "trap       page fault (14) at 0xffffff8000291b1c on address 0x0000000000000048",
        "uuid       00000002-0000-4000-8000-000000000002\n",
        "uptime     41.2 s\n",
        "    _ipc_kmsg_copyin_header + 0x19c [mach_kernel]\n",
    ):
        assert told in text


def test_several_panics_of_one_log_and_what_is_nested() -> None:
    text = called(str(PANICS / "linux612-bug.log")).output
    assert [line.split(":")[0] for line in text.splitlines() if " of 2: " in line] == ["1 of 2", "2 of 2"]
    text = called(str(PANICS / "darwin24-nested.log")).output
    assert "  nested, line 12, 2 times\n    panic" in text
    assert ", not whole" in called(str(PANICS / "darwin20-woven.log")).output


def test_standard_input_and_json() -> None:
    data = (PANICS / "darwin21-report.panic").read_bytes()
    (told,) = json.loads(called("-", "--json", input=data).output)
    (read,) = parse_panics(data)
    assert told == read.plain()
    assert "standard input, lines" in called("-", input=data).output


def test_none_found_is_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"all is well\n\xff\xfe\n")
    assert called(str(log), code=1).output == f"{log}: no panic found\n"
    assert json.loads(called(str(log), "--json", code=1).output) == []


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        called(str(tmp_path / "absent"))
    with pytest.raises(InputError, match="null byte"):
        called("a\0b")
    with pytest.raises(InputError, match="is no run"):
        called(str(tmp_path))


def test_several_logs_are_grouped_by_signature(tmp_path: Path) -> None:
    logs = [str(PANICS / f"{name}.log") for name in ("darwin17-mach-port", "darwin20-woven", "darwin17-mach-port-slid")]
    (tmp_path / "good.log").write_text("all is well\n")
    logs.append(str(tmp_path / "good.log"))
    text = called(*logs).output
    heads = [line for line in text.splitlines() if " time: " in line or " times: " in line]
    assert [head.split(":")[0] for head in heads] == ["2 times", "1 time"]
    assert f"  {logs[0]}, line 3, process mach_port\n" in text
    assert f"  {logs[2]}, line 3, process mach_port\n" in text
    groups = json.loads(called(*logs, "--json").output)
    assert [[one["log"] for one in group["panics"]] for group in groups] == [[logs[0], logs[2]], [logs[1]]]


def test_several_logs_without_any(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("all is well\n")
    logs = [str(tmp_path / name) for name in "ab"]
    assert called(*logs, code=1).output == "no panic found in 2 files\n"
    assert json.loads(called(*logs, "--json", code=1).output) == []


def test_one_that_cannot_be_read_takes_no_other_along(tmp_path: Path) -> None:
    log = str(PANICS / "darwin17-mach-port.log")
    result = CliRunner().invoke(app, [str(tmp_path / "absent"), log, str(tmp_path), str(tmp_path / "gone")])
    assert isinstance(result.exception, InputError)
    assert all(f"{tmp_path / name}: No such file" in str(result.exception) for name in ("absent", "gone"))
    assert f"{tmp_path}: is no run" in str(result.exception)
    assert "1 time: " in result.output


WARNED = "[    %d.000001] WARNING: CPU: 0 PID: 41 at a/b.c:7 f+0x1/0x2\n"


def test_a_warning_is_a_note_and_no_panic(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(WARNED % at for at in (1, 2)))
    text = called(str(log), code=1).output
    assert text.startswith(f"{log}: no panic found\n2 warnings that the kernel outlived:\n  2 times: ")
    assert f"linux warning: WARNING @b.c in f\n    first: {log}, line 1\n" in text
    assert [one["kind"] for one in json.loads(called(str(log), "--json", code=1).output)] == ["warning", "warning"]
    log.write_text(log.read_text() + "[    9.000001] Kernel panic - not syncing: why\n")
    text = called(str(log)).output
    assert text.startswith(f"{log}, lines 3 to 3, linux")
    assert "2 warnings" in text


def test_a_warning_costs_no_case(place: Path) -> None:
    log = place / json.loads(called(str(place), "--json").output)[0]["panics"][0]["log"]
    log.write_text(WARNED % 1 + log.read_text())
    (warned,) = [group for group in json.loads(called(str(place), "--json").output) if "warning" in group["signature"]]
    assert [one["cases"] for one in warned["panics"]] == [[]]


def test_a_log_of_warnings_alone_does_not_hide_the_panic_of_the_record(place: Path) -> None:
    groups = json.loads(called(str(place), "--json").output)
    (lost,) = [one for group in groups for one in group["panics"] if one["cases"] == ["pipe.d"]]
    (place / lost["log"]).write_text(WARNED % 1)
    groups = json.loads(called(str(place), "--json").output)
    assert [one["cases"] for group in groups for one in group["panics"] if one["guest"] == "main-5"] == [[], ["pipe.d"]]


def test_a_run_among_logs(place: Path) -> None:
    log = str(PANICS / "darwin17-mach-port.log")
    text = called(str(place), log).output
    assert "3 times: " in text
    assert f"  {log}, line 3, process mach_port\n" in text
    assert f"  pipe.a (guest main-1; {place}/" in text


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run in which two guests had the same panic at other addresses, one another, and one none."""
    monkeypatch.setenv("RIG_HOME", str(tmp_path / "home"))
    logs = {"main-1": "darwin17-mach-port", "main-2": "darwin20-woven", "main-3": "darwin17-mach-port-slid"}
    with RunDir.create(tmp_path / "run", image=make.IMAGE, host=make.HOST) as run:
        for number in range(1, 6):
            guest = f"main-{number}"
            log = run.log_path(guest, "console")
            if guest in logs:
                shutil.copyfile(PANICS / f"{logs[guest]}.log", log)
            elif number == 4:
                log.write_text("all is well\n")
            run.add_guest(make.guest(guest, console_log=run.relative(log)))
        run.add_case(make.case("a", Outcome.PANIC, guest="main-1"))
        run.add_case(make.case("b", Outcome.PANIC, guest="main-2"))
        run.add_case(make.case("a", guest="main-3"))
        run.add_case(make.case("c", Outcome.PANIC, guest="main-3"))
        told = parse_panics((PANICS / "linux61-oops.log").read_bytes())[0].plain()
        kept = run.keep_evidence("d", Evidence(panic=told))
        run.add_case(make.case("d", Outcome.PANIC, guest="main-5", evidence=kept))
    return run.path


def test_a_run_is_grouped_by_signature_and_names_the_cases(place: Path) -> None:
    text = called(str(place)).output
    heads = [line for line in text.splitlines() if " time: " in line or " times: " in line]
    assert [head.split(":")[0] for head in heads] == ["2 times", "1 time", "1 time"]
    assert "  pipe.a (guest main-1; main-1.console.log, line 3), process mach_port\n" in text
    assert "  pipe.c (guest main-3; main-3.console.log, line 3), process mach_port\n" in text
    assert "  pipe.b (guest main-2; main-2.console.log, line 3), process mach_msg\n" in text
    assert "pipe.d (guest main-5; " in text, "its log is gone, its record is not"
    assert "main-4" not in text


def test_a_run_as_json(place: Path) -> None:
    groups = json.loads(called(str(place), "--json").output)
    assert [[one["cases"] for one in group["panics"]] for group in groups] == [
        [["pipe.a"], ["pipe.c"]], [["pipe.b"]], [["pipe.d"]],
    ]  # fmt: skip
    assert all(one["signature_id"] == group["signature_id"] for group in groups for one in group["panics"])


def test_a_run_without_any(tmp_path: Path) -> None:
    with RunDir.create(tmp_path / "run", image=make.IMAGE, host=make.HOST) as run:
        run.add_guest(make.guest())
    assert "no panic in any console log" in called(str(run.path), code=1).output
    assert json.loads(called(str(run.path), "--json", code=1).output) == []


def test_a_guest_cannot_paint_on_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b'panic(cpu 0 caller 0x1): "[bold]a\x1b]0;title\x07 :smile:"@[red]x.c:1\nBoot args: \x9b2J\n')
    text = called(str(log)).output
    assert "panic      [bold]a :smile:" in text
    assert "\x1b" not in text
    assert "\x9b" not in text
