"""One start of a probe, from recorded streams: what each case gets, and who pays for an early end."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.errors import GuestDied, HangError, PanicError, RigError, TransportError, TransportTimeout
from rig.guest import RunResult
from rig.probe.manifest import load_manifest
from rig.result import CaseResult, Outcome, Verdict
from rig.run import probe_run
from rig.run.blame import RUBBISH_KEPT
from rig.run.probe_run import ProbeRun, case_facts, probe_command
from rig.spec import GuestOS
from rig.tests.run.fakes import hello, line, write_manifest

STREAMS = Path(__file__).parents[3] / "fixtures" / "streams"
NAMES = ["first", "second", "third"]
P, F, E = Outcome.PASS, Outcome.FAIL, Outcome.ERROR


class Player:
    """A guest in which a probe says what is given, in pieces, and then ends, or fails with `fault`."""

    os = GuestOS.DARWIN
    factor = 5.0
    alive = True

    def __init__(self, said: bytes, piece: int, status: int, stderr: bytes, fault: Exception | None) -> None:
        self.said, self.piece, self.status, self.stderr, self.fault = said, piece, status, stderr, fault
        self.asked: dict[str, Any] = {}

    def run(self, command: str, *, on_output: Callable[[bytes], None], **limits: Any) -> RunResult:
        self.asked = {"command": command, **limits}
        for start in range(0, len(self.said), self.piece):
            on_output(self.said[start : start + self.piece])
        if self.fault is not None:
            raise self.fault
        return RunResult(self.status, self.said, self.stderr, 1.0)

    def death(self) -> None:
        return None


Play = Callable[..., ProbeRun]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    manifest = write_manifest(tmp_path, NAMES)

    def start(
        said: str | bytes,
        *,
        names: Sequence[str] = NAMES,
        piece: int = 7,
        status: int = 0,
        stderr: bytes = b"",
        fault: Exception | None = None,
    ) -> ProbeRun:
        data = (STREAMS / f"{said}.jsonl").read_bytes() if isinstance(said, str) else said
        guest: Any = Player(data, piece, status, stderr, fault)
        return ProbeRun(guest, "main-1", manifest, names, "/tmp/rig", 30)

    return start


def outcomes(run: ProbeRun) -> dict[str, Outcome]:
    return {name: result.outcome for name, result in run.finish().items()}


def of(run: ProbeRun, name: str) -> CaseResult:
    result = run.result(name)
    assert result is not None
    return result


def test_a_whole_stream(play: Play) -> None:
    run = play("whole")
    first, second, third = (of(run, name) for name in NAMES)
    assert (first.outcome, first.via, first.ms, first.checks) == (P, "syscall", 1.5, 3)
    assert (first.notes, first.facts, first.guest) == (("capacity 16384",), {"capacity": 16384}, "main-1")
    assert (second.outcome, second.reason) == (F, "1 of 3 checks failed")
    assert [(check.what, check.got, check.want) for check in second.failed] == [
        ("write to the read end", "EPIPE", "EBADF")
    ]
    assert third.metrics[0].samples == (812.5, 807.25, 830.0)
    run.finish()
    assert (len(run.story.leaks), run.story.rubbish_lines, run.story.notes) == (2, 0, ["about the probe"])
    assert run.story.ended_well
    assert (run.culprit, run.late) == (None, None)


def test_the_probe_is_asked_in_the_guests_time(play: Play) -> None:
    run = play("whole")
    run.finish()
    asked = run._guest.asked  # type: ignore[attr-defined]
    options = "--only first,second,third --scale 5 --batches 30 --deadline first=1,second=1,third=1"
    assert asked["command"] == f"cd /tmp/rig && ./sample {options}"
    patience = asked["idle"](0.0)
    assert asked["seconds"] > patience.end > patience.ask > 1


def test_the_command_quotes_what_needs_it(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, NAMES)
    command = probe_command(manifest, ["first"], "/tmp/it's", 2.5, 7)
    assert command == "cd '/tmp/it'\"'\"'s' && ./sample --only first --scale 2.5 --batches 7 --deadline first=1"


def test_a_deadline_that_the_manifest_does_not_give_is_left_to_the_c(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, NAMES)
    plain = yaml.safe_load(manifest.path.read_text())
    del plain["cases"]["first"]["deadline"]
    plain["cases"]["second"]["deadline"] = 2.5
    manifest.path.write_text(yaml.safe_dump(plain))
    command = probe_command(load_manifest(manifest.path), ["first", "second"], "/tmp", 1, 7)
    assert command.endswith(" --batches 7 --deadline second=2.5")


def test_results_come_while_the_probe_runs(play: Play) -> None:
    run = play("whole")
    assert of(run, "first").outcome is P
    assert not run.over
    assert of(run, "third").outcome is P


@pytest.mark.parametrize(
    ("stream", "wanted"),
    [
        ("whole", {"first": P, "second": F, "third": P}),
        ("rubbish", dict.fromkeys(NAMES, P)),
        ("end_without_start", dict.fromkeys(NAMES, P)),
        ("second_end", dict.fromkeys(NAMES, P)),
        ("unknown_case", dict.fromkeys(NAMES, P)),
        ("crashed_case", {"first": Outcome.CRASHED, "second": Outcome.TIMEOUT, "third": Outcome.UNSUPPORTED}),
        ("hole", {"first": P, "second": E, "third": P}),
        ("other_probe", dict.fromkeys(NAMES, E)),
        ("other_version", dict.fromkeys(NAMES, E)),
    ],
)
def test_streams_that_end_well(stream: str, wanted: dict[str, Outcome], play: Play) -> None:
    run = play(stream)
    assert outcomes(run) == wanted
    assert (run.culprit, run.late) == (None, None)


def test_a_hole_is_told_as_such(play: Play) -> None:
    assert of(play("hole"), "second").reason == (
        "the probe said goodbye, but this case began and never ended: the stream has a hole"
    )


def test_another_probe_is_told_as_such(play: Play) -> None:
    assert of(play("other_probe"), "first").reason.startswith("the probe says that it is other version 1, sample.yaml")


@pytest.mark.parametrize(
    ("stream", "culprit", "when"),
    [("cut_in_a_case", "second", "while this case ran"), ("cut_between_cases", "third", "before this case began")],
)
@pytest.mark.parametrize(
    ("end", "outcome", "words"),
    [
        ({"status": 139, "stderr": b"Segmentation fault"}, Outcome.CRASHED, r"\(status 139\).*it said: Segmentation"),
        ({"fault": PanicError("kernel panic: x")}, Outcome.PANIC, "kernel panic: x"),
        ({"fault": GuestDied("QEMU ended")}, Outcome.PANIC, "QEMU ended"),
        ({"fault": HangError("no answer")}, Outcome.HANG, "no answer"),
        ({"fault": TransportTimeout("said nothing")}, Outcome.TIMEOUT, "said nothing.*the guest still answers"),
        ({"fault": TransportError("broke")}, E, "broke"),
        ({"fault": ValueError("a bug of ours")}, E, "the rig failed while it followed the probe: .*a bug of ours"),
    ],
    ids=["crash", "panic", "death", "hang", "timeout", "transport", "bug"],
)
def test_exactly_one_case_pays_for_an_early_end(
    stream: str, culprit: str, when: str, end: dict[str, Any], outcome: Outcome, words: str, play: Play
) -> None:
    run = play(stream, **end)
    before = play("whole")
    paid = of(run, culprit)
    assert (paid.outcome, run.culprit, run.late) == (outcome, culprit, None)
    assert when in paid.reason
    assert re.search(words, paid.reason)
    others = {name: result for name, result in run.finish().items() if name != culprit}
    assert others == {name: of(before, name) for name in others}
    assert len(run.finish()) == NAMES.index(culprit) + 1, "what comes behind the culprit has no result: it runs again"


def test_what_the_culprit_had_said_is_kept(play: Play) -> None:
    paid = of(play("cut_in_a_case", status=139), "second")
    assert paid.failed[0].what == "write to the read end"


@pytest.mark.parametrize(
    ("stream", "end", "outcome"),
    [
        ("no_goodbye", {"status": 139}, Outcome.CRASHED),
        ("no_goodbye", {"fault": PanicError("kernel panic")}, Outcome.PANIC),
        ("whole", {"fault": PanicError("kernel panic")}, Outcome.PANIC),
        ("whole", {"fault": TransportTimeout("did not end")}, Outcome.TIMEOUT),
        ("whole", {"status": 1}, Outcome.CRASHED),
    ],
)
def test_an_end_behind_the_last_case_is_not_lost(
    stream: str, end: dict[str, Any], outcome: Outcome, play: Play
) -> None:
    run = play(stream, **end)
    assert outcomes(run) == {"first": P, "second": F, "third": P}
    assert run.culprit is None
    assert run.late is not None
    assert run.late[0] is outcome
    assert "after" in run.late[1]


def test_a_connection_that_breaks_behind_the_goodbye_is_nobodys(play: Play) -> None:
    assert play("whole", fault=TransportError("broke")).finish()
    run = play("whole", fault=TransportError("broke"))
    run.finish()
    assert run.late is None


def test_a_guest_found_dead_behind_a_good_stream(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    death = PanicError("the guest's kernel panicked")
    monkeypatch.setattr(Player, "alive", False)
    monkeypatch.setattr(Player, "death", lambda _: death)
    run = play("whole")
    run.finish()
    assert run.guest_error is death
    assert run.late is not None
    assert run.late[0] is Outcome.PANIC


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", r"printed nothing and ended with status 134; it said: dyld: Symbol not found"),
        ("only_rubbish", r"printed no stream \(line 1: not JSON.*status 134"),
        ("protocol_2", r"line 1: the probe speaks protocol 2, this rig reads 1"),
        (b"\n\n\n", "printed nothing"),
    ],
    ids=["nothing", "rubbish", "protocol", "empty lines"],
)
def test_no_stream_at_all(said: str | bytes, words: str, play: Play) -> None:
    run = play(said, status=134, stderr=b"dyld: Symbol not found: _msgget\n")
    paid = of(run, "first")
    assert paid.outcome is E
    assert re.search(words, paid.reason)
    assert list(run.finish()) == ["first"]


def test_a_refused_command_line_blames_nobody_yet(play: Play) -> None:
    run = play(b"", status=64, stderr=b"sample: no case third")
    assert run.finish() == {}
    assert run.story.refused
    assert (run.culprit, run.late) == (None, None)


def test_a_line_too_long_costs_that_line(play: Play) -> None:
    long = line("note", case="first", text="x" * (300 << 10))
    said = hello(NAMES) + line("start", case="first") + long + line("end", case="first", outcome="pass")
    run = play(said, piece=65536, status=139)
    assert of(run, "first").outcome is P
    assert run.story.rubbish_lines == 1
    assert run.story.rubbish[0].size == len(long) - 1


def test_rubbish_without_end_is_counted_not_kept(play: Play) -> None:
    run = play(hello(NAMES) + b"y\n" * 5000, piece=4096, status=1)
    run.finish()
    assert (run.story.rubbish_lines, len(run.story.rubbish)) == (5000, RUBBISH_KEPT)


def test_a_case_in_a_loop_does_not_fill_the_record(play: Play) -> None:
    check = line("check", case="first", ok=False, what="again", got="1", want="2", at="sample.c:3")
    note = line("note", case="first", text="again")
    facts = b"".join(line("fact", case="first", name=f"fact{number}", value=number) for number in range(500))
    said = hello(NAMES) + check * 1000 + note * 1000 + facts + line("end", case="first", outcome="fail")
    result = of(play(said, piece=4096), "first")
    kept = probe_run._KEPT
    assert (len(result.failed), len(result.notes), len(result.facts)) == (kept, kept + 1, kept)
    assert result.notes[-1] == f"{2000 - 2 * kept} more checks, notes or metrics were left out"


def test_numbers_that_make_no_sense_are_no_crash(play: Play) -> None:
    said = hello(NAMES) + line("end", case="first", outcome="pass", ms=-3.5)
    assert of(play(said), "first").ms == 0.0


def test_a_pass_with_checks_that_failed_is_none(play: Play) -> None:
    check = line("check", case="first", ok=False, what="again", got="1", want="2", at="sample.c:3")
    good = line("check", case="second", ok=True, what="again", got="1", want="1", at="sample.c:4")
    ends = b"".join(line("end", case=name, outcome="pass") for name in ("first", "second"))
    run = play(hello(NAMES) + check + good + ends)
    assert (of(run, "first").outcome, of(run, "second").outcome) == (E, P)
    assert "calls this a pass, and told of 1 checks that failed" in of(run, "first").reason


def test_blame_follows_the_probes_order_not_the_manifests(play: Play) -> None:
    said = hello(["third", "second", "first"]) + line("end", case="third", outcome="pass")
    run = play(said, status=139)
    assert outcomes(run) == {"third": P, "second": Outcome.CRASHED}
    assert run.culprit == "second"


def test_a_hello_without_a_case_that_was_asked_for(play: Play) -> None:
    said = hello(["first"]) + line("end", case="first", outcome="pass") + line("goodbye", cases=1)
    run = play(said)
    assert outcomes(run) == {"first": P, "second": E, "third": E}
    assert "never began" in of(run, "third").reason


def test_abandoning_takes_what_is_there(play: Play) -> None:
    run = play("whole")
    run._thread.join(20)
    run.abandon()
    assert run.over
    assert len(run.story.leaks) == 2


def test_only_rig_errors_reach_the_story(play: Play) -> None:
    run = play("cut_in_a_case", fault=KeyError("x"))
    run.finish()
    assert type(run.story.fault) is RigError


BY_RELEASE: dict[str, Any] = {
    "first": {
        "expect": {"linux": "pass", "darwin": {"17": "pass", "20": "fail"}},
        "reason": "20 forgets the port",
    }
}


@pytest.mark.parametrize(
    ("said", "known", "expected", "reason"),
    [
        ("20.5.0", None, F, "20 forgets the port"),
        ("17.4.0", None, P, ""),
        ("17.4.0", "20.5.0", P, ""),  # what the probe was told itself counts
        (None, "17.4.0", P, ""),
        (None, "21.1.0", F, "20 forgets the port"),
        (None, None, F, "20 forgets the port"),
    ],
)
def test_a_case_is_held_against_what_its_release_is_expected_to_do(
    tmp_path: Path, said: str | None, known: str | None, expected: Outcome, reason: str
) -> None:
    manifest = write_manifest(tmp_path, ["first"], **BY_RELEASE)
    words = hello(["first"]).replace(b'"6.1"', f'"{said}"'.encode()) if said else b""
    end = line("end", case="first", outcome="fail", reason="so", checks=1, ms=1)
    stream = words + line("start", case="first") + end + line("goodbye", cases=1)
    guest: Any = Player(stream, 7, 0, b"", None)
    run = ProbeRun(guest, "main-1", manifest, ["first"], "/tmp/rig", 30, known)
    first = of(run, "first")
    assert (first.expected, first.expected_reason) == (expected, reason)
    if said:
        assert first.verdict is (Verdict.KNOWN_FAILURE if expected is F else Verdict.UNEXPECTED)
    run.finish()


def test_a_case_that_one_os_alone_can_have_says_on_the_other_what_that_lacks(tmp_path: Path) -> None:
    cases: dict[str, Any] = {
        "first": {"expect": {"linux": "unsupported", "darwin": {17: "pass", 20: "fail"}}, "reason": "20 forgets"}
    }
    only = {"os": "darwin", "reason": "Linux has no Mach ports"}
    manifest = write_manifest(tmp_path, ["first"], only=only, **cases)
    linux = case_facts(manifest, "first", GuestOS.LINUX, "6.1")
    assert (linux["expected"], linux["expected_reason"]) == (Outcome.UNSUPPORTED, "Linux has no Mach ports")
    assert case_facts(manifest, "first", GuestOS.DARWIN, "20.5.0")["expected_reason"] == "20 forgets"
