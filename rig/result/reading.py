"""Reading a run directory, whatever state it was left in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rig.errors import InputError
from rig.result.files import write_atomic
from rig.result.ledger import Ledger
from rig.result.model import SCHEMA_VERSION, RunRecord
from rig.result.place import EVENTS, RESULTS, writer_alive
from rig.result.rundir import to_json

_HINT = "Give the directory of a run (it holds results.json or events.jsonl), or no name for the last run."


def load(path: Path) -> RunRecord:
    """The run in a directory, or in a results.json given by name. Nothing is written.

    A run that never ended is read from its events: `running` while its writer lives, else `interrupted`.
    Raises `InputError` for what is no run, is damaged, or was written by a newer rig.
    """
    if path.is_file():
        return _parse(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such run", hint=_HINT)
    results, events = path / RESULTS, path / EVENTS
    if results.is_file():
        try:
            record = _parse(results)
        except InputError:
            if not events.is_file():
                raise
        else:
            if record.state != "running" or not events.is_file():
                return record
    if not events.is_file():
        raise InputError(f"{path}: is no run of the rig", hint=_HINT)
    return replay(path)


def replay(path: Path) -> RunRecord:
    """The run that a directory's events tell of. Lines that cannot be read are counted, a torn last line among them.

    Raises `InputError` when there are no events or they have no readable beginning.
    """
    events = path / EVENTS
    ledger = Ledger()
    try:
        with events.open("rb") as file:
            for line in file:
                ledger.take_line(line)
    except OSError as fault:
        raise InputError(f"{events}: {fault.strerror}", hint=_HINT) from fault
    try:
        return ledger.record(writer_alive=writer_alive(path))
    except InputError as fault:
        raise InputError(f"{events}: {fault.message}", hint=_HINT) from fault


def rebuild(path: Path) -> RunRecord:
    """Make results.json again from events.jsonl, and return the run.

    Raises `InputError` when the events cannot be read or the run is being written now, `HostError` when the new
    file cannot be written.
    """
    if writer_alive(path):
        raise InputError(f"{path}: this run is being written now", hint="Wait for its end.")
    record = replay(path)
    write_atomic(path / RESULTS, to_json(record))
    return record


def _parse(path: Path) -> RunRecord:
    try:
        data: Any = json.loads(path.read_bytes())
    except OSError as fault:
        raise InputError(f"{path}: {fault.strerror}", hint=_HINT) from fault
    except (ValueError, RecursionError) as fault:
        raise InputError(f"{path}: is not readable as JSON: {fault}", hint="Try: rig report rebuild RUN_DIR") from fault
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise InputError(f"{path}: is no results.json of the rig (no schema_version)", hint=_HINT)
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: has schema version {version}; this rig reads up to {SCHEMA_VERSION}", hint="Use a newer rig."
        )
    try:
        return RunRecord.model_validate(data)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the record"
        raise InputError(
            f"{path}: {where}: {first['msg']} (and {fault.error_count() - 1} more)",
            hint="Try: rig report rebuild RUN_DIR",
        ) from fault
