"""The quarantine beside what there is to run: each entry names a case, holds today, and is told with its case."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime

from rig.errors import InputError
from rig.probe.manifest import ProbeManifest
from rig.result import Outcome, QuarantineRecord
from rig.spec import PlacedEntry

_LISTS = {"case": "`rig probes list`", "image": "`rig images list`"}


def check_quarantine(
    entries: Sequence[PlacedEntry],
    manifests: Sequence[ProbeManifest],
    images: Collection[str],
    today: date | None = None,
) -> None:
    """Hold a quarantine against the probes and images that there are, and against the day (in UTC).

    Raises `InputError` with all faults, one a line: cases and images that there are none of, with near matches, and
    entries that have expired.
    """
    faults, hints = [], []
    cases = {f"{manifest.probe}.{case}" for manifest in manifests for case in manifest.cases}
    for one in entries:
        named = [("case", one.entry.case, cases), *(("image", name, images) for name in one.entry.images)]
        for what, name, known in named:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), 4, 0.6)
                faults.append(f"{one.place}: there is no {what} {name!r}")
                hints.append(f"Did you mean {' or '.join(near)}?" if near else f"{_LISTS[what]} shows what there is.")
    if faults:
        raise InputError("\n".join(faults), hint=" ".join(dict.fromkeys(hints)))
    check_days(entries, today)


def check_days(entries: Sequence[PlacedEntry], today: date | None = None) -> None:
    """Raises `InputError` naming every entry whose last day is over; `today` is a day in UTC."""
    today = today or datetime.now(UTC).date()
    over = [
        f"{one.place}: the quarantine of {one.entry.case} expired on {one.entry.expires}: "
        f"{one.entry.reason} ({one.entry.issue})"
        for one in entries
        if one.entry.expires < today
    ]
    if over:
        raise InputError(
            "\n".join(over),
            hint="Take the entry out where the case passes again; else look at its issue and set a new date.",
        )


def entry_for(entries: Sequence[PlacedEntry], case_id: str, image: str) -> QuarantineRecord | None:
    """What a case's result says of its entry; None where there is none for it on this image."""
    for entry in (one.entry for one in entries):
        if entry.case == case_id and entry.holds_for(image):
            outcomes = tuple(Outcome(word) for word in entry.outcome)
            return QuarantineRecord(reason=entry.reason, issue=entry.issue, expires=entry.expires, outcomes=outcomes)
    return None
