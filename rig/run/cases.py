"""Runs cases of probes in a keeper's guest, one answer at a time, whatever happens to probe or guest between."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rig.errors import Evidence, GuestError, RigError
from rig.guest import Guest
from rig.probe.manifest import ProbeManifest
from rig.result import CaseResult, LeakRecord, Outcome, RubbishRecord
from rig.run.guests import GuestKeeper
from rig.run.probe_run import USAGE_STATUS, ProbeRun, case_facts

_LIST_SECONDS = 20.0


@dataclass
class CaseAnswer:
    """One case's result with what came to light beside it."""

    result: CaseResult
    evidence: Evidence | None = None
    leaks: list[LeakRecord] = field(default_factory=list)
    rubbish: list[RubbishRecord] = field(default_factory=list)


class CaseRunner:
    """Starts each probe once with all the cases that are wanted of it, and again only for what an early end left."""

    def __init__(self, keeper: GuestKeeper, executables: Mapping[str, Path]) -> None:
        self._keeper = keeper
        self._executables = executables
        self._runs: dict[str, ProbeRun] = {}
        self._pushed: set[tuple[str, str]] = set()

    def run(self, manifest: ProbeManifest, name: str, wanted: Sequence[str]) -> CaseAnswer:
        """The answer for case `name`; `wanted` are the cases of this probe still to come, `name` first.

        Never raises for what a guest or a probe does: that is an outcome.
        """
        run = self._runs.get(manifest.probe)
        result = run.result(name) if run is not None else None
        if run is None or result is None:
            try:
                run = self._start(manifest, wanted)
            except RigError as fault:
                return self._no_start(manifest, name, fault)
            result = run.result(name)
            if result is None:
                result = self._not_told(run, manifest, name)
        answer = CaseAnswer(result)
        if run.story.hello is not None:
            self._keeper.note_hello(run.story.hello)
        self._close(run, manifest, name, answer)
        return answer

    def _start(self, manifest: ProbeManifest, wanted: Sequence[str]) -> ProbeRun:
        guest = self._keeper.get()
        directory = self._push(guest, manifest)
        self._keeper.events.emit("probe.started", probe=manifest.probe, cases=len(wanted), guest=self._keeper.id)
        run = ProbeRun(guest, self._keeper.id, manifest, wanted, directory, self._keeper.settings.batches)
        self._runs[manifest.probe] = run
        return run

    def _push(self, guest: Guest, manifest: ProbeManifest) -> str:
        directory = f"{guest.stored.spec.workdir.rstrip('/')}/rig"
        if (self._keeper.id, manifest.probe) not in self._pushed:
            guest.push(self._executables[manifest.probe], f"{directory}/{manifest.probe}")
            self._pushed.add((self._keeper.id, manifest.probe))
        return directory

    def _no_start(self, manifest: ProbeManifest, name: str, fault: RigError) -> CaseAnswer:
        """The probe could not be started at all: no guest, or none that takes a file."""
        guest = self._keeper.record
        result = CaseResult(
            **case_facts(manifest, name, self._keeper.stored.spec.os),
            outcome=Outcome.ERROR,
            reason=f"the probe was not started: {fault.message}",
            guest=self._keeper.id if guest is not None and guest.id == self._keeper.id else None,
        )
        evidence = fault.evidence if isinstance(fault, GuestError) else None
        if isinstance(fault, GuestError):
            self._keeper.lose("failed before a probe ran")
        return CaseAnswer(result, evidence)

    def _not_told(self, run: ProbeRun, manifest: ProbeManifest, name: str) -> CaseResult:
        """The start is over and said nothing of the case: manifest and probe disagree, or the stream has a hole."""
        story = run.story
        reason = "the probe ended its stream without a word of this case"
        if story.status == USAGE_STATUS:
            reason = f"the probe refused its command line: {story.stderr.strip()}"
            with contextlib.suppress(RigError):
                listed = self._listed(manifest)
                if name not in listed:
                    reason = f"{manifest.path.name} names this case, {manifest.probe} does not have it"
        return CaseResult(
            **case_facts(manifest, name, self._keeper.stored.spec.os),
            outcome=Outcome.ERROR,
            reason=reason,
            guest=self._keeper.id,
        )

    def _listed(self, manifest: ProbeManifest) -> set[str]:
        guest = self._keeper.get()
        answer = guest.run(f"{self._push(guest, manifest)}/{manifest.probe} --list", seconds=_LIST_SECONDS)
        return set(answer.text.split())

    def _close(self, run: ProbeRun, manifest: ProbeManifest, name: str, answer: CaseAnswer) -> None:
        """After a start's last case: its leaks and rubbish, and the end of a guest that did not outlive it."""
        if name != run.names[-1] and not run.over:
            return
        story = run.finish()
        if self._runs.get(manifest.probe) is not run:
            return
        guest = self._keeper.id
        answer.leaks = [
            LeakRecord(probe=manifest.probe, kind=leak.kind, what=leak.what, guest=guest) for leak in story.leaks
        ]
        if story.rubbish:
            excerpt = "\n".join(rubbish.excerpt for rubbish in story.rubbish[:10])
            answer.rubbish = [
                RubbishRecord(probe=manifest.probe, lines=len(story.rubbish), excerpt=excerpt, guest=guest)
            ]
        story.leaks, story.rubbish = [], []
        if answer.result.outcome.is_bad and (run.guest_error is not None or not story.complete):
            answer.evidence = self._keeper.evidence(run.guest_error)
        if run.guest_error is not None:
            self._keeper.lose(answer.result.reason)
