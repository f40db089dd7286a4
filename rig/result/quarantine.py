"""What a result says of the quarantine's entry for its case."""

from __future__ import annotations

from datetime import date

from rig.result.base import Record
from rig.result.outcome import Outcome, Verdict
from rig.result.text import Text


class QuarantineRecord(Record):
    """The entry of the quarantine that holds for a case."""

    reason: Text
    issue: Text
    """Where the failure is worked on."""
    expires: date
    """The last day, in UTC, on which the entry holds."""
    outcomes: tuple[Outcome, ...]
    """What it covers."""

    def words(self, verdict: Verdict) -> str:
        """What it has to do with a case of that verdict, in a sentence without the link."""
        told = f"quarantined until {self.expires}: {self.reason}"
        match verdict:
            case Verdict.UNNEEDED_QUARANTINE:
                return f"as expected, but {told}; take its entry out of the quarantine"
            case Verdict.UNEXPECTED:
                return f"its quarantine covers only {', '.join(self.outcomes)}; {told}"
        return told
