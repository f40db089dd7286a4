"""What `rig report compare` prints."""

from __future__ import annotations

import math
from itertools import groupby

from rich.console import Console
from rich.table import Table

from rig.report.console import fit, say
from rig.report.words import metric_label, plural, quantity
from rig.result import Change, Changes
from rig.spec import Clock

_STYLES = {"slower": "red", "faster": "green", "too few samples": "yellow"}
_WALL = "On the wall clock equal runs of a busy host differ as much; --clock exact tells such a change from chance."


def print_changes(changes: Changes, console: Console, *, everything: bool = False) -> None:
    """The timings that changed (`everything`: all that were compared), what was not compared and why, the counts."""
    for words in changes.crossed:
        say(console, f"Compared all the same: {words}", "yellow")
    shown = [one for one in changes.compared if everything or (one.found and one.found.verdict != "same")]
    if shown:
        console.print(_table(shown, console))
    if any(one.clock is Clock.WALL and one.found and one.found.verdict in {"slower", "faster"} for one in shown):
        say(console, _WALL, "yellow")
    refused = sorted((one for one in changes.both if one.found is None), key=lambda one: one.why)
    for why, group in groupby(refused, key=lambda one: one.why):
        say(console, f"{plural(len(list(group)), 'timing')} not compared: {why}", "yellow")
    for words, names in (("only in the first run", changes.gone), ("only in the second run", changes.new)):
        if names:
            say(console, f"{plural(len(names), 'case')} {words}: {', '.join(names)}")
    say(console, verdict(changes))


def _table(shown: list[Change], console: Console) -> Table:
    table = Table("timing", "before", "after", "change", "least", "p", "verdict", box=None, pad_edge=False)
    for column in table.columns[1:6]:
        column.justify = "right"
        column.no_wrap = True
    for one in shown:
        found, unit = one.found, one.before.unit
        if found is None:
            continue
        cells = (
            f"{one.case} {metric_label(one.before)}",
            quantity(found.before.median, unit),
            quantity(found.after.median, unit, like=found.before.median),
            percent(found.change),
            percent(found.limit).lstrip("+"),
            f"{found.p:.2g}",
            found.verdict,
        )
        table.add_row(*(fit(console, cell) for cell in cells), style=_STYLES.get(found.verdict, ""))
    return table


def percent(change: float) -> str:
    """A relative change of a median: `+1.02 %`; what is not finite is a dash."""
    return f"{100 * change:+.2f} %" if math.isfinite(change) else "-"


def verdict(changes: Changes) -> str:
    """The comparison in one sentence."""
    counts = {
        word: sum(1 for one in changes.compared if one.found and one.found.verdict == word)
        for word in ("slower", "faster", "same", "too few samples")
    }
    told = [f"{count} {word}" for word, count in counts.items() if count]
    return f"{plural(len(changes.compared), 'timing')} compared: {', '.join(told) or 'none'}"
