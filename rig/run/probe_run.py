"""One start of a probe in a guest: its stream is read while it runs, and each case's result is handed out as it ends.

A start ends early when its guest dies, hangs or panics, when the probe itself crashes, or when the stream stops. Then
exactly one case is blamed: the one that was under way, else the first that never began, else (all have ended) the one
that was handed out last. The caller starts the rest again.
"""

from __future__ import annotations

import queue
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rig.errors import GuestError, RigError, TransportTimeout
from rig.guest import Guest
from rig.probe.manifest import ProbeManifest
from rig.probe.protocol import (
    Check,
    End,
    Fact,
    Goodbye,
    Hello,
    Leak,
    Message,
    Metric,
    Note,
    Rubbish,
    Start,
    StreamReader,
)
from rig.result import CaseResult, FailedCheck, MetricSamples, Outcome
from rig.run.blame import RUBBISH_KEPT, ProbeStory, verdict
from rig.run.standing import Standing
from rig.spec import GuestOS

_START_SECONDS = 20.0
_CASE_GRACE = 10.0
_KEPT = 200
"""Failed checks, notes, facts and metrics that are kept of one case: a case in a loop must not fill the record."""

Item = TypeVar("Item")


@dataclass
class _Told:
    """What a case has said so far."""

    failed: list[FailedCheck] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, bool | int | float | str] = field(default_factory=dict)
    metrics: list[MetricSamples] = field(default_factory=list)
    left_out: int = 0

    def keep(self, items: list[Item], item: Item) -> None:
        if len(items) < _KEPT:
            items.append(item)
        else:
            self.left_out += 1


class ProbeRun:
    """Runs `names` of one probe, in a thread."""

    def __init__(
        self,
        guest: Guest,
        guest_id: str,
        manifest: ProbeManifest,
        names: Sequence[str],
        directory: str,
        batches: int,
        release: str | None = None,
    ) -> None:
        self.names = list(names)
        self.guest_id = guest_id
        self.story = ProbeStory()
        self.culprit: str | None = None
        """The case that was given the early end."""
        self.behind: list[str] = []
        """Cases after it that may have begun, too: a guest that goes down takes its last output along."""
        self.late: tuple[Outcome, str] | None = None
        """An early end after all cases had ended: whoever was handed out last pays for it."""
        self.begun: dict[str, None] = {}
        """The cases that have begun, in their order."""
        self._guest = guest
        self._manifest = manifest
        self._known_release = release
        self._command = probe_command(manifest, names, directory, guest.factor, batches)
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._told: dict[str, _Told] = {}
        self._open: str | None = None
        self._done: dict[str, CaseResult] = {}
        self._over = False
        self._thread = threading.Thread(target=self._work, name=f"probe-{manifest.probe}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        reader = StreamReader()
        standing = Standing(self._manifest.cases, self._guest.factor)

        def take(data: bytes) -> None:
            for message in reader.feed(data):
                standing.hear(message)
                self._pass_on(message)

        deadlines = [self._manifest.cases[name].deadline for name in self.names]
        try:
            answer = self._guest.run(
                self._command,
                seconds=_START_SECONDS + sum(deadlines) + _CASE_GRACE * len(deadlines),
                idle=standing.patience,
                on_output=take,
            )
            self.story.status = answer.status
            self.story.stderr = answer.stderr.decode("utf-8", "replace")[-2000:]
            if not self._guest.alive:
                self.story.fault = self._guest.death()
        except RigError as fault:
            self.story.fault = fault
        # A fault of the rig itself must not look like a probe that went silent.
        except Exception as fault:
            self.story.fault = RigError(f"the rig failed while it followed the probe: {fault!r}")
        finally:
            for message in reader.close():
                self._pass_on(message)
            self._messages.put(None)

    def _pass_on(self, message: Message) -> None:
        if isinstance(message, Rubbish):
            # Counted here: a probe that prints nothing else must not fill the memory.
            self.story.rubbish_lines += 1
            if self.story.rubbish_lines > RUBBISH_KEPT:
                return
        self._messages.put(message)

    def result(self, name: str) -> CaseResult | None:
        """The result of one case, waiting for it. None when this start is over and told nothing of it."""
        while name not in self._done and not self._over:
            self._take(self._messages.get())
        return self._done.get(name)

    def finish(self) -> dict[str, CaseResult]:
        """Wait for the end of the start; returns every result of it."""
        while not self._over:
            self._take(self._messages.get())
        return dict(self._done)

    def abandon(self) -> None:
        """Take in what has been told by now, without waiting: nobody will ask for more."""
        while not self._over:
            try:
                self._take(self._messages.get_nowait())
            except queue.Empty:
                return

    @property
    def release(self) -> str | None:
        """The kernel's: as this start said it, else as it was known before."""
        return self.story.hello.release if self.story.hello is not None else self._known_release

    @property
    def over(self) -> bool:
        """Whether the start has ended and all it told is taken in."""
        return self._over

    def _case(self, name: str) -> _Told:
        return self._told.setdefault(name, _Told())

    def _take(self, message: Message | None) -> None:
        story = self.story
        match message:
            case None:
                self._over = True
                self._thread.join()
                self._blame()
            case Hello():
                story.hello = message
            case Note(case=None):
                story.notes.append(message.text)
            case Leak():
                story.leaks.append(message)
            case Rubbish():
                story.rubbish.append(message)
            case Goodbye():
                story.complete = True
            case _:
                self._take_of_case(message)

    def _take_of_case(self, message: Message) -> None:
        match message:
            case Start(case=name):
                self._open = name
                self.begun[name] = None
            case Check(case=name) if not message.ok:
                told = self._case(name)
                check = FailedCheck(what=message.what, got=message.got, want=message.want, at=message.at)
                told.keep(told.failed, check)
            case Note(case=str(name)):
                told = self._case(name)
                told.keep(told.notes, message.text)
            case Fact(case=str(name)):
                told = self._case(name)
                if len(told.facts) < _KEPT or message.name in told.facts:
                    told.facts[message.name] = message.value
            case Metric(case=name):
                told = self._case(name)
                told.keep(told.metrics, _samples(message))
            case End(case=name) if name in self._manifest.cases:
                self._open = None if self._open == name else self._open
                self._done[name] = self._ended(message)
            case _:
                pass  # a later protocol's message, or an end for a case the manifest does not name

    def _ended(self, end: End) -> CaseResult:
        reason = end.reason
        if end.signal and end.signal not in reason:
            reason = f"{reason} ({end.signal})".strip()
        outcome = Outcome(end.outcome)
        failed = len(self._case(end.case).failed)
        if outcome is Outcome.PASS and failed:
            # A probe that is linked with another harness, or writes its stream by itself.
            outcome, reason = Outcome.ERROR, f"the probe calls this a pass, and told of {failed} checks that failed"
        return self._build(end.case, outcome, reason, end=end)

    def _build(self, name: str, outcome: Outcome, reason: str, *, end: End | None = None) -> CaseResult:
        told = self._case(name)
        if told.left_out:
            told.notes.append(f"{told.left_out} more checks, notes or metrics were left out")
        disagreement = self._disagreement()
        return CaseResult(
            **case_facts(self._manifest, name, self._guest.os, self.release),
            outcome=Outcome.ERROR if disagreement else outcome,
            reason=disagreement or reason,
            via=end.via if end else None,
            ms=max(0.0, end.ms) if end else None,
            checks=end.checks if end else len(told.failed),
            failed=tuple(told.failed),
            notes=tuple(told.notes),
            facts=told.facts,
            metrics=tuple(told.metrics),
            guest=self.guest_id,
        )

    def _disagreement(self) -> str:
        """In words, where the probe that ran is not the one that the manifest describes."""
        hello, manifest = self.story.hello, self._manifest
        if hello is None or (hello.probe, hello.version) == (manifest.probe, manifest.version):
            return ""
        return (
            f"the probe says that it is {hello.probe} version {hello.version}, "
            f"{manifest.path.name} describes {manifest.probe} version {manifest.version}"
        )

    def _blame(self) -> None:
        """Give the start's early end to one case."""
        story = self.story
        order = dict.fromkeys([*(story.hello.cases if story.hello else ()), *self.names])
        missing = [name for name in order if name in self.names and name not in self._done]
        if story.refused:
            return
        if not missing:
            if not story.complete or isinstance(story.fault, GuestError | TransportTimeout) or story.status:
                self.late = verdict(story, "after the last case had ended", self._manifest.probe)
            return
        if story.complete and story.fault is None:
            # It went on to its goodbye, so it would leave these out again.
            for name in missing:
                how = "began and never ended" if name in self.begun or name in self._told else "never began"
                reason = f"the probe said goodbye, but this case {how}: the stream has a hole"
                self._done[name] = self._build(name, Outcome.ERROR, reason)
            return
        began = self._open in missing
        self.culprit = self._open if began else missing[0]
        assert self.culprit is not None
        self.behind = missing[missing.index(self.culprit) + 1 :]
        outcome, reason = verdict(
            story, "while this case ran" if began else "before this case began", self._manifest.probe
        )
        self._done[self.culprit] = self._build(self.culprit, outcome, reason)

    @property
    def guest_error(self) -> GuestError | None:
        """The guest's own failure in this start, with its evidence; None when the guest is well."""
        return self.story.fault if isinstance(self.story.fault, GuestError) else None


def probe_command(manifest: ProbeManifest, names: Sequence[str], directory: str, scale: float, batches: int) -> str:
    """The line that starts a probe in a guest. A deadline that the manifest gives goes before that of the C."""
    options = ["--only", ",".join(names), "--scale", f"{scale:g}", "--batches", str(batches)]
    given = [(name, manifest.cases[name]) for name in names if name in manifest.cases]
    deadlines = [f"{name}={case.deadline:g}" for name, case in given if "deadline" in case.model_fields_set]
    if deadlines:
        options += ["--deadline", ",".join(deadlines)]
    return f"cd {shlex.quote(directory)} && ./{shlex.join([manifest.probe, *options])}"


def case_facts(manifest: ProbeManifest, name: str, os: GuestOS, release: str | None) -> dict[str, Any]:
    """What a result takes over from the manifest; the expectation is that of the guest's OS and kernel release."""
    spec = manifest.cases[name]
    expected = Outcome(str(spec.expected(os, release)))
    return {
        "probe": manifest.probe,
        "probe_version": str(manifest.version),
        "case": name,
        "mechanism": manifest.mechanism,
        "what": spec.what,
        "source": spec.source,
        "kind": str(spec.kind),
        "expected": expected,
        "expected_reason": manifest.reason(name, os) if expected is not Outcome.PASS else "",
    }


def _samples(metric: Metric) -> MetricSamples:
    return MetricSamples(
        name=metric.name,
        unit=metric.unit,
        per=metric.per,
        bytes=metric.bytes,
        inner=metric.inner,
        samples=tuple(metric.samples),
    )
