"""The `rig` command itself: what it imports, what it says, how it ends."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from rig.cli import main
from rig.cli.lazy import LazyGroup
from rig.cli.main import COMMANDS
from rig.errors import BootError, Evidence, ImageError
from rig.tests.guest.running import Sleepers

HEAVY = {"lief", "scipy", "numpy", "paramiko", "pytest", "pooch", "qemu", "jinja2"}


def imported(code: str, home: Path) -> set[str]:
    """Which of the heavy packages a fresh Python has after running this."""
    show = "\nimport json, sys\nprint()\nprint(json.dumps([name for name in sys.modules if '.' not in name]))"
    done = subprocess.run(
        [sys.executable, "-c", code + show],
        env={**os.environ, "RIG_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


def calling(*args: str) -> str:
    return f"""
import sys
from rig.cli.main import main
sys.argv = ["rig", *{args!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def test_the_command_starts_light(tmp_path):
    assert imported("import rig.cli.main", tmp_path) == set()
    assert imported(calling("--help"), tmp_path) == set()
    assert imported(calling("--version"), tmp_path) == set()


@pytest.mark.parametrize(
    ("args", "needed"),
    [
        (("ps",), {"qemu"}),
        (("images", "list"), set()),
        (("probes", "list"), set()),
        (("schema", "machine"), set()),
    ],
    ids=["ps", "images-list", "probes-list", "schema-machine"],
)
def test_a_verb_imports_little_more_than_it_needs(args, needed, tmp_path):
    assert imported(calling(*args), tmp_path) <= needed


def test_a_list_with_a_guest_in_it_needs_no_ssh(tmp_path):
    with Sleepers(tmp_path / "state" / "guests", tmp_path) as sleepers:
        one = sleepers("one", ssh_port=2222)
        assert not imported(calling("ps"), tmp_path) & {"lief", "scipy", "paramiko", "pytest"}
        assert imported(calling("ps", "--json"), tmp_path) <= {"qemu"}
        assert (sleepers.root / f"{one.name}.json").exists()  # it was seen to run


def rig(*args: str) -> Any:
    return CliRunner().invoke(main.app, list(args), env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_says_what_the_list_says(name):
    group: Any = typer.main.get_group(main.app)
    with group.make_context("rig", [name, "--help"], resilient_parsing=True) as ctx:
        command = group.get_command(ctx, name)
    assert command.name == name
    assert command.help.splitlines()[0].startswith(COMMANDS[name][2])
    assert rig(name, "-h").exit_code == 0


def test_the_list_is_in_the_help_in_its_order():
    help_ = rig("--help").output
    listed = [match[1] for line in help_.splitlines() if (match := re.match(r"\W*([a-z]+)  ", line))]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    assert rig().output.strip() == help_.strip()


def test_a_mistyped_command():
    done = rig("imges")
    assert done.exit_code == 2
    assert "No such command 'imges'. Did you mean 'images'?" in done.output


def test_wrong_options_of_a_command():
    done = rig("up", "--colour", "red")
    assert done.exit_code == 2 and "--colour" in done.output
    done = rig("up", "--ssh-port", "70000")
    assert done.exit_code == 2 and "less than or equal to 65535" in done.output
    done = rig("up", "--accel", "warp")
    assert done.exit_code == 2 and "warp" in done.output


def test_the_version():
    assert rig("--version").output == "rig 0.1.0\n"


def test_completion_imports_nothing(monkeypatch):
    monkeypatch.setattr("rig.cli.lazy.importlib.import_module", pytest.fail)
    group: Any = typer.main.get_group(main.app)
    assert isinstance(group, LazyGroup)
    with group.make_context("rig", [], resilient_parsing=True) as ctx:
        assert [item.value for item in group.shell_complete(ctx, "p")] == ["ps", "probes", "panic"]


@pytest.fixture
def handlers() -> Iterator[None]:
    """The command's own signal handlers end with the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def end_with(
    handlers: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str]]:
    """Let the command raise something; returns exit code and standard error."""

    def run(fault: BaseException) -> tuple[object, str]:
        def app() -> None:
            raise fault

        monkeypatch.setattr(main, "app", app)
        with pytest.raises(SystemExit) as end:
            main.main()
        return end.value.code, capfd.readouterr().err

    return run


def test_an_error_of_the_rig_is_one_message(end_with):
    words = "a.yaml:100: [red] key: " + 200 * "x"
    code, err = end_with(ImageError(words, hint="rig images list"))
    assert (code, err) == (2, f"rig: error: {words}\n  rig images list\n")


def test_a_boot_that_failed_shows_its_console(end_with):
    evidence = Evidence(console="[bold]one\n:smile: two")
    code, err = end_with(BootError("boot stage 'kernel' was not reached", evidence=evidence))
    assert code == 2
    assert err.endswith("  the console's last lines:\n    | [bold]one\n    | :smile: two\n")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "rig: error: /store/image.qcow2: No space left on device\n  Free some space"),
        (errno.EDQUOT, "rig: error: /store/image.qcow2: Disk quota exceeded\n  Free some space"),
        (errno.EACCES, "rig: error: /store/image.qcow2: Permission denied\n"),
        (errno.EROFS, "rig: error: /store/image.qcow2: Read-only file system\n"),
    ],
)
def test_what_the_host_lacks_is_an_error_without_a_traceback(end_with, number, said):
    code, err = end_with(OSError(number, os.strerror(number), "/store/image.qcow2"))
    assert code == 2 and err.startswith(said)
    code, err = end_with(OSError(number, os.strerror(number)))
    assert code == 2 and err.startswith(f"rig: error: {os.strerror(number)}\n")


def test_a_fault_of_the_rig_itself_is_not_hidden(handlers, monkeypatch):
    def app() -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(main, "app", app)
    with pytest.raises(OSError, match="Bad file descriptor"):
        main.main()


def test_an_interrupt(end_with):
    assert end_with(KeyboardInterrupt())[0] == 130


LOOP = """
import signal, sys, time
import rig.cli.main as main
def app():
    try:
        print("ready", flush=True)
        time.sleep(1000)
    finally:
        print("cleaning", flush=True)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        print("clean", flush=True)
main.app = app
main.main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_a_second_one_does_not_cut_that_short(number):
    with subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        rest = process.stdout.read()
    if number == signal.SIGINT:
        assert (process.returncode, rest) == (130, "cleaning\n")  # a second, other signal after Ctrl-C hurries it
    else:
        assert (process.returncode, rest) == (130, "cleaning\nclean\n")


def test_nohup_holds(handlers, monkeypatch):
    monkeypatch.setattr(main, "app", lambda: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    main.main()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize("args", [["schema", "image"], ["--help"], ["probes", "list", "--json"]])
def test_a_reader_that_goes_is_no_error(args, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "rig.cli.main", *args],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "RIG_HOME": str(tmp_path)},
        text=True,
        check=False,
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode in {1, 130}


def test_a_home_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "rig.cli.main", "ps"],
        capture_output=True,
        env={**os.environ, "RIG_HOME": str(tmp_path / "file")},
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith(f"rig: error: {tmp_path}/file/state/guests: the directory cannot be made")
