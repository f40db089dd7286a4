from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rig.errors import HostError
from rig.report import render_page, write_page
from rig.result import (
    Attempt,
    FailedCheck,
    FrameRecord,
    GuestFacts,
    HostRecord,
    ImageRecord,
    KeptEvidence,
    LeakRecord,
    Outcome,
    PanicRecord,
    RubbishRecord,
    RunRecord,
    StageTime,
    load,
)
from rig.tests.report.sample import PLACE, sample_record
from rig.tests.result import make
from rig.tests.result.test_case import ENTRY
from rig.tests.result.test_model import START, record

VOID = {"meta", "input", "img", "br"}


class Reader(HTMLParser):
    """Reads a page: its text, its tags with attributes; fails on tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in {"script", "style"}:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(run: RunRecord, run_dir: Path | None = None) -> Reader:
    return Reader(render_page(run, run_dir))


def test_the_page_stands_alone() -> None:
    raw = render_page(sample_record(), PLACE)
    found = Reader(raw)
    for tag, attributes in found.tags:
        assert tag not in {"link", "iframe", "object", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} has {name}"
            if name in {"src", "href", "srcset", "action", "data", "poster"}:
                assert value.startswith(("#", "data:image/png;base64,")), value
    assert "url(" not in raw
    assert "@import" not in raw


def test_only_the_one_script_may_run() -> None:
    raw = render_page(sample_record(), PLACE)
    scripts = re.findall(r"<script>(.*?)</script>", raw, re.DOTALL)
    assert len(scripts) == raw.lower().count("<script") == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    (policy,) = [meta["content"] for meta in Reader(raw).named("meta") if "http-equiv" in meta]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src 'unsafe" not in policy


def test_a_panic_is_told_with_its_backtrace() -> None:
    panic = PanicRecord(
        system="darwin", message="ipc_kmsg_free: still queued", process="mach_msg", signature_id="0123456789",
        frames=(FrameRecord(symbol="_ipc_kmsg_free", module="mach_kernel", offset=4), FrameRecord(address="0x1")),
    )  # fmt: skip
    kept = KeptEvidence(reason="panic(cpu 0 ...", panic=panic)
    page = render_page(record(cases=(make.case(outcome=Outcome.PANIC, evidence=kept),)))
    for told in ("ipc_kmsg_free: still queued", ">mach_msg<", "0123456789", "Backtrace, 2 calls", "panic(cpu 0 ..."):
        assert told in page
    assert "_ipc_kmsg_free + 0x4 [mach_kernel]\n0x1\n" in page


def test_what_a_guest_printed_is_text_and_nothing_else() -> None:
    evil = "</script></style></title></pre>'\"><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}&lt;"
    case = make.case(
        evil, Outcome.FAIL, probe=evil, mechanism=evil, what=evil, source=evil, reason=evil, via=evil,
        expected_reason=evil,
        notes=(evil,), facts={evil: evil}, failed=(FailedCheck(what=evil, got=evil, want=evil, at=evil),),
        metrics=(make.metric(1.0, 2.0, name=evil, per=evil), make.metric(1.0, name=evil, bytes=4, per=evil)),
        earlier=(Attempt(outcome=Outcome.HANG, reason=evil, guest=evil),), attempts=2,
        evidence=KeptEvidence(
            reason=evil, stage=evil, console=evil, screenshot=evil, registers=evil, qemu_output=evil, command=(evil,),
            panic=PanicRecord(
                system="darwin", message=evil, process=evil, signature=evil, calls=(evil,), kernel_version=evil,
                frames=(FrameRecord(symbol=evil, module=evil, offset=4),),
            ),
        ),
    )  # fmt: skip
    facts = GuestFacts(
        os=evil,
        release=evil,
        machine=evil,
        kernel=evil,
        clock=evil,
        tick_ns=1,
        clock_cost_ns=1,
        page=1,
        limits={evil: evil},
    )
    guest = make.guest(
        "main-1", facts=facts, stages=(StageTime(name=evil, seconds=1),), ended=evil, accel_reason=evil,
        qemu_version=evil, qemu_argv=(evil,), console_log=evil, qemu_log=evil,
    )  # fmt: skip
    run = record(
        id=evil, rig_version=evil, argv=(evil,),
        cases=(case, *(make.case(f"x{n}", o, reason=evil) for n, o in enumerate(Outcome))),
        guests=(guest,), planned=(evil,), running=(evil,), bundle=evil, state="interrupted", ended=START,
        host=HostRecord(cpu=evil, cores=1, memory=1, os=evil), image=ImageRecord(name=evil, digest=evil, os=evil),
        leaks=(LeakRecord(probe=evil, kind=evil, what=evil),),
        rubbish=(RubbishRecord(probe=evil, lines=1, excerpt=evil),),
    )  # fmt: skip
    raw = render_page(run)
    found = Reader(raw)
    assert raw.lower().count("<script") == 1
    assert found.named("img") == []
    assert "49" not in found.text.replace("{{7*7}}", "")
    assert found.text.count(evil) > 25


def test_an_issue_is_a_link_only_where_that_is_harmless() -> None:
    evil = ENTRY.model_copy(update={"issue": "javascript:alert(1)", "reason": "<b>bold</b>"})
    cases = tuple(make.case(n, Outcome.FAIL, quarantine=entry) for n, entry in (("a", ENTRY), ("b", evil)))
    found = page(record(state="complete", ended=START, cases=cases))
    links = [one["href"] for one in found.named("a") if not one["href"].startswith("#")]
    assert set(links) == {"https://example.org/1"}
    assert "quarantined until 2026-12-01: <b>bold</b> (javascript:alert(1))" in found.text
    assert "No new failures; 2 cases quarantined" in found.text


def test_failures_come_before_the_rest_with_their_evidence() -> None:
    found = page(sample_record(), PLACE)
    text = found.text
    assert (
        text.index("signals.fault_past_object_end")
        < text.index("pipe.flag_cloexec")
        < text.index("the guest gained something")
    )
    for wanted in (
        "fcntl(F_GETFD) of the read end",
        "FD_CLOEXEC",
        "pipe.c:212",
        "panic(cpu 0 caller",
        "RIP=ffffff8000a0c9ad",
    ):
        assert wanted in text
    (image,) = found.named("img")
    stored = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
    assert stored == (PLACE / "evidence" / "signals.fault_past_object_end.png").read_bytes()


def test_every_case_stands_in_the_table_with_what_the_filter_needs() -> None:
    run = sample_record()
    rows = [attributes for attributes in page(run).named("tr") if "data-outcome" in attributes]
    assert len(rows) == len(run.cases)
    assert {row["data-outcome"] for row in rows} == {str(case.outcome) for case in run.cases}
    assert any("pipe.eof_after_last_writer" in row["data-words"] for row in rows)


def test_every_metric_is_drawn_with_all_its_samples() -> None:
    metrics = (make.metric(*range(1, 31)), make.metric(5.0, 5.0, name="flat"))
    found = page(record(cases=(make.case(metrics=metrics),), guests=(make.guest(),)))
    assert len([dot for dot in found.named("circle") if dot.get("class") == "dot"]) == 32
    assert "15.5 ± 7.5 ns" in found.text


def test_what_is_unsupported_has_its_reason() -> None:
    text = page(sample_record()).text
    assert text.index("expected to work") < text.index("Darwin has no POSIX message queues")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Still running"),
        ({"state": "complete", "ended": START}, "No case has a result"),
        (
            {"state": "interrupted", "ended": START, "running": ("pipe.a",), "planned": ("pipe.a", "pipe.b")},
            "2 of 2 planned",
        ),
        ({"state": "interrupted", "ended": START, "damaged_events": 1}, "1 event of events.jsonl"),
        ({"cases": (make.case(ms=None, guest=None),)}, "No guest was started"),
    ],
)
def test_a_run_at_any_moment_has_a_page(fields: dict[str, Any], words: str) -> None:
    assert words in page(record(**fields)).text


def test_it_is_written_beside_the_results_or_where_asked(tmp_path: Path) -> None:
    run = sample_record()
    assert write_page(run, tmp_path) == tmp_path / "report.html"
    assert write_page(run, PLACE, tmp_path / "other.html").read_text(encoding="utf-8") == render_page(run, PLACE)
    with pytest.raises(HostError, match="absent"):
        write_page(run, tmp_path, tmp_path / "absent" / "x.html")


def test_the_sample_run_on_disk_is_what_its_maker_makes(tmp_path: Path) -> None:
    """After a change of the model: `python -m rig.tests.report.sample`."""
    assert load(PLACE) == sample_record()
    shutil.copytree(PLACE, tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "results.json").read_text())["schema_version"] == 1
