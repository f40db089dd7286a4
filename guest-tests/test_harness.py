"""The probe harness, held to its own rules: a probe that misbehaves in every way, run on this machine.

No guest is needed: the harness and the self-test probe are compiled for the host and run here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness_runs import HARNESS, Stream, group_members, run

# waits five seconds by design; it is run by itself, scaled down
SLOW = "gate_is_never_passed"


@pytest.fixture(scope="session")
def whole(selftest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stream]:
    directory = tmp_path_factory.mktemp("scratch")
    code, events, stderr = run(selftest, directory, "--skip", SLOW)
    stream = Stream(events)
    yield stream
    # what the harness may not remove because no case owned it
    for fact in stream.of("leaves_a_queue_unowned", "fact"):
        subprocess.run(["ipcrm", "-q", str(fact["value"])], capture_output=True, check=False)
    assert (code, stderr) == (0, "")
    assert list(directory.iterdir()) == []


def test_stream_has_hello_first_and_goodbye_last(whole: Stream) -> None:
    hello, goodbye = whole.events[0], whole.events[-1]
    assert (hello["t"], hello["proto"], hello["probe"], hello["os"]) == (
        "hello",
        1,
        "selftest",
        "Linux",
    )
    assert hello["page"] >= 4096
    assert hello["clock_cost_ns"] > 0
    assert hello["limits"]["pipe_buf"] == 4096
    assert goodbye["t"] == "goodbye"


def test_cases_come_in_source_order_each_started_and_ended(whole: Stream) -> None:
    source = (HARNESS / "selftest" / "selftest.c").read_text(encoding="ascii")
    in_source = [line[5:].split(",")[0].split(")")[0] for line in source.splitlines() if line.startswith("CASE(")]
    in_source.remove(SLOW)
    assert whole.events[0]["cases"] == in_source
    assert [event["case"] for event in whole.events if event["t"] == "start"] == in_source
    assert [event["case"] for event in whole.events if event["t"] == "end"] == in_source


def test_goodbye_counts_what_was_reported(whole: Stream) -> None:
    goodbye = whole.events[-1]
    ends = [event["outcome"] for event in whole.events if event["t"] == "end"]
    for outcome in ("pass", "fail", "unsupported", "skip", "crashed", "timeout"):
        assert goodbye[outcome] == ends.count(outcome)
    assert goodbye["cases"] == len(ends)
    assert goodbye["leaks"] == len(whole.leaks())


@pytest.mark.parametrize(
    ("case", "outcome", "words"),
    [
        ("passes", "pass", ""),
        ("fails", "fail", "8 of 8 checks failed"),
        ("require_ends_it", "fail", "1 of 1 checks failed"),
        ("crashes", "crashed", "ended by SIGSEGV"),
        ("crashes_really", "crashed", "ended by SIGSEGV"),
        ("hangs", "timeout", "not done within 0.3 s"),
        ("hangs_ignoring_all", "timeout", "not done within 0.3 s"),
        ("stops", "timeout", "not done within 0.3 s"),
        ("exits_silently", "crashed", "exit 3 without a report"),
        ("exits_zero_silently", "crashed", "exit 0 without a report"),
        ("crashes_after_its_report", "crashed", "ended by SIGABRT after its report"),
        ("checks_nothing", "fail", "it checked nothing"),
        ("prints_garbage", "pass", ""),
        ("prints_a_huge_line", "pass", ""),
        ("leaves_a_child", "pass", ""),
        ("leaves_a_child_and_crashes", "crashed", "ended by SIGABRT"),
        ("closes_stdout", "crashed", "exit 0 without a report"),
        ("child_fails", "fail", "1 of 2 checks failed"),
        ("child_gives_up", "fail", "1 of 1 checks failed"),
        ("child_says_unsupported", "unsupported", "said by a child"),
        ("child_is_killed", "pass", ""),
        ("role_runs", "pass", ""),
        ("child_becomes_a_role", "pass", ""),
        ("case_becomes_a_role", "fail", "1 of 1 checks failed"),
        ("unsupported", "unsupported", "no such thing here"),
        ("skipped", "skip", "not today"),
        ("darwin_only", "unsupported", "kqueue is Darwin's"),
        ("starts_clean", "pass", ""),
        ("spells_names", "pass", ""),
    ],
)
def test_outcome(whole: Stream, case: str, outcome: str, words: str) -> None:
    end = whole.end(case)
    assert (end["outcome"], end["reason"]) == (outcome, words)


def test_failed_checks_say_what_got_want_and_where(whole: Stream) -> None:
    assert whole.failed("fails") == [
        ("close(-1)", "EBADF", "EPERM"),
        ("1 + 1", "2", "3"),
        ('"a"', "a", "b"),
        ('"abcdef"', "[3] 64 65 66", "[3] 78 65 66"),
        ("close(-1)", "EBADF", "success"),
        ("1 > 2", "false", "true"),
        ("5", "5", "< 4"),
        ("getpid()", whole.failed("fails")[7][1], "EPERM"),
    ]
    assert whole.failed("fails")[7][1].startswith("success (")
    places = [event["at"] for event in whole.of("fails", "check")]
    assert all(place.startswith("selftest.c:") for place in places)
    assert len(set(places)) == len(places)


def test_last_passed_check_is_told_even_of_a_case_that_hung(whole: Stream) -> None:
    (last,) = whole.of("hangs", "check")
    assert (last["ok"], last["what"], last["got"]) == (True, "6 * 7", "42")


def test_crash_names_its_signal(whole: Stream) -> None:
    assert whole.end("crashes")["signal"] == "SIGSEGV"
    assert whole.end("hangs")["signal"] == "SIGKILL"
    assert whole.end("exits_silently")["exit"] == 3


def test_rubbish_is_noted_and_spoils_no_event(whole: Stream) -> None:
    texts = [event["text"] for event in whole.of("prints_garbage", "note")]
    assert texts[0] == "rubbish on stdout: hello"
    assert len(texts) == 5
    assert all(text.startswith("rubbish on stdout: ") for text in texts)
    assert whole.end("prints_garbage")["checks"] == 2
    assert all(len(event["text"]) < 300 for event in whole.of("prints_a_huge_line", "note"))


def test_failure_in_a_child_counts_and_gives_its_place(whole: Stream) -> None:
    assert whole.failed("child_fails") == [("1", "1", "2")]


def test_wait_that_runs_out_fails_at_its_place_and_ends_the_case(selftest: Path, tmp_path: Path) -> None:
    _, events, _ = run(selftest, tmp_path, "--only", SLOW, "--scale", "0.04")
    stream = Stream(events)
    assert stream.failed(SLOW) == [("wait at &gate", "nobody passed", "passed in time")]
    assert stream.of(SLOW, "check")[0]["at"].startswith("selftest.c:")
    assert stream.end(SLOW)["reason"] == "1 of 1 checks failed"


def test_leaks_are_named_only_when_the_case_ended_normally(whole: Stream) -> None:
    leaks = whole.leaks()
    child = [what for kind, what in leaks if kind == "process"]
    assert len(child) == 1
    assert child[0].startswith("case leaves_a_child left ")
    queue = whole.of("leaves_a_message_queue", "fact")[0]["value"]
    unowned = whole.of("leaves_a_queue_unowned", "fact")[0]["value"]
    name = whole.of("leaves_a_posix_name", "fact")[0]["value"]
    assert ("sysv", f"case leaves_a_message_queue left msg {queue}") in leaks
    assert ("sysv", f"msg id {unowned}, which no case owned") in leaks
    assert ("posix", f"case leaves_a_posix_name left posix-shm {name}") in leaks
    assert len([what for kind, what in leaks if kind == "posix"]) == 2
    assert not [what for _, what in leaks if "crashes" in what or "removes" in what]


def test_what_was_left_is_gone(whole: Stream) -> None:
    queues = Path("/proc/sysvipc/msg").read_text(encoding="ascii").split("\n")[1:]
    present = {line.split()[1] for line in queues if line}
    for case in ("leaves_a_message_queue", "leaves_a_queue_and_crashes"):
        assert str(whole.of(case, "fact")[0]["value"]) not in present
    run_id = whole.events[0]["pid"]
    assert not [path for path in Path("/dev/shm").iterdir() if path.name.startswith(f"rig.{run_id}.")]
    assert group_members(whole) == []


def test_metrics_are_raw_samples(whole: Stream) -> None:
    time_metric, rate = whole.of("times", "metric")
    assert (time_metric["unit"], time_metric["per"], rate["unit"], rate["bytes"]) == (
        "ns",
        "op",
        "B/s",
        8,
    )
    assert len(time_metric["samples"]) == 30
    assert time_metric["inner"] * (min(time_metric["samples"]) + 0.01) >= 100_000
    assert all(sample > 0 for sample in rate["samples"])


def test_a_hiccup_in_calibration_does_not_last(whole: Stream) -> None:
    (metric,) = whole.of("times_past_a_hiccup", "metric")
    assert len(metric["samples"]) == 30
    # No batch kept is shorter than 100 microseconds; samples have two decimals.
    assert metric["inner"] * (min(metric["samples"]) + 0.01) >= 100_000


def test_text_beyond_ascii_is_escaped(whole: Stream) -> None:
    (note,) = whole.of("spells_names", "note")
    assert note["text"] == 'quote " backslash \\ tab \t e-acute \u00c3\u00a9'


def test_way_of_the_call_is_told(whole: Stream) -> None:
    assert whole.end("via_syscall")["via"] == "syscall"
    assert whole.end("via_the_farthest")["via"] == "mach"
    assert whole.end("passes")["via"] == "libc"


def test_list_only_and_skip(selftest: Path, tmp_path: Path) -> None:
    listed = subprocess.run([str(selftest), "--list"], capture_output=True, text=True, check=True).stdout.split()
    assert listed[:2] == ["passes", "fails"]
    _, events, _ = run(selftest, tmp_path, "--only", "skipped,passes,fails", "--skip", "fails")
    assert events[0]["cases"] == ["passes", "skipped"]
    assert events[-1]["cases"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "passes,nonsense"], "no case named 'nonsense'"),
        (["--only", ""], "no case named ''"),
        (["--skip", "nonsense"], "no case named 'nonsense'"),
        (["--scale", "0"], "'0' is not a number above 0"),
        (["--scale", "nan"], "'nan' is not a number above 0"),
        (["--batches"], "--batches needs a value"),
        (["--deadline", "1,passes=x"], "'x' is not a number above 0"),
        (["--deadline", "nonsense=1"], "no case named 'nonsense'"),
        (["--bogus"], "unknown argument '--bogus'"),
    ],
)
def test_usage_errors_end_with_64(selftest: Path, arguments: list[str], words: str) -> None:
    done = subprocess.run([str(selftest), *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (64, "")
    assert words in done.stderr


def test_batches_and_scale_are_passed_on(selftest: Path, tmp_path: Path) -> None:
    _, events, _ = run(selftest, tmp_path, "--only", "times,hangs", "--batches", "40", "--scale", "2")
    stream = Stream(events)
    assert len(stream.of("times", "metric")[0]["samples"]) == 40
    assert stream.end("hangs")["reason"] == "not done within 0.6 s"


@pytest.mark.parametrize("deadline", ["0.1", "passes=5,hangs=0.1", "hangs=0.1,hangs_ignoring_all=5", "5,hangs=0.1"])
def test_deadline_on_the_command_line_wins(deadline: str, selftest: Path, tmp_path: Path) -> None:
    _, events, _ = run(selftest, tmp_path, "--only", "hangs", "--deadline", deadline)
    assert Stream(events).end("hangs")["reason"] == "not done within 0.1 s"


def test_each_case_lies_at_the_same_addresses(selftest: Path, tmp_path: Path) -> None:
    if subprocess.run(["setarch", "-R", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this host forbids personality(ADDR_NO_RANDOMIZE), as a container may")
    runs = [Stream(run(selftest, tmp_path, "--only", "starts_clean")[1]) for _ in range(3)]
    assert len({fact["value"] for one in runs for fact in one.of("starts_clean", "fact")}) == 1


def test_ignored_signals_and_umask_are_not_inherited(selftest: Path, tmp_path: Path) -> None:
    script = 'umask 077; trap "" PIPE CHLD TERM USR1; exec "$0" --dir "$1" --only starts_clean,child_is_killed'
    done = subprocess.run(
        ["sh", "-c", script, str(selftest), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1])["pass"] == 2
