"""What a user sees while a run is under way: a table that grows, or a line a case where there is no terminal."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rig.report.console import fit, is_plain, say, style_of, styled
from rig.report.tally import COLUMNS, Tally
from rig.report.ways import via_note
from rig.report.words import milliseconds, outcome_note, seconds
from rig.result import CaseResult, Outcome

_SHORT = {"pass": "ok", "unsupported": "uns", "skip": "skp", "other": "oth"}
_COLOURS = {"pass": "green", "fail": "red", "unsupported": "blue", "skip": "bright_black", "other": "bold red"}


@dataclass
class _Guest:
    state: str
    stage: str
    since: float


@dataclass
class _Running:
    mechanism: str
    since: float


class LiveTable:
    """A table by mechanism that follows a run. Its calls may come from several threads.

    `planned` is the number of cases of each mechanism. `plain` forces lines (True) or the table (False); without it
    the console decides: lines where it is no terminal or NO_COLOR is set.
    """

    def __init__(
        self,
        console: Console,
        planned: Mapping[str, int],
        *,
        plain: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._planned = dict(planned)
        self._clock = clock
        self._begun = clock()
        self._tallies = {name: Tally(name) for name in planned}
        self._running: dict[str, _Running] = {}
        self._guests: dict[str, _Guest] = {}
        self._lock = threading.RLock()
        self._live: Live | None = None
        self.plain = is_plain(console, plain)

    def __enter__(self) -> Self:
        self._begun = self._clock()
        if not self.plain:
            self._live = Live(
                get_renderable=self.render,
                console=self._console,
                refresh_per_second=4,
                vertical_overflow="crop",
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            with self._lock:
                self._running.clear()
            live.stop()

    def plan(self, planned: Mapping[str, int]) -> None:
        """The number of cases of each mechanism, once it is known."""
        with self._lock:
            self._planned = dict(planned)
            for name in planned:
                self._tallies.setdefault(name, Tally(name))

    def show_done(self, cases: Iterable[CaseResult]) -> None:
        """Count cases that ended in an earlier part of the run, without a line for each."""
        with self._lock:
            for case in cases:
                self._tallies.setdefault(case.mechanism, Tally(case.mechanism)).counts[case.outcome] += 1

    def guest(self, guest_id: str, state: str, stage: str = "") -> None:
        """A guest's state in a word (booting, ready, panicked, stopped) and, while it boots, the stage reached."""
        with self._lock:
            before = self._guests.get(guest_id)
            if before and (before.state, before.stage) == (state, stage):
                return
            since = before.since if before and before.state == state else self._clock()
            self._guests[guest_id] = _Guest(state, stage, since)
            spent = self._clock() - self._begun
        if self.plain:
            reached = f": {stage}" if stage else ""
            say(self._console, f"guest {guest_id} {state}{reached} (at {seconds(spent)})")

    def start_case(self, case_id: str, mechanism: str) -> None:
        """A case begins."""
        with self._lock:
            self._running[case_id] = _Running(mechanism, self._clock())

    def end_case(self, case: CaseResult) -> None:
        """A case has ended: counted, and shown as a line if it is not as expected (in plain mode always).

        One that was run again is counted once, by what it is now.
        """
        with self._lock:
            self._running.pop(case.id, None)
            counts = self._tallies.setdefault(case.mechanism, Tally(case.mechanism)).counts
            counts[case.outcome] += 1
            if case.earlier:
                counts[case.earlier[-1].outcome] -= 1
        if self.plain or case.verdict.is_red:
            self.say_case(case)

    def say_case(self, case: CaseResult) -> None:
        """One line about a case."""
        note = "; ".join(filter(None, (outcome_note(case), via_note(case))))
        why = "" if case.outcome is Outcome.PASS or not case.reason else f": {case.reason.splitlines()[0]}"
        line = styled(self._console, f"{case.outcome.upper():<11} ", style_of(case))
        spent = f"  {milliseconds(case.ms)}" if case.ms is not None else ""
        line.append(fit(self._console, f"{case.id}{f' ({note})' if note else ''}{why}{spent}"), style="default")
        self._console.print(line, soft_wrap=not self._console.is_terminal)

    def say(self, text: str) -> None:
        """A line of the run's own, above the table."""
        say(self._console, text)

    def render(self) -> RenderableType:
        """The table as it stands."""
        with self._lock:
            now = self._clock()
            wide = self._console.width >= 72
            table = Table(box=None, pad_edge=False, padding=(0, 2 if wide else 1, 0, 0), header_style="bold")
            every = Tally("total", Counter())
            for tally in self._tallies.values():
                every.counts.update(tally.counts)
            planned = max(sum(self._planned.values()), every.total)
            table.add_column("mechanism" if wide else "", overflow="fold")
            for name in (*(column for column, _ in COLUMNS), "of"):
                heading = name if wide else _SHORT.get(name, name)
                table.add_column(heading, justify="right", no_wrap=True, overflow="crop", min_width=len(heading))
            if wide:
                table.add_column("running", overflow="fold")
            for name, tally in sorted(self._tallies.items()):
                of = max(self._planned.get(name, 0), tally.total)
                table.add_row(*self._cells(tally, of, self._running_in(name, now) if wide else None))
            table.add_row(*self._cells(every, planned, Text("") if wide else None), style="bold")
            below = [self._guest_line(guest_id, guest, now) for guest_id, guest in self._guests.items()]
            if not wide:
                below += [
                    self._running_in(name, now) for name in sorted({one.mechanism for one in self._running.values()})
                ]
            below.append(Text(f"{every.total} of {planned} cases, {seconds(now - self._begun)}", style="dim"))
            return Group(table, *below)

    def _cells(self, tally: Tally, of: int, running: Text | None) -> list[RenderableType]:
        counts = [_count(column, tally.column(outcomes)) for column, outcomes in COLUMNS]
        return [styled(self._console, tally.name), *counts, str(of), *([] if running is None else [running])]

    def _running_in(self, mechanism: str, now: float) -> Text:
        lines = [
            f"{case_id.partition('.')[2] or case_id} {seconds(now - one.since)}"
            for case_id, one in self._running.items()
            if one.mechanism == mechanism
        ]
        return styled(self._console, "\n".join(lines), "dim")

    def _guest_line(self, guest_id: str, guest: _Guest, now: float) -> Text:
        spent = f" {seconds(now - guest.since)}" if guest.state == "booting" else ""
        reached = f", {guest.stage}" if guest.stage else ""
        return styled(self._console, f"guest {guest_id}: {guest.state}{reached}{spent}", "cyan")


def _count(column: str, count: int) -> Text:
    return Text(str(count), style=_COLOURS[column] if count else "dim")
