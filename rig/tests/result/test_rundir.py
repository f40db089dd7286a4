from __future__ import annotations

import errno
import json
import os
import threading
import time
from pathlib import Path

import pytest

from rig.errors import Evidence, HostError
from rig.events import Event, EventFile, Events
from rig.result import LeakRecord, Outcome, RubbishRecord, RunDir, RunRecord, load
from rig.result.rundir import WRITE_EVERY
from rig.tests.result import make


def events_in(run: RunDir) -> list[str]:
    return [json.loads(line)["event"] for line in (run.path / "events.jsonl").read_text().splitlines()]


def test_results_are_there_from_the_first_moment(run: RunDir) -> None:
    stored = RunRecord.model_validate_json(run.results.read_bytes())
    assert (stored.state, stored.image, stored.host, stored.cases) == ("running", make.IMAGE, make.HOST, ())
    run.finish()


def test_a_whole_run(run: RunDir) -> None:
    run.set_probes({"pipe": "1"}, "bundle")
    run.plan(["pipe.eof", "pipe.full"])
    run.add_guest(make.guest())
    run.start_case("pipe.eof")
    assert run.record.running == ("pipe.eof",)
    run.add_case(make.case("eof", metrics=(make.metric(1.0, 2.0),)))
    run.add_case(make.case("full", Outcome.FAIL))
    run.add_guest(make.guest(ended="stopped"))
    run.add_leak(LeakRecord(probe="pipe", kind="file", what="/tmp/x"))
    run.add_rubbish(RubbishRecord(probe="pipe", lines=3, excerpt="x" * 10_000))
    run.set_image(make.IMAGE.model_copy(update={"release": "6.2"}))
    record = run.finish()
    assert record == load(run.path) == RunRecord.model_validate_json(run.results.read_bytes())
    assert record.state == "complete"
    assert record.ended is not None
    assert record.running == record.missing == ()
    assert [guest.ended for guest in record.guests] == ["stopped"]
    assert [case.outcome for case in record.cases] == ["pass", "fail"]
    assert record.cases[0].metrics[0].samples == (1.0, 2.0)
    assert len(record.rubbish[0].excerpt) == 4000
    assert (record.image.release, record.probes, record.bundle) == ("6.2", {"pipe": "1"}, "bundle")


def test_results_are_written_now_and_then_and_events_at_once(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic() + 1000
    monkeypatch.setattr("rig.result.rundir.time.monotonic", lambda: now)
    run.add_case(make.case("a"))
    now += WRITE_EVERY / 2
    run.add_case(make.case("b"))
    stored = RunRecord.model_validate_json(run.results.read_bytes())
    assert [case.case for case in stored.cases] == ["a"]
    assert events_in(run).count("record.case") == 2
    now += WRITE_EVERY
    run.add_case(make.case("c"))
    stored = RunRecord.model_validate_json(run.results.read_bytes())
    assert [case.case for case in stored.cases] == ["a", "b", "c"]
    run.finish()


def test_timings_need_their_circumstances(run: RunDir) -> None:
    timed = make.case(metrics=(make.metric(1.0),))
    with pytest.raises(ValueError, match=r"pipe\.eof: timings need a guest"):
        run.add_case(timed)
    run.add_guest(make.guest())
    run.add_case(timed)
    assert run.finish().cases == (timed,)


def test_a_case_told_twice_is_its_next_attempt(run: RunDir) -> None:
    run.add_case(make.case("eof", Outcome.HANG))
    run.add_case(make.case("other"))
    run.add_case(make.case("eof"))
    (other, again) = run.finish().cases
    assert (other.case, again.first_outcome, again.outcome, again.attempts) == ("other", "hang", "pass", 2)


def test_leaving_by_an_exception_is_an_interruption(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunDir.create(tmp_path / "r", image=make.IMAGE, host=make.HOST) as run:
        run.start_case("pipe.eof")
        raise KeyboardInterrupt
    record = load(tmp_path / "r")
    assert (record.state, record.running) == ("interrupted", ("pipe.eof",))


def test_finishing_twice_changes_nothing(run: RunDir) -> None:
    assert run.finish("interrupted") == run.finish("complete")
    assert load(run.path).state == "interrupted"


def test_after_the_end_nothing_is_added(run: RunDir) -> None:
    run.finish()
    before = (run.path / "events.jsonl").read_bytes()
    run.listen(Event("late"))
    with pytest.raises(ValueError, match="comes too late"):
        run.add_case(make.case())
    assert (run.path / "events.jsonl").read_bytes() == before


def test_other_events_are_kept_and_not_mistaken(run: RunDir) -> None:
    bus = Events()
    bus.listen(run.listen)
    bus.emit("boot.stage", stage="kernel", case="x", guest={"id": "nonsense"})
    record = run.finish()
    assert "boot.stage" in events_in(run)
    assert (record.guests, load(run.path).damaged_events) == ((), 0)


def test_many_threads_lose_nothing(run: RunDir) -> None:
    def work(worker: int) -> None:
        for number in range(25):
            run.start_case(f"pipe.c{worker}_{number}")
            run.add_case(make.case(f"c{worker}_{number}"))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = run.finish()
    assert len(record.cases) == 100
    assert load(run.path).damaged_events == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this host")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    run = RunDir(tmp_path / "r")
    (tmp_path / "r" / "events.jsonl").unlink()
    run._file = EventFile(Path("/dev/full"))
    with pytest.raises(HostError, match="No space left") as caught:
        run.start_case("pipe.eof")
    assert "--run-dir" in caught.value.hint


def test_a_failed_rewrite_leaves_the_old_results(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run.results.read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match=r"results\.json"):
        run.finish()
    assert run.results.read_bytes() == before
    assert not list(run.path.glob(".*.part"))
    monkeypatch.undo()
    assert load(run.path).state == "complete"  # the events hold the end that results.json could not


def test_evidence_is_copied_into_the_run(run: RunDir, tmp_path: Path) -> None:
    picture = tmp_path / "screen.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    found = Evidence(
        console="a\x1b[0mb", reason="silent", screenshot=picture, registers="RAX=0", command=("qemu", "-S")
    )
    kept = run.keep_evidence("signals.../../x y", found)
    assert kept.screenshot == "evidence/signals...-..-x-y.png"
    assert (run.path / kept.screenshot).read_bytes() == picture.read_bytes()
    assert kept.registers is not None
    assert (run.path / kept.registers).read_text() == "RAX=0"
    assert (kept.console, kept.reason, kept.command) == ("ab", "silent", ("qemu", "-S"))
    assert (run.path / kept.screenshot).resolve().is_relative_to(run.path)
    run.finish()


def test_a_panic_is_kept_as_data(run: RunDir) -> None:
    told = {"system": "darwin", "message": "a\x1b[0mb", "process": "mach_port", "nested": [{"system": "darwin"}]}
    kept = run.keep_evidence("x", Evidence(panic=told))
    assert kept.panic is not None
    assert (kept.panic.message, kept.panic.process, len(kept.panic.nested)) == ("ab", "mach_port", 1)
    run.add_case(make.case(outcome=Outcome.PANIC, evidence=kept))
    run.finish()
    (case,) = load(run.path).cases
    assert case.evidence == kept


def test_evidence_without_files_is_evidence(run: RunDir) -> None:
    kept = run.keep_evidence("x", Evidence(reason="r", screenshot=run.path / "absent.png"))
    assert (kept.screenshot, kept.registers, kept.reason) == (None, None, "r")
    run.finish()


def test_paths_of_logs_are_relative_to_the_run(run: RunDir) -> None:
    assert run.relative(run.log_path("gw0-1", "console")) == "gw0-1.console.log"
    assert run.relative(Path("/elsewhere/x")) == "/elsewhere/x"
    assert run.log_path("../x", "qemu").parent == run.path
    run.finish()
