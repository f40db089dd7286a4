"""A run told as events, and the run that such events tell of.

The live run and the one made again after a kill go through the same `apply`, so they cannot differ.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from rig.errors import InputError
from rig.result.case import CaseResult
from rig.result.model import GuestRecord, ImageRecord, LeakRecord, Resumption, RubbishRecord, RunRecord, State

RUN = "record.run"
IMAGE = "record.image"
PROBES = "record.probes"
PLAN = "record.plan"
GUEST = "record.guest"
RUNNING = "record.running"
CASE = "record.case"
LEAK = "record.leak"
RUBBISH = "record.rubbish"
END = "record.end"
RESUME = "record.resume"

CUT_OFF = "the rig was killed while it ran"
"""How a guest ended that nobody saw the end of."""


class Ledger:
    """The state of a run, grown event by event. Events of other names are none of its business."""

    def __init__(self) -> None:
        self._head: RunRecord | None = None
        self._image: ImageRecord | None = None
        self._probes: dict[str, str] = {}
        self._bundle: str | None = None
        self._planned: dict[str, None] = {}
        self._running: dict[str, None] = {}
        self._guests: dict[str, GuestRecord] = {}
        self._cases: dict[str, CaseResult] = {}
        self._leaks: list[LeakRecord] = []
        self._rubbish: list[RubbishRecord] = []
        self._resumed: list[Resumption] = []
        self._state: State = "running"
        self._last: float | None = None
        self.damaged = 0
        """Events that could not be read."""

    @property
    def begun(self) -> bool:
        """Whether the event that opens a run was seen."""
        return self._head is not None

    @property
    def ended(self) -> bool:
        """Whether the event that closes a run was seen."""
        return self._state != "running"

    def apply(self, name: str, data: dict[str, Any], at: float) -> None:
        """Take one event in; `at` is seconds since the epoch.

        Raises `ValidationError`, `KeyError` or `TypeError` for one whose data is damaged; it then changes nothing.
        """
        if name == RUN:
            self._head = RunRecord.model_validate(data["run"])
            self._image = self._image or self._head.image
        elif name == IMAGE:
            self._image = ImageRecord.model_validate(data["image"])
        elif name == PROBES:
            self._probes.update(data["probes"])
            self._bundle = data["bundle"] or self._bundle
        elif name == PLAN:
            self._planned.update(dict.fromkeys(data["cases"]))
        elif name == GUEST:
            guest = GuestRecord.model_validate(data["guest"])
            self._guests[guest.id] = guest
        elif name == RUNNING:
            self._running[data["case"]] = None
        elif name == CASE:
            self._take_case(CaseResult.model_validate(data["case"]))
        elif name == LEAK:
            self._leaks.append(LeakRecord.model_validate(data["leak"]))
        elif name == RUBBISH:
            self._rubbish.append(RubbishRecord.model_validate(data["rubbish"]))
        elif name == END:
            self._state = "complete" if data["state"] == "complete" else "interrupted"
        elif name == RESUME:
            self._take_resumption(Resumption.model_validate(data["resume"]))
        self._last = at

    def take_line(self, line: bytes) -> None:
        """Take in a line of events.jsonl. One that cannot be read, or makes no sense, is counted as damaged."""
        if not line.strip():
            return
        try:
            data = json.loads(line)
            self.apply(str(data.pop("event")), data, float(data.pop("at")))
        except (*FAULTS, RecursionError):
            self.damaged += 1

    def _take_resumption(self, resumption: Resumption) -> None:
        """What was under way when the run was cut off has come to nothing: its cases are to be run, its guests gone."""
        self._resumed.append(resumption)
        self._state = "running"
        self._running.clear()
        for guest in [one for one in self._guests.values() if not one.ended]:
            self._guests[guest.id] = guest.model_copy(update={"ended": CUT_OFF})

    def _take_case(self, case: CaseResult) -> None:
        previous = self._cases.pop(case.id, None)
        self._cases[case.id] = case.after(previous) if previous else case
        self._running.pop(case.id, None)

    @property
    def last(self) -> datetime:
        """When the last event was told."""
        return datetime.fromtimestamp(self._last or 0.0, UTC)

    def guest(self, guest_id: str | None) -> GuestRecord | None:
        """The guest of that id as last told."""
        return self._guests.get(guest_id or "")

    @property
    def image(self) -> ImageRecord | None:
        """The image as last told."""
        return self._image

    def record(self, *, writer_alive: bool) -> RunRecord:
        """The run as far as it was told.

        A run without its closing event is `running` while its writer lives, else `interrupted` at its last event.
        Raises `InputError` when no opening event was seen.
        """
        if self._head is None or self._image is None:
            raise InputError("the events hold no readable beginning of a run", hint="Nothing can be made from them.")
        state: State = "interrupted" if self._state == "running" and not writer_alive else self._state
        over = state != "running" and self._last is not None
        fields: dict[str, Any] = {
            "image": self._image,
            "state": state,
            "ended": self.last if over else None,
            "resumed": tuple(self._resumed),
            "probes": self._probes,
            "bundle": self._bundle,
            "planned": tuple(self._planned),
            "running": tuple(self._running),
            "guests": tuple(self._guests.values()),
            "cases": tuple(self._placed(case) for case in self._cases.values()),
            "leaks": tuple(self._leaks),
            "rubbish": tuple(self._rubbish),
            "damaged_events": self.damaged,
        }
        return RunRecord.model_validate({**dict(self._head), **fields})

    def _placed(self, case: CaseResult) -> CaseResult:
        """The case; without its timings where the event that tells their circumstances was lost."""
        if not case.metrics or (case.guest in self._guests and self._image and self._image.digest):
            return case
        lost = "timings left out: the record of the guest they were taken in is damaged"
        return case.model_copy(update={"metrics": (), "notes": (*case.notes, lost)})


FAULTS = (ValidationError, KeyError, TypeError, AttributeError, ValueError)
"""What `Ledger.apply` raises for damaged data."""
