"""What the screen says of guests while a run is under way: every one of a few, only what is new of many."""

from __future__ import annotations

from rig.events import Event
from rig.report import LiveTable
from rig.spec import Isolation

_SAID = {
    "accel.chosen": "guest {guest}: accelerator {accel}: {reason}",
    "accel.failed": "guest {guest}: accelerator {accel} does not boot it here: {reason}",
    "guest.held": "guest {guest} is held as {name}: {ways}",
    "guest.waiting": "guest {guest} waits: {reason}",
    "order.asked": "{case} is not as expected: looking whether that is by what ran before it",
    "template.waiting": "guest {guest} waits: another process makes the warm template it needs",
    "template.unused": "guest {guest}: no warm template is used: {reason}",
    "template.removed": "a warm template was removed: {reason}",
    "listener.dropped": "a listener failed and was dropped: {fault}",
}


class Teller:
    """Passes workers' events on to the table.

    Where each probe or case has a guest of its own, a worker's first one is followed, of the rest only what goes wrong
    is told. What an event says of every guest alike (why this accelerator) is said once.
    """

    def __init__(self, table: LiveTable, isolation: Isolation) -> None:
        self._table = table
        self._many = isolation is not Isolation.SUITE
        self._said: set[str] = set()

    def hear(self, event: Event) -> None:
        """One event; those of other names are passed over."""
        data = event.data
        guest = str(data.get("guest", data.get("worker", "")))
        shown = not self._many or guest.endswith("-1")
        match event.name:
            case "guest.boot.started" if shown:
                self._table.guest(guest, "booting")
            case "boot.stage" if shown:
                self._table.guest(guest, "booting", f"{data['stage']} {data['seconds']:.1f} s")
            case "guest.boot.ended" if shown:
                self._table.guest(guest, "ready", f"{data['accel']}, {data['seconds']:.1f} s")
            case "guest.boot.failed":
                self._table.guest(guest, "failed to boot", str(data.get("fault", "")).splitlines()[0])
            case "guest.ended" if shown or not data.get("routine"):
                self._table.guest(guest, "ended", str(data.get("how", "")))
            case name if name in _SAID:
                self._say(name, {"guest": guest, **data})

    def _say(self, name: str, data: dict[str, object]) -> None:
        same = _SAID[name].format(**{**data, "guest": ""})
        if same not in self._said:
            self._said.add(same)
            self._table.say(_SAID[name].format(**data))
