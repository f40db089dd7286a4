"""The run's record: what pytest's reports bring goes into the run directory and onto the screen.

Lives in the one process that the user started; xdist workers send plain data on their reports, and their events
through files that are read while they grow.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rig.errors import Evidence
from rig.events import Event
from rig.report import LiveTable
from rig.result import CaseResult, GuestRecord, LeakRecord, RubbishRecord, RunDir
from rig.run.items import CaseItem
from rig.run.worker import worker_of

_TAIL_SECONDS = 0.3
_SHOWN = {
    "accel.failed": "{accel} does not boot a guest here: {reason}",
    "listener.dropped": "a listener failed and was dropped: {fault}",
}


class Recorder:
    """A pytest plugin object for the controlling process."""

    def __init__(self, run: RunDir, table: LiveTable) -> None:
        self.run = run
        self.table = table
        self.cases = 0
        self.failed_collection: list[str] = []
        self._planned = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._tail = threading.Thread(target=self._follow_workers, name="workers", daemon=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Listen to this process's own worker, and to those of xdist."""
        worker = worker_of(session.config)
        worker.say = self.table.say
        worker.events.listen(self.hear)
        worker.events.listen(self.run.listen)
        self._tail.start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: the cases that are meant to run."""
        self.plan([item for item in session.items if isinstance(item, CaseItem)])

    def plan(self, items: list[CaseItem]) -> None:
        """Tell record and table what is to come."""
        if items and not self._planned:
            self._planned = True
            self.run.plan([item.case_id for item in items])
            self.table.plan(Counter(item.manifest.mechanism for item in items))
            self.run.set_probes({item.manifest.probe: item.manifest.version for item in items})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A manifest that cannot be read is no case that failed: it is told apart."""
        if report.failed:
            self.failed_collection.append(str(report.longrepr))

    def hear(self, event: Event) -> None:
        """An event of a worker, for the screen."""
        guest = str(event.data.get("guest", event.data.get("worker", "")))
        match event.name:
            case "guest.boot.started":
                self.table.guest(guest, "booting")
            case "boot.stage":
                self.table.guest(guest or "main", "booting", f"{event.data['stage']} {event.data['seconds']:.1f} s")
            case "guest.boot.ended":
                self.table.guest(guest, "ready", f"{event.data['accel']}, {event.data['seconds']:.1f} s")
            case "guest.boot.failed" | "guest.ended":
                self.table.guest(guest, "ended" if event.name == "guest.ended" else "failed to boot")
            case "case.wanted":
                self.run.start_case(event.data["case"])
                self.table.start_case(event.data["case"], event.data["mechanism"])
            case name if name in _SHOWN:
                self.table.say(_SHOWN[name].format(**event.data))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A case's report, from this process or a worker's."""
        data: dict[str, Any] | None = getattr(report, "rig", None)
        if data is None:
            return
        with self._lock:
            for guest in data["guests"]:
                self.add_guest(guest)
            if "case" not in data:
                return
            case = CaseResult.model_validate(data["case"])
            if "evidence" in data:
                kept = self.run.keep_evidence(case.id, _evidence(data["evidence"]))
                case = case.model_copy(update={"evidence": kept})
            self.cases += 1
            self.run.add_case(case)
            self.table.end_case(case)
            for leak in data["leaks"]:
                self.run.add_leak(LeakRecord.model_validate(leak))
                self.table.say(f"{leak['probe']} left behind: {leak['kind']} {leak['what']}")
            for rubbish in data["rubbish"]:
                self.run.add_rubbish(RubbishRecord.model_validate(rubbish))

    def add_guest(self, plain: dict[str, Any]) -> None:
        """A guest's record, its logs named relative to the run."""
        record = GuestRecord.model_validate(plain)
        logs = {
            key: self.run.relative(Path(value))
            for key, value in (("console_log", record.console_log), ("qemu_log", record.qemu_log))
            if value
        }
        self.run.add_guest(record.model_copy(update=logs))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """An xdist worker has ended: its last words about its guests."""
        for plain in getattr(node, "workeroutput", {}).get("rig_guests", []):
            self.add_guest(plain)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the plugin's own: the last guest has ended here."""
        for record in worker_of(session.config).guests.values():
            self.add_guest(record.model_dump(mode="json"))
        self._stop.set()
        self._tail.join(5)

    def _follow_workers(self) -> None:
        """Read the workers' event files while they grow."""
        places: dict[Path, int] = {}
        while not self._stop.wait(_TAIL_SECONDS):
            for path in sorted((self.run.path / "workers").glob("*.jsonl")):
                with path.open("rb") as file:
                    file.seek(places.get(path, 0))
                    whole, _, _ = file.read().rpartition(b"\n")
                if whole:
                    places[path] = places.get(path, 0) + len(whole) + 1
                    self._hear_lines(whole, path.stem)

    def _hear_lines(self, lines: bytes, worker: str) -> None:
        for line in lines.splitlines():
            try:
                data = json.loads(line)
                name = str(data.pop("event"))
                at = float(data.pop("at"))
            except (ValueError, KeyError, AttributeError, TypeError):
                continue  # a line torn by a killed worker
            data.setdefault("worker", worker)
            self.run.listen(Event(name, data, at=at))
            self.hear(Event(name, data, at=at))


def _evidence(data: dict[str, Any]) -> Evidence:
    screenshot = data.get("screenshot")
    return Evidence(
        console=data["console"],
        reason=data["reason"],
        stage=data["stage"],
        screenshot=Path(screenshot) if screenshot else None,
        registers=data["registers"],
        qemu_output=data["qemu_output"],
        command=tuple(data["command"]),
    )
