"""The QEMU process, by scripts that stand for it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from rig.errors import HostError, LaunchError
from rig.machine.guard import guard
from rig.machine.process import Process, qemu_version


def test_a_version(fake_qemu):
    fake_qemu("")
    assert qemu_version("qemu-system-x86_64") == "7.2.22"
    path = fake_qemu("", version="echo QEMU emulator version 10.0.0-rc1")
    assert qemu_version(str(path)) == "10.0.0"


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("echo QEMU emulator version 6.2.0", "is version 6.2.0, the rig needs 7.1 or newer"),
        ("echo QEMU emulator version 7.0.93", "is version 7.0.93, the rig needs 7.1 or newer"),
        ("echo hello", "exit code 0, saying 'hello'"),
        ("echo cannot load libfoo >&2; exit 127", "exit code 127, saying 'cannot load libfoo'"),
        ("kill -SEGV $$", "killed by SIGSEGV, saying ''"),
        (r"printf '\377\376'", "exit code 0, saying '\ufffd\ufffd'"),
    ],
)
def test_a_qemu_that_will_not_do(fake_qemu, version, said):
    fake_qemu("", version=version)
    with pytest.raises(HostError, match=said):
        qemu_version("qemu-system-x86_64")


def test_no_qemu_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    qemu_version.cache_clear()
    with pytest.raises(HostError, match="not installed or not on the PATH") as caught:
        qemu_version("qemu-system-x86_64")
    assert caught.value.hint == "apt-get install qemu-system-x86"


def test_a_file_that_is_no_program(fake_qemu):
    path = fake_qemu("")
    path.write_bytes(b"\x7fELF and nothing more")
    with pytest.raises(HostError, match="does not run"):
        qemu_version("qemu-system-x86_64")


def started(tmp_path: Path, *argv: str, log: str = "logs/qemu.log") -> Process:
    process = Process(argv, tmp_path / log)
    process.start([])
    return process


def test_its_words_and_its_end(tmp_path):
    process = started(tmp_path, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert process.wait(60)
    assert (process.output, process.exit_code, process.how_it_ended) == ("out\nerr\n", 3, "exit code 3")
    assert not process.alive
    process.end()


def test_it_is_guarded_while_it_runs_and_ended_for_good(tmp_path):
    process = started(tmp_path, "sleep", "1000")
    assert process.alive and process.how_it_ended == "running" and not process.wait(0)
    assert process.pid in guard._held
    process.end()
    process.end()
    assert process.how_it_ended == "killed by SIGKILL" and process.pid not in guard._held


def test_one_that_may_live_on_is_guarded_no_more(tmp_path):
    process = started(tmp_path, "sleep", "1000")
    process.let_go()
    assert process.alive and process.pid not in guard._held
    process.end()


def test_it_is_no_part_of_this_terminals_group(tmp_path):
    process = started(tmp_path, "sleep", "1000")
    assert os.getsid(process.pid) == process.pid
    process.end()


def test_only_the_words_of_this_start_count(tmp_path):
    first = started(tmp_path, "sh", "-c", "echo Could not set up host forwarding rule; exit 1")
    first.wait(60)
    second = started(tmp_path, "sh", "-c", "echo other trouble; exit 1")
    assert second.launch_error("no").output == "other trouble\n"
    assert second.launch_error("no").hint == ""
    assert (tmp_path / "logs/qemu.log").read_text().count("\n") == 2


def test_a_flood_of_words_is_not_read_whole(tmp_path):
    process = started(tmp_path, "sh", "-c", "yes aaaaaaa | head -c 3000000; echo last words")
    process.wait(60)
    assert len(process.output) == 4000 and process.output.endswith("\nlast words\n")


def test_before_the_start_there_is_nothing(tmp_path):
    process = Process(["qemu"], tmp_path / "qemu.log")
    assert (process.pid, process.alive, process.exit_code, process.output) == (0, False, None, "")
    assert process.wait(0)
    process.end()


def test_a_program_that_is_not_there(tmp_path):
    with pytest.raises(LaunchError, match=r"QEMU did not start: .*No such file") as caught:
        started(tmp_path, "/nowhere/qemu", "-x")
    assert caught.value.command == ["/nowhere/qemu", "-x"] and caught.value.exit_code is None


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchError, match=r"QEMU did not start: .*file"):
        started(tmp_path, "true", log="file/qemu.log")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("qemu: -netdev user: Could not set up host forwarding rule 'tcp:127.0.0.1:22-:22'", "The port is taken"),
        ('qemu: Failed to get "write" lock', "Another QEMU writes"),
        ("qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory", "lacks the memory"),
        ("Could not access KVM kernel module: Permission denied\nqemu: failed to initialize kvm: ...", "/dev/kvm"),
        ("qemu: -accel hvf: invalid accelerator hvf", "--accel tcg"),
        ("qemu: unable to find CPU model 'Penrin'", "-cpu help"),
        ("qemu: -device e1001: 'e1001' is not a valid device model name", "without that device"),
    ],
)
def test_a_launch_error_says_what_to_do(tmp_path, words, hint):
    process = started(tmp_path, "sh", "-c", 'echo "$1" >&2; exit 1', "sh", words)
    fault = process.launch_error("QEMU did not start")
    assert fault.output == words + "\n" and fault.exit_code == 1
    assert hint in fault.hint


@pytest.mark.parametrize(("script", "by_chance"), [("kill -KILL $$", True), ("exit 1", False)])
def test_only_an_end_by_a_signal_is_chance(tmp_path, script, by_chance):
    assert started(tmp_path, "sh", "-c", script).launch_error("no").by_chance is by_chance


def test_a_process_that_is_held_is_told_as_such(tmp_path):
    process = started(tmp_path, "sleep", "1000")
    try:
        assert not process.stopped
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        assert process.alive and process.stopped
    finally:
        process.end()
    assert not process.stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_between_spawn_and_guard_waits_for_the_guard(tmp_path, monkeypatch, number):
    """Else the process would belong to nobody: not yet to the caller, not yet to the guard."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    spawn = subprocess.Popen

    def spawn_and_signal(*args, **rest):
        done = spawn(*args, **rest)
        signal.raise_signal(number)
        return done

    monkeypatch.setattr(subprocess, "Popen", spawn_and_signal)
    process = Process(["sleep", "1000"], tmp_path / "qemu.log")
    try:
        with pytest.raises(KeyboardInterrupt):
            process.start([])
        assert process.alive and process.pid in guard._held
        assert signal.getsignal(number) is interrupt
    finally:
        signal.signal(number, before)
        process.end()
