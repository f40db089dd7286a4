"""`rig panic`: what the kernel's last words in logs say, or in all the logs of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from rig.cli.panic_found import STDIN, Found, grouped, is_run, of_log, of_run
from rig.errors import InputError, RigError
from rig.report.console import say
from rig.report.panics import detail_pairs, frame_line, panic_pairs
from rig.report.words import plural
from rig.result import PanicRecord

_FRAMES_SHOWN = 40
_NESTED_SHOWN = 5
_HELP = "Logs, macOS .panic files, runs' directories, or -."


def panic(
    logs: Annotated[list[str], typer.Argument(metavar="FILE", help=_HELP)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the kernel panics in logs or runs, with their signatures.

    Those of one log are told in its order. Those of several, or of a run, are grouped by signature over all of them;
    of a run, each is told with the case it ended. Warnings that a kernel outlived come last, in short.
    Exit code 0: there are panics; 1: there is none; 2: a file cannot be read (the others are, all the same).
    """
    found, unread = _gathered(logs)
    one = logs[0] if len(logs) == 1 and not is_run(logs[0]) else None
    if unread and len(logs) == 1:
        raise unread[0]
    if as_json:
        data = [each.panic.model_dump(mode="json") for each in found] if one else _groups_data(found)
        typer.echo(json.dumps(data, indent=1))
    else:
        console = Console(highlight=False, emoji=False)
        fatal = [each for each in found if not each.panic.is_outlived]
        if one:
            _print_log(console, fatal)
        else:
            _print_groups(console, fatal)
        if not fatal:
            say(console, _none_in(logs))
        _print_outlived(console, [each for each in found if each.panic.is_outlived])
    if unread:
        raise _all_of(unread)
    if all(each.panic.is_outlived for each in found):
        raise typer.Exit(1)


def _gathered(names: Sequence[str]) -> tuple[list[Found], list[RigError]]:
    """What was found in all that can be read, and why the rest cannot."""
    found: list[Found] = []
    unread: list[RigError] = []
    for name in dict.fromkeys(names):
        try:
            found += of_run(Path(name), among=len(names) > 1) if is_run(name) else of_log(name)
        except RigError as fault:
            unread.append(fault)
    return found, unread


def _all_of(unread: Sequence[RigError]) -> RigError:
    first = unread[0]
    if len(unread) == 1:
        return first
    return InputError("; ".join(one.message for one in unread), hint=first.hint)


def _none_in(logs: Sequence[str]) -> str:
    if len(logs) > 1:
        return f"no panic found in {plural(len(logs), 'file')}"
    if is_run(logs[0]):
        return f"{logs[0]}: no panic in any console log of this run"
    return f"{'standard input' if logs[0] == STDIN else logs[0]}: no panic found"


def _groups_data(found: Sequence[Found]) -> list[dict[str, Any]]:
    data = []
    for group in grouped(found):
        first = group[0].panic
        rows = [
            {"guest": one.guest, "log": one.log, "cases": list(one.cases), **one.panic.model_dump(mode="json")}
            for one in group
        ]
        data.append({"signature_id": first.signature_id, "signature": first.signature, "panics": rows})
    return data


def _print_log(console: Console, found: Sequence[Found]) -> None:
    for number, each in enumerate(found, start=1):
        one = each.panic
        which = f"{number} of {len(found)}: " if len(found) > 1 else ""
        cut = "" if one.complete else ", not whole"
        say(console, f"{which}{each.log}, lines {one.line} to {one.last_line}, {one.system}{cut}", "bold")
        _print_panic(console, one, indent=2)
        say(console)


def _print_groups(console: Console, found: Sequence[Found]) -> None:
    for group in grouped(found):
        first = group[0].panic
        say(console, f"{plural(len(group), 'time')}: {first.signature_id} {first.signature}", "bold")
        for one in group:
            process = f", process {one.panic.process}" if one.panic.process else ""
            say(console, f"{one.place}{process}", indent=2)
        if len(group) > 1:
            say(console, "the first of them:", indent=2)
        _print_panic(console, first, indent=4)
        say(console)


def _print_outlived(console: Console, found: Sequence[Found]) -> None:
    """One line for each kind of warning."""
    if not found:
        return
    say(console, f"{plural(len(found), 'warning')} that the kernel outlived:", "bold")
    for group in grouped(found):
        first = group[0]
        say(console, f"{plural(len(group), 'time')}: {first.panic.signature_id} {first.panic.signature}", indent=2)
        say(console, f"first: {first.place}", "dim", indent=4)


def _print_panic(console: Console, one: PanicRecord, indent: int) -> None:
    pairs = [*panic_pairs(one), *detail_pairs(one)]
    width = max(len(label) for label, _ in pairs)
    for label, value in pairs:
        say(console, f"{label:{width}}  {value}", indent=indent)
    if one.frames:
        say(console, "backtrace", indent=indent)
        for frame in one.frames[:_FRAMES_SHOWN]:
            say(console, frame_line(frame), "dim", indent=indent + 2)
        if len(one.frames) > _FRAMES_SHOWN:
            say(console, f"and {len(one.frames) - _FRAMES_SHOWN} more", "dim", indent=indent + 2)
    for nested in one.nested[:_NESTED_SHOWN]:
        times = f", {plural(nested.repeats, 'time')}" if nested.repeats > 1 else ""
        say(console, f"nested, line {nested.line}{times}", indent=indent)
        _print_panic(console, nested, indent + 2)
    if len(one.nested) > _NESTED_SHOWN:
        say(console, f"and {len(one.nested) - _NESTED_SHOWN} more nested ones", indent=indent)
