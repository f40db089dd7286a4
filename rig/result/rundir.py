"""A run's directory, readable at any moment: after each event, after Ctrl-C, after kill -9.

    events.jsonl        one line an event, flushed line by line: the truth while a run is under way
    results.json        the run as `RunRecord`, replaced as a whole at the start, every few seconds, and at the end
    junit.xml  report.html  console and QEMU logs  evidence/    written by others through this directory

A run killed at any moment is read from its events; a torn last line costs that line alone.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rig.errors import Evidence, InputError
from rig.events import Event, EventFile
from rig.result import ledger as told
from rig.result.case import CaseResult, KeptEvidence
from rig.result.files import host_errors, write_atomic
from rig.result.host import HostRecord
from rig.result.ledger import Ledger
from rig.result.model import GuestRecord, ImageRecord, LeakRecord, Resumption, RubbishRecord, RunRecord, State
from rig.result.panic import PanicRecord
from rig.result.place import EVENTS, RESULTS, WriterLock, new_place, point_latest
from rig.result.request import RequestRecord

WRITE_EVERY = 2.0
"""Seconds between two writings of results.json while a run is under way."""
_EXCERPT = 4000


class RunDir:
    """The writer of one run. Its calls may come from several threads; each raises `HostError` when the disk is full.

    As a context manager it ends the run: complete, or interrupted when an exception passes through.
    """

    def __init__(self, path: Path) -> None:
        """Use `create` or `resume`; `path` is a directory that is empty, or a run's."""
        self.path = path
        self._going = True
        self._ledger = Ledger()
        self._lock = threading.RLock()
        with host_errors(path):
            self._writer: WriterLock | None = WriterLock(path)
            self._file = EventFile(path / EVENTS)
        self._written = 0.0

    @classmethod
    def create(
        cls,
        path: Path | None = None,
        *,
        image: ImageRecord,
        argv: Sequence[str] = (),
        host: HostRecord | None = None,
        rig_version: str | None = None,
        request: RequestRecord | None = None,
    ) -> Self:
        """Begin a run in `path`, else in one by date (`rig.result.place` tells what happens to an old run there).

        Raises `InputError` for a directory that cannot be taken, `HostError` where nothing can be written.
        """
        place = new_place(path, image.name)
        run = cls(place)
        head = RunRecord(
            id=place.name,
            started=datetime.now(UTC),
            rig_version=rig_version or _version(),
            argv=tuple(argv),
            host=host or HostRecord.read(),
            image=image,
            request=request,
        )
        run._tell(told.RUN, now=True, run=_plain(head))
        point_latest(place)
        return run

    @classmethod
    def resume(cls, path: Path) -> Self:
        """Take hold of a run that was cut off, as its events tell of it. Nothing is written before `go_on` is called.

        Raises `InputError` for what is no run, or is being written now.
        """
        place = path.expanduser().resolve()
        if not (place / EVENTS).is_file():
            what = "has no events.jsonl: it is no run that can be resumed" if place.is_dir() else "no such run"
            raise InputError(f"{path}: {what}", hint="Give the directory of a run, or no name for the last run.")
        run = cls(place)
        run._going = False
        try:
            with host_errors(place / EVENTS), (place / EVENTS).open("rb") as file:
                for line in file:
                    run._ledger.take_line(line)
            run._ledger.record(writer_alive=True)
        except InputError as fault:
            run._let_go()
            raise InputError(f"{path}: {fault.message}", hint="Begin a new run: rig test") from fault
        return run

    def go_on(self, argv: Sequence[str] = (), rig_version: str | None = None) -> None:
        """The run goes on: cases that had begun and not ended are to be run again."""
        with self._lock:
            self._end_torn_line()
            self._going = True
            resumption = Resumption(
                left=self._ledger.last,
                started=datetime.now(UTC),
                rig_version=rig_version or _version(),
                argv=tuple(argv),
            )
            self._tell(told.RESUME, now=True, resume=_plain(resumption))
        point_latest(self.path)

    def _end_torn_line(self) -> None:
        """A kill may have cut the last line: the next event must not become part of it."""
        with host_errors(self.path / EVENTS), (self.path / EVENTS).open("r+b") as file:
            if file.seek(0, 2) and file.seek(-1, 2) >= 0 and file.read(1) != b"\n":
                file.write(b"\n")

    @property
    def results(self) -> Path:
        """results.json."""
        return self.path / RESULTS

    @property
    def report(self) -> Path:
        """Where report.html belongs."""
        return self.path / "report.html"

    @property
    def junit(self) -> Path:
        """Where junit.xml belongs."""
        return self.path / "junit.xml"

    def log_path(self, guest_id: str, kind: str) -> Path:
        """Where a guest's log belongs; `kind` is `console` or `qemu`."""
        return self.path / f"{_file_name(guest_id)}.{kind}.log"

    def relative(self, path: Path) -> str:
        """`path` as a record names it: relative to the run directory where it lies in it."""
        return str(path.relative_to(self.path)) if path.is_relative_to(self.path) else str(path)

    @property
    def record(self) -> RunRecord:
        """The run as it stands."""
        with self._lock:
            return self._ledger.record(writer_alive=self._writer is not None)

    def listen(self, event: Event) -> None:
        """A listener for `rig.events.Events`: appends to events.jsonl. After the run's end it does nothing.

        Neither before a run that is resumed goes on.
        """
        with self._lock, host_errors(self.path / EVENTS):
            if self._writer is not None and self._going:
                self._file(event)

    def set_image(self, image: ImageRecord) -> None:
        """More is known of the image: its digest once it is stored, its release once a guest said it."""
        self._tell(told.IMAGE, image=_plain(image))

    def set_probes(self, versions: Mapping[str, str], bundle: str | None = None) -> None:
        """Versions of the probes that run, and the digest of the bundle that holds them."""
        self._tell(told.PROBES, probes=dict(versions), bundle=bundle)

    def plan(self, case_ids: Iterable[str]) -> None:
        """The cases that are meant to run; those without a result are named by the report."""
        self._tell(told.PLAN, cases=list(case_ids))

    def add_guest(self, guest: GuestRecord) -> None:
        """A guest, or more about a guest told of before: the record of the same id is replaced."""
        self._tell(told.GUEST, guest=_plain(guest))

    def start_case(self, case_id: str) -> None:
        """A case begins: named by the report if the run is killed meanwhile."""
        self._tell(told.RUNNING, case=case_id)

    def add_case(self, case: CaseResult) -> None:
        """A case has ended. A second result of the same case is its next attempt: the first outcome is kept.

        Raises `ValueError` for timings whose guest was not added, or whose image has no digest: a number without
        its circumstances is not stored.
        """
        with self._lock:
            image = self._ledger.image
            if case.metrics and (self._ledger.guest(case.guest) is None or image is None or not image.digest):
                raise ValueError(f"{case.id}: timings need a guest added before (found {case.guest!r}) and a digest")
            self._tell(told.CASE, case=_plain(case))

    def add_leak(self, leak: LeakRecord) -> None:
        """A probe left something behind."""
        self._tell(told.LEAK, leak=_plain(leak))

    def add_rubbish(self, rubbish: RubbishRecord) -> None:
        """A probe printed what is no part of its stream; long excerpts are cut."""
        cut = rubbish.model_copy(update={"excerpt": rubbish.excerpt[:_EXCERPT]})
        self._tell(told.RUBBISH, rubbish=_plain(cut))

    def keep_evidence(self, name: str, found: Evidence) -> KeptEvidence:
        """Copy a failure's files into evidence/; `name` (a case's or guest's id) names them. Returns the record.

        A screenshot that cannot be read is left out.
        """
        place = self.path / "evidence"
        stem = _file_name(name)
        screenshot = registers = None
        with host_errors(place):
            place.mkdir(exist_ok=True)
            if found.screenshot is not None and found.screenshot.is_file():
                kept = place / f"{stem}.png"
                if found.screenshot.absolute() != kept:
                    shutil.copyfile(found.screenshot, kept)
                screenshot = self.relative(kept)
        if found.registers.strip():
            registers = self.relative(write_atomic(place / f"{stem}.registers.txt", found.registers))
        return KeptEvidence(
            reason=found.reason,
            stage=found.stage,
            console=found.console,
            screenshot=screenshot,
            registers=registers,
            qemu_output=found.qemu_output,
            command=found.command,
            panic=PanicRecord.model_validate(found.panic) if found.panic is not None else None,
        )

    def finish(self, state: State = "complete") -> RunRecord:
        """End the run and write results.json for the last time; a second call changes nothing. Returns the record.

        A run that was taken hold of and never went on is left as it was.
        """
        with self._lock:
            if self._writer is not None:
                try:
                    if self._going:
                        self._tell(told.END, now=True, state=state)
                finally:
                    self._let_go()
            return self._ledger.record(writer_alive=False)

    def _let_go(self) -> None:
        if self._writer is not None:
            self._writer.release()
            self._writer = None
        with host_errors(self.path / EVENTS):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("complete" if kind is None else "interrupted")

    def _tell(self, name: str, *, now: bool = False, **data: Any) -> None:
        """Write one event, take it into the record, and write results.json if it is time (or `now`)."""
        event = Event(name, data)
        with self._lock:
            if not self._going:
                raise ValueError(f"{self.path}: the run does not go on yet; {name} comes too early")
            if self._writer is None:
                raise ValueError(f"{self.path}: the run has ended; {name} comes too late")
            self.listen(event)
            self._ledger.apply(name, data, event.at)
            if now or time.monotonic() - self._written >= WRITE_EVERY:
                write_atomic(self.results, to_json(self.record))
                self._written = time.monotonic()


def to_json(record: RunRecord) -> str:
    """A record as results.json holds it."""
    return record.model_dump_json(indent=1) + "\n"


def _plain(model: Any) -> dict[str, Any]:
    plain: dict[str, Any] = model.model_dump(mode="json")
    return plain


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:120] or "guest"


def _version() -> str:
    try:
        return metadata.version("puredarwin-rig")
    except metadata.PackageNotFoundError:
        return "unknown"
