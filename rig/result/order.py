"""What a result says of the cases that change how it ends."""

from __future__ import annotations

from pydantic import Field

from rig.result.base import Record
from rig.result.outcome import Outcome
from rig.result.text import Text


class OrderRecord(Record):
    """A case that ends one way alone in a fresh guest, and another way after others."""

    after: tuple[Text, ...] = Field(min_length=1)
    """Ids of the cases that it takes, in their order: mostly one."""
    then: Outcome
    """How it ends after them."""
    alone: Outcome
    """How it ends alone."""
    minimal: bool = True
    """Whether none of `after` may be left out; false where the search was ended early."""

    @property
    def words(self) -> str:
        """In a sentence."""
        *others, last = self.after
        these = f"{', '.join(others)} and {last}" if others else last
        some = "" if self.minimal else " (or some of these)"
        return f"order-dependent: {self.then} after {these}{some}, {self.alone} alone in a fresh guest"
