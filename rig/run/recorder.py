"""The run's record: what pytest's reports bring goes into the run directory and onto the screen.

Lives in the one process that the user started; xdist workers send plain data on their reports, and their events
through files that are read while they grow (rig.run.tail).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rig.errors import Evidence, HostError, RigError
from rig.events import Event
from rig.probe.manifest import ProbeManifest
from rig.report import LiveTable
from rig.result import CaseResult, GuestRecord, LeakRecord, Outcome, RubbishRecord, RunDir
from rig.run.blame import panicking_process
from rig.run.items import CaseItem
from rig.run.plugin import REST, RIG_DATA, rest_data
from rig.run.probe_run import case_facts
from rig.run.tail import Tail
from rig.run.telling import Teller
from rig.run.worker import worker_of, workers_place
from rig.spec import GuestOS, Isolation


class Recorder:
    """A pytest plugin object for the controlling process."""

    def __init__(
        self,
        run: RunDir,
        table: LiveTable,
        manifests: Sequence[ProbeManifest],
        os: GuestOS,
        isolation: Isolation = Isolation.SUITE,
    ) -> None:
        self.run = run
        self.table = table
        self.failed_collection: list[str] = []
        self.gave_up = ""
        """Why no guest ever became ready, with its evidence in words."""
        self.fault: HostError | None = None
        """Why the record cannot be written any more."""
        self._manifests = {manifest.probe: manifest for manifest in manifests}
        self._os = os
        before = run.record
        self._planned = set(before.planned)
        self._ended = {case.id: case for case in before.cases}
        self._attempts = Counter({case.id: case.attempts for case in before.cases})
        self._teller = Teller(table, isolation)
        self._lock = threading.RLock()
        self._tail = Tail(workers_place(run.path, before.parts), self._hear_worker)
        self._show_plan()
        table.show_done(before.cases)

    @property
    def cases(self) -> int:
        """How many cases have a result."""
        return len(self._ended)

    def _recall_failures(self, config: pytest.Config) -> None:
        """`--lf` is about whole runs: an earlier part of this one that was killed could not keep what failed."""
        failed: dict[str, bool] = getattr(config.pluginmanager.get_plugin("lfplugin"), "lastfailed", {})
        for case in self._ended.values():
            path = self._manifest_of(case.id).path
            if path.is_relative_to(config.rootpath):
                node = f"{path.relative_to(config.rootpath).as_posix()}::{case.case}"
                if case.verdict.is_red:
                    failed[node] = True
                else:
                    failed.pop(node, None)
        if config.getoption("lf") and not failed:
            self.table.say("Nothing failed last time: all that was selected is run")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Listen to this process's own worker, and to those of xdist."""
        worker = worker_of(session.config)
        worker.say = self.table.say
        worker.events.listen(self.hear)
        worker.events.listen(self.run.listen)
        self._recall_failures(session.config)
        self._tail.start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: the cases that are meant to run."""
        self.plan(item.case_id for item in session.items if isinstance(item, CaseItem))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """With xdist: each worker has collected the same."""
        self.plan(case for node in ids if (case := self._case_of(node)) is not None)

    def plan(self, case_ids: Iterable[str]) -> None:
        """Tell record and table what is to come."""
        fresh = [case for case in case_ids if case not in self._planned]
        if not fresh:
            return
        self._planned |= set(fresh)
        manifests = [self._manifest_of(case) for case in fresh]
        self._write(lambda: self.run.plan(fresh))
        self._write(lambda: self.run.set_probes({one.probe: one.version for one in manifests}))
        self._show_plan()

    def _show_plan(self) -> None:
        self.table.plan(Counter(self._manifest_of(case).mechanism for case in self._planned))

    def _manifest_of(self, case: str) -> ProbeManifest:
        return self._manifests[case.partition(".")[0]]

    def _case_of(self, node: str) -> str | None:
        """The case id for a pytest node id (`DIRECTORY/PROBE.yaml::CASE`); None for what is no case."""
        path, _, case = node.partition("::")
        manifest = self._manifests.get(Path(path).stem)
        return f"{manifest.probe}.{case}" if manifest is not None and case in manifest.cases else None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A manifest that cannot be read is no case that failed: it is told apart."""
        if report.failed and str(report.longrepr) not in self.failed_collection:
            self.failed_collection.append(str(report.longrepr))

    def hear(self, event: Event) -> None:
        """An event of a worker, for the screen."""
        self._teller.hear(event)
        if event.name == "case.wanted":
            data = event.data
            # A worker's events come through a file, so a case may have ended before one hears that it was wanted.
            with self._lock:
                if data["case"] not in self._ended:
                    self.run.start_case(data["case"])
                    self.table.start_case(data["case"], data["mechanism"])

    def _hear_worker(self, event: Event) -> None:
        self.run.listen(event)
        self.hear(event)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A case's report, from this process or a worker's."""
        data: dict[str, Any] | None = getattr(report, RIG_DATA, None)
        if data is not None:
            self._write(lambda: self._take(data))

    def _take(self, data: dict[str, Any]) -> None:
        for guest in data["guests"]:
            self.add_guest(guest)
        self.gave_up = self.gave_up or data.get("gave_up", "")
        if "case" not in data:
            return
        for one in (*data.get("earlier", ()), data):
            case = CaseResult.model_validate({**one["case"], "broken": one["broken"]})
            self._add_case(case, one.get("evidence"))
            self._add_findings(one)

    def _add_case(self, case: CaseResult, evidence: dict[str, Any] | None = None) -> None:
        if evidence is not None:
            before = self._ended.get(case.id)
            name = case.id if before is None else f"{case.id}-attempt-{self._attempts[case.id] + 1}"
            kept = self.run.keep_evidence(name, _evidence(evidence))
            case = case.model_copy(update={"evidence": kept})
        with self._lock:
            before = self._ended.get(case.id)
            self._ended[case.id] = case if before is None else case.after(before)
            self._attempts[case.id] += 1
            self.run.add_case(case)
            self.table.end_case(self._ended[case.id])

    def _add_findings(self, data: dict[str, Any]) -> None:
        for leak in data["leaks"]:
            self.run.add_leak(LeakRecord.model_validate(leak))
            self.table.say(f"{leak['probe']} left behind: {leak['kind']} {leak['what']}")
        for rubbish in data["rubbish"]:
            self.run.add_rubbish(RubbishRecord.model_validate(rubbish))
            first = rubbish["excerpt"].partition("\n")[0]
            self.table.say(f"{rubbish['probe']} printed {rubbish['lines']} lines that are no stream: {first}")

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
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """An xdist worker died under a case; xdist hands it to another worker, so this is its first attempt."""
        case_id = self._case_of(crashitem)
        if case_id is None:
            return
        probe, _, name = case_id.partition(".")
        facts = case_facts(self._manifests[probe], name, self._os, self._release)
        reason = "the pytest worker that ran this case crashed"
        self._write(lambda: self._add_case(CaseResult(**facts, outcome=Outcome.ERROR, reason=reason)))

    @property
    def _release(self) -> str | None:
        """The guests' kernel's, as a probe was told it, else as the image's entry has it."""
        record = self.run.record
        return next((guest.facts.release for guest in record.guests if guest.facts), record.image.release)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """An xdist worker has ended: its last words."""
        rest = getattr(node, "workeroutput", {}).get(REST)
        if rest is not None:
            self._write(lambda: self._take_rest(rest))

    def pytest_keyboard_interrupt(self) -> None:
        """Ctrl-C, or a signal like it: guests side by side may take some seconds to end."""
        self.table.say("Interrupted: the guests are ended, then there is a report")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the plugin's own: the last guest has ended here."""
        self._tail.stop()
        try:
            worker = worker_of(session.config)
        except RigError:
            return  # the session ended before it began
        self._write(lambda: self._take_rest(rest_data(worker)))

    def _take_rest(self, rest: dict[str, Any]) -> None:
        for guest in rest["guests"]:
            self.add_guest(guest)
        self._add_findings(rest)
        death = rest.get("death")
        last = next((case for case in reversed(self._ended.values()) if death and case.guest == death["guest"]), None)
        if death is not None and last is not None:
            reason = f"{death['message']}, after this case, the last in that guest, had ended"
            reason += panicking_process(death["evidence"].get("panic"), last.probe)
            worse = last.model_copy(update={"outcome": Outcome.PANIC, "first_outcome": Outcome.PANIC, "reason": reason})
            self._add_case(worse, death["evidence"])

    def _write(self, step: Callable[[], None]) -> None:
        """Do something that writes the record. Where it cannot be written, the run ends at once, and in order."""
        if self.fault is not None:
            return
        try:
            step()
        except HostError as fault:
            self.fault = fault
            pytest.exit(f"the run cannot be recorded: {fault.message}", returncode=pytest.ExitCode.INTERRUPTED)


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
        panic=data.get("panic"),
    )
