"""Runs cases of probes in a keeper's guest, one answer at a time, whatever happens to probe or guest between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rig.errors import Evidence, GuestError, PanicError, RigError, TransportError
from rig.guest import Guest
from rig.probe.bundle import make_bundle
from rig.probe.manifest import ProbeManifest
from rig.result import CaseResult, LeakRecord, Outcome, RubbishRecord
from rig.run.blame import outcome_of, panicking_process
from rig.run.guests import GuestKeeper
from rig.run.probe_run import ProbeRun, case_facts
from rig.spec import ImageSpec, Isolation

_LIST_SECONDS = 20.0
_FEWEST_BATCHES = 2
MUTE_STARTS = 2
"""Starts on end without a hello until a probe is given up: each may cost minutes of waiting, and none is different."""
MOST_SUSPECTS = 4
"""Cases behind the one that was last heard of before a panic: more cannot have run while words were on their way."""
PUSH_TRIES = 2
"""Guests on end that do not take a probe's file until it is given up."""


@dataclass
class CaseAnswer:
    """One case's result with what came to light beside it."""

    result: CaseResult
    evidence: Evidence | None = None
    leaks: list[LeakRecord] = field(default_factory=list)
    rubbish: list[RubbishRecord] = field(default_factory=list)
    broken: bool = False
    """Whether the probe's own stream is at fault, with the guest well: nothing was learned of the guest."""


@dataclass(frozen=True)
class Step:
    """A case that ran in a guest."""

    start: int
    """Which start of a probe in that guest, in order."""
    manifest: ProbeManifest
    case: str

    @property
    def id(self) -> str:
        """`probe.case`."""
        return f"{self.manifest.probe}.{self.case}"


@dataclass
class _Book:
    """What is known of one probe in this process."""

    run: ProbeRun | None = None
    """The start under way."""
    asked: set[str] = field(default_factory=set)
    """Cases of that start that were handed out."""
    answers: dict[str, CaseAnswer] = field(default_factory=dict)
    """Of starts that are over, not handed out yet."""
    lacking: dict[str, str] = field(default_factory=dict)
    """Cases that the probe does not have, with the reason in words."""
    mute: int = 0
    """Starts on end that said no hello."""
    unpushed: int = 0
    """Guests on end that are well and did not take the probe's file."""
    hopeless: str = ""
    """Why it is not started again."""


class CaseRunner:
    """Starts each probe once with all the cases that are wanted of it, and again only for what an early end left."""

    def __init__(self, keeper: GuestKeeper, executables: Mapping[str, Path]) -> None:
        self.keeper = keeper
        self._executables = executables
        self._books: dict[str, _Book] = {}
        self._pushed: dict[str, frozenset[str]] = {}
        self._history: dict[str, list[tuple[ProbeManifest, Iterable[str]]]] = {}
        """By guest: each start with the cases that have begun in it, which may become more."""
        self._leaks: list[LeakRecord] = []
        self._rubbish: list[RubbishRecord] = []

    def run(self, manifest: ProbeManifest, name: str, wanted: Sequence[str]) -> CaseAnswer:
        """The answer for case `name`; `wanted` are the cases of this probe still to come, `name` first.

        Never raises for what a guest or a probe does: that is an outcome. Each start answers at least one case, so
        this ends.
        """
        book = self._books.setdefault(manifest.probe, _Book())
        while True:
            answer = self._ready(book, manifest, name, wanted)
            if answer is None:
                try:
                    answer = self._start(book, manifest, name, wanted)
                except RigError as fault:
                    answer = self._no_start(manifest, name, fault)
            if answer is not None:
                break
        answer.leaks, self._leaks = [*answer.leaks, *self._leaks], []
        answer.rubbish, self._rubbish = [*answer.rubbish, *self._rubbish], []
        return answer

    def before(self, result: CaseResult) -> tuple[list[Step], int] | None:
        """The steps that its guest had seen when this case began, and the start it ran in. None: it never began."""
        steps: list[Step] = []
        for number, (manifest, begun) in enumerate(self._history.get(result.guest or "", ())):
            for case in begun:
                if (manifest.probe, case) == (result.probe, result.case):
                    return steps, number
                steps.append(Step(number, manifest, case))
        return None

    def run_in_order(self, starts: Sequence[tuple[ProbeManifest, Sequence[str]]]) -> CaseResult | None:
        """Start probes one after the other in one guest, which is fresh where each case has its own: how the last case
        of the last start ended.

        None where the guest was lost on the way. Timings are cut short: nobody looks at them. Raises what a boot
        raises.
        """
        guest = self.keeper.begin(starts[0][0].probe)
        for left, (manifest, names) in enumerate(starts, 1 - len(starts)):
            directory = self._push(guest, manifest)
            run = ProbeRun(guest, self.keeper.id, manifest, names, directory, _FEWEST_BATCHES, self.keeper.release)
            results = run.finish()
            if run.story.fault is not None:
                self.keeper.lose(run.story.fault.message)
                return None if left else results.get(names[-1])
        return results.get(names[-1])

    def close(self) -> tuple[list[LeakRecord], list[RubbishRecord]]:
        """No more cases will be asked for: leaks and rubbish that nobody was told of yet."""
        for probe, book in self._books.items():
            if book.run is not None:
                book.run.abandon()
                self._gather(probe, book.run)
                book.run = None
        leaks, self._leaks = self._leaks, []
        rubbish, self._rubbish = self._rubbish, []
        return leaks, rubbish

    def _ready(self, book: _Book, manifest: ProbeManifest, name: str, wanted: Sequence[str]) -> CaseAnswer | None:
        """The answer, where it is there or the start under way gives it."""
        if name in book.answers:
            return book.answers.pop(name)
        if name in book.lacking or book.hopeless:
            return self._error(manifest, name, book.lacking.get(name) or book.hopeless)
        run = book.run
        if run is None:
            return None
        result = run.result(name)
        if result is None:
            self._settle(book, manifest, run, name, None)
            return book.answers.pop(name, None)
        answer = CaseAnswer(result)
        book.asked.add(name)
        if run.over or not any(other in run.names and other not in book.asked for other in wanted):
            self._settle(book, manifest, run, name, answer)
        return answer

    def _start(self, book: _Book, manifest: ProbeManifest, name: str, wanted: Sequence[str]) -> CaseAnswer | None:
        """Start the probe with what has no answer yet; None, or the answer where the guest had died unseen.

        Raises what a boot raises.
        """
        death = self.keeper.unseen_death()
        if death is not None:
            fault, probe = death
            words = f"{fault.message}, before this case began; {probe} was the last to run in that guest"
            words += panicking_process(fault.evidence.panic, manifest.probe)
            return CaseAnswer(self._result(manifest, name, outcome_of(fault), words), fault.evidence)
        guest = self.keeper.begin(manifest.probe)
        try:
            directory = self._push(guest, manifest)
        except GuestError as fault:
            self.keeper.lose(fault.message)
            words = f"{fault.message}, before this case began"
            return CaseAnswer(self._result(manifest, name, outcome_of(fault), words), fault.evidence)
        except TransportError as fault:
            # What others left in a guest, a full disk for example, is no fault of this probe's.
            self.keeper.lose(fault.message)
            book.unpushed += 1
            if book.unpushed >= PUSH_TRIES:
                book.hopeless = f"the probe was not started: {fault.message}"
            return None
        book.unpushed = 0
        todo = [one for one in dict.fromkeys(wanted) if one not in book.answers and one not in book.lacking]
        made = manifest.made_for(guest.os)
        if self.keeper.settings.isolation is Isolation.CASE and made:
            todo = [name]
        self.keeper.events.emit("probe.started", probe=manifest.probe, cases=len(todo), guest=self.keeper.id)
        keeper = self.keeper
        book.run = ProbeRun(guest, keeper.id, manifest, todo, directory, keeper.settings.batches, keeper.release)
        book.asked = set()
        self._history.setdefault(keeper.id, []).append((manifest, book.run.begun))
        if not made:
            # Its cases only say that they are not of this OS: one start serves all, whichever guest comes next.
            book.run.finish()
        return None

    def _push(self, guest: Guest, manifest: ProbeManifest) -> str:
        """Put the probe into the guest where it is not in it yet; into a guest for all of them all that are compiled.

        Each push costs several round trips: fourteen probes one by one took three seconds under TCG, together one.
        """
        directory = probes_directory(guest.stored.spec)
        there = self.keeper.brought | self._pushed.get(self.keeper.id, frozenset())
        if manifest.probe not in there:
            shared = self.keeper.settings.isolation is Isolation.SUITE
            wanted = self._executables.keys() - there if shared else {manifest.probe}
            missing = {name: self._executables[name] for name in sorted(wanted)}
            guest.push(make_bundle(missing).dir, directory)
            self._pushed = {self.keeper.id: there | missing.keys()}
        return directory

    def _settle(
        self, book: _Book, manifest: ProbeManifest, run: ProbeRun, name: str, current: CaseAnswer | None
    ) -> None:
        """A start is over, or nobody asks more of it: keep what it told, and end a guest that did not outlive it.

        `current` is the answer that is handed out now, for case `name`; None when the start did not tell of it.
        """
        results = run.finish()
        book.run = None
        story = run.story
        book.answers |= {one: CaseAnswer(result) for one, result in results.items() if one not in book.asked}
        if story.hello is not None:
            self.keeper.note_hello(story.hello)
        payer = current if run.late else book.answers.get(run.culprit or "", current)
        if run.late and payer is not None:
            payer.result = _worsened(payer.result, *run.late)
        if payer is not None and (run.late or run.culprit):
            payer.evidence = self.keeper.evidence(run.guest_error)
            payer.broken = story.fault is None
        self._gather(manifest.probe, run)
        ended = {"probe": manifest.probe, "guest": run.guest_id, "status": story.status, "complete": story.complete}
        self.keeper.events.emit("probe.ended", **ended)
        if story.refused:
            self._explain_refusal(book, manifest, run, name)
        book.mute = 0 if story.hello is not None or story.refused else book.mute + 1
        if book.mute >= MUTE_STARTS and payer is not None:
            book.hopeless = f"not started again, having failed {MUTE_STARTS} times on end: {payer.result.reason}"
        if story.fault is not None and not (story.complete and run.late is None):
            # Even where the guest is well: the probe may go on in it, and in the way of what comes next.
            self.keeper.lose(story.fault.message)
        if isinstance(story.fault, PanicError) and payer is not None and run.behind:
            self._ask_again(book, manifest, run, payer)

    def _ask_again(self, book: _Book, manifest: ProbeManifest, run: ProbeRun, payer: CaseAnswer) -> None:
        """Which case made the kernel panic: the one that was last heard of, or one behind it whose words were lost?

        The last words of a guest may not get out of it. So each is run alone, until one panics; where none does, the
        one that was last heard of pays.
        """
        assert run.culprit is not None
        cleared: CaseAnswer | None = None
        for name in (run.culprit, *run.behind[:MOST_SUSPECTS]):
            answer = self._once_more(manifest, name)
            if answer is None:
                break
            if answer.result.outcome is Outcome.PANIC:
                if cleared is not None:
                    payer.result, payer.evidence = cleared.result, cleared.evidence
                    book.answers[name] = answer
                return
            if name == run.culprit:
                words = "the guest panicked before the end of this case was heard; these are its results alone"
                answer.result = answer.result.noted(words)
                cleared = answer
            else:
                book.answers[name] = answer
        words = "the panic did not come again, neither in this case alone nor in those behind it"
        payer.result = payer.result.noted(words)

    def _once_more(self, manifest: ProbeManifest, name: str) -> CaseAnswer | None:
        """The answer of one case in a start of its own, in a new guest; None where there is none."""
        try:
            guest = self.keeper.begin(manifest.probe)
            directory = self._push(guest, manifest)
        except RigError as fault:
            self.keeper.lose(fault.message)
            return None
        keeper = self.keeper
        run = ProbeRun(guest, keeper.id, manifest, [name], directory, keeper.settings.batches, keeper.release)
        result = run.finish().get(name)
        answer = None if result is None else CaseAnswer(_worsened(result, *run.late) if run.late else result)
        if answer is not None and (run.late or run.culprit):
            answer.evidence = keeper.evidence(run.guest_error)
        self._gather(manifest.probe, run)
        end = run.story.fault
        keeper.lose(end.message if end else "it was to tell which case makes the kernel panic", hold=False)
        return answer

    def _explain_refusal(self, book: _Book, manifest: ProbeManifest, run: ProbeRun, name: str) -> None:
        """The probe lacks some of the cases it was asked for: only those pay for it."""
        reason = f"the probe refused its command line: {run.story.stderr.strip()}"
        try:
            guest = self.keeper.get(manifest.probe)
            listed = guest.run(f"{self._push(guest, manifest)}/{manifest.probe} --list", seconds=_LIST_SECONDS)
            lacking = [one for one in run.names if one not in listed.text.split()] if listed.ok else []
        except RigError as fault:
            reason, lacking = f"{reason} ({fault.message})", []
        book.lacking |= dict.fromkeys(
            lacking, f"{manifest.path.name} names this case, {manifest.probe} does not have it"
        )
        if not lacking:
            book.answers[name] = self._error(manifest, name, reason)

    def _gather(self, probe: str, run: ProbeRun) -> None:
        """Leaks and rubbish of a start go out with the next answer: told once, whichever case that is."""
        story = run.story
        self._leaks += [
            LeakRecord(probe=probe, kind=leak.kind, what=leak.what, guest=run.guest_id) for leak in story.leaks
        ]
        if story.rubbish_lines:
            excerpt = "\n".join(f"line {one.line}: {one.reason}: {one.excerpt}" for one in story.rubbish)
            self._rubbish.append(
                RubbishRecord(probe=probe, lines=story.rubbish_lines, excerpt=excerpt, guest=run.guest_id)
            )

    def _no_start(self, manifest: ProbeManifest, name: str, fault: RigError) -> CaseAnswer:
        """There is no guest, or none that takes a file."""
        evidence = fault.evidence if isinstance(fault, GuestError) else None
        return CaseAnswer(self._error(manifest, name, f"the probe was not started: {fault.message}").result, evidence)

    def _error(self, manifest: ProbeManifest, name: str, reason: str) -> CaseAnswer:
        return CaseAnswer(self._result(manifest, name, Outcome.ERROR, reason))

    def _result(self, manifest: ProbeManifest, name: str, outcome: Outcome, reason: str) -> CaseResult:
        """A result that no probe told."""
        record = self.keeper.record
        return CaseResult(
            **case_facts(manifest, name, self.keeper.stored.spec.os, self.keeper.release),
            outcome=outcome,
            reason=reason,
            guest=record.id if record is not None and record.id == self.keeper.id else None,
        )


def probes_directory(spec: ImageSpec) -> str:
    """Where a guest's probes are put."""
    return f"{spec.workdir.rstrip('/')}/rig"


def _worsened(result: CaseResult, outcome: Outcome, reason: str) -> CaseResult:
    """A case's result with an end that came after its own; the worse outcome stands."""
    if result.outcome.severity > outcome.severity:
        outcome = result.outcome
    told = f"{result.reason}; then {reason}" if result.reason else reason
    return result.model_copy(update={"outcome": outcome, "first_outcome": outcome, "reason": told})
