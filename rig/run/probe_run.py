"""One start of a probe in a guest: its stream is read while it runs, and each case's result is handed out as it ends.

A start ends early when its guest dies, hangs or panics, when the probe itself crashes, or when the stream stops. Then
exactly the case that was under way is blamed; the caller starts the rest again.
"""

from __future__ import annotations

import queue
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rig.errors import GuestDied, GuestError, HangError, PanicError, RigError, TransportTimeout
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
from rig.spec import GuestOS

USAGE_STATUS = 64
"""A probe's exit status for a case it does not have."""
_START_SECONDS = 20.0
_CASE_GRACE = 10.0


@dataclass
class ProbeStory:
    """What a start of a probe told beside its cases."""

    hello: Hello | None = None
    leaks: list[Leak] = field(default_factory=list)
    rubbish: list[Rubbish] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    complete: bool = False
    fault: RigError | None = None
    status: int | None = None
    stderr: str = ""


@dataclass
class _Told:
    """What a case has said so far."""

    failed: list[FailedCheck] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, bool | int | float | str] = field(default_factory=dict)
    metrics: list[MetricSamples] = field(default_factory=list)


class ProbeRun:
    """Runs `names` of one probe, in a thread; `results` yields each `CaseResult` as it comes."""

    def __init__(
        self, guest: Guest, guest_id: str, manifest: ProbeManifest, names: Sequence[str], directory: str, batches: int
    ) -> None:
        self.names = list(names)
        self.story = ProbeStory()
        self._guest = guest
        self._guest_id = guest_id
        self._manifest = manifest
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

        def take(data: bytes) -> None:
            for message in reader.feed(data):
                self._messages.put(message)

        deadlines = [self._manifest.cases[name].deadline for name in self.names]
        try:
            answer = self._guest.run(
                self._command,
                seconds=_START_SECONDS + sum(deadlines) + _CASE_GRACE * len(deadlines),
                idle=_START_SECONDS + max(deadlines, default=0.0) + _CASE_GRACE,
                on_output=take,
            )
            self.story.status = answer.status
            self.story.stderr = answer.stderr.decode("utf-8", "replace")[-2000:]
        except RigError as fault:
            self.story.fault = fault
        finally:
            for message in reader.close():
                self._messages.put(message)
            self._messages.put(None)

    def result(self, name: str) -> CaseResult | None:
        """The result of one case, waiting for it. None when this start is over and told nothing of it."""
        while name not in self._done and not self._over:
            message = self._messages.get()
            if message is None:
                self._over = True
                self._thread.join()
                self._blame()
            else:
                self._take(message)
        return self._done.get(name)

    def finish(self) -> ProbeStory:
        """Wait for the end of the start; returns its story."""
        self.result("")
        return self.story

    @property
    def over(self) -> bool:
        """Whether the start has ended and all it told is taken in."""
        return self._over

    def _case(self, name: str) -> _Told:
        return self._told.setdefault(name, _Told())

    def _take(self, message: Message) -> None:
        match message:
            case Hello():
                self.story.hello = message
            case Start(case=name):
                self._open = name
            case Check(case=name) if not message.ok:
                self._case(name).failed.append(
                    FailedCheck(what=message.what, got=message.got, want=message.want, at=message.at)
                )
            case Note(case=None):
                self.story.notes.append(message.text)
            case Note(case=str(name)):
                self._case(name).notes.append(message.text)
            case Fact(case=str(name)):
                self._case(name).facts[message.name] = message.value
            case Metric(case=name):
                self._case(name).metrics.append(_samples(message))
            case End(case=name) if name in self._manifest.cases:
                self._open = None if self._open == name else self._open
                self._done[name] = self._ended(message)
            case Leak():
                self.story.leaks.append(message)
            case Rubbish():
                self.story.rubbish.append(message)
            case Goodbye():
                self.story.complete = True
            case _:
                pass  # a later protocol's message, or an end for a case the manifest does not name

    def _ended(self, end: End) -> CaseResult:
        reason = end.reason
        if end.signal and end.signal not in reason:
            reason = f"{reason} ({end.signal})".strip()
        return self._build(end.case, Outcome(end.outcome), reason, end=end)

    def _build(self, name: str, outcome: Outcome, reason: str, *, end: End | None = None) -> CaseResult:
        told = self._case(name)
        return CaseResult(
            **case_facts(self._manifest, name, self._guest.os),
            outcome=outcome,
            reason=reason,
            via=end.via if end else None,
            ms=end.ms if end else None,
            checks=end.checks if end else len(told.failed),
            failed=tuple(told.failed),
            notes=tuple(told.notes),
            facts=told.facts,
            metrics=tuple(told.metrics),
            guest=self._guest_id,
        )

    def _blame(self) -> None:
        """Give the start's early end to the case that was under way, or to the first that never began."""
        story = self.story
        if story.complete and story.fault is None:
            return
        missing = [name for name in self.names if name not in self._done]
        culprit = self._open if self._open in missing else next(iter(missing), None)
        if culprit is None or story.status == USAGE_STATUS:
            return
        began = culprit == self._open
        outcome, reason = self._verdict(began=began)
        self._done[culprit] = self._build(culprit, outcome, reason)

    def _verdict(self, *, began: bool) -> tuple[Outcome, str]:
        fault = self.story.fault
        when = "while this case ran" if began else "before this case began"
        if isinstance(fault, PanicError | GuestDied):
            return Outcome.PANIC, f"{fault.message}, {when}"
        if isinstance(fault, HangError):
            return Outcome.HANG, f"{fault.message}, {when}"
        if isinstance(fault, TransportTimeout):
            return Outcome.TIMEOUT, f"{fault.message}, {when}; the guest still answers"
        if fault is not None:
            return Outcome.ERROR, f"{fault.message}, {when}"
        said = f"; it said: {self.story.stderr.strip()}" if self.story.stderr.strip() else ""
        if self.story.hello is None:
            what = "printed no stream" if self.story.rubbish else "printed nothing"
            return Outcome.ERROR, f"the probe {what} and ended with status {self.story.status}{said}"
        return Outcome.CRASHED, f"the probe ended without a goodbye (status {self.story.status}), {when}{said}"

    @property
    def guest_error(self) -> GuestError | None:
        """The guest's own failure in this start, with its evidence; None when the guest is well."""
        return self.story.fault if isinstance(self.story.fault, GuestError) else None


def probe_command(manifest: ProbeManifest, names: Sequence[str], directory: str, scale: float, batches: int) -> str:
    """The line that starts a probe in a guest."""
    options = ["--only", ",".join(names), "--scale", f"{scale:g}", "--batches", str(batches)]
    return f"cd {shlex.quote(directory)} && ./{shlex.join([manifest.probe, *options])}"


def case_facts(manifest: ProbeManifest, name: str, os: GuestOS) -> dict[str, Any]:
    """What a result takes over from the manifest; the expectation is that of the guest's OS."""
    spec = manifest.cases[name]
    expected = Outcome(str(spec.expected(os)))
    return {
        "probe": manifest.probe,
        "probe_version": str(manifest.version),
        "case": name,
        "mechanism": manifest.mechanism,
        "what": spec.what,
        "source": spec.source,
        "kind": str(spec.kind),
        "expected": expected,
        "expected_reason": spec.reason if expected is not Outcome.PASS else "",
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
