"""What independent tools print, read: nanoseconds for one operation. Each raises `InputError` on anything else."""

from __future__ import annotations

import re

from rig.errors import InputError


def perf_pipe(text: str) -> float:
    """`perf bench sched pipe`: one operation is a message to the other side and one back."""
    total = re.search(r"Total time:\s*([0-9.]+) \[(sec|msec)\]", text)
    each = re.search(r"([0-9]+(?:\.[0-9]+)?) usecs/op", text)
    if total is None or each is None:
        raise _unreadable("perf bench sched pipe", text)
    return float(each[1]) * 1e3


def hackbench(text: str) -> float:
    """`hackbench -g 1 -f 1`: one operation is one message from the one sender to the one receiver."""
    shape = re.search(r"with (\d+) groups? using (\d+) file descriptors each \(== (\d+) tasks\)", text)
    sent = re.search(r"Each sender will pass (\d+) messages of (\d+) bytes", text)
    took = re.search(r"^Time: ([0-9.]+)", text, re.MULTILINE)
    if shape is None or sent is None or took is None or int(sent[1]) == 0:
        raise _unreadable("hackbench", text)
    if (shape[1], shape[3]) != ("1", "2"):
        raise InputError(f"hackbench ran {shape[3]} tasks in {shape[1]} groups; one sender and one receiver were asked")
    return float(took[1]) * 1e9 / int(sent[1])


def _unreadable(tool: str, text: str) -> InputError:
    lines = text.strip().splitlines()[-3:]
    return InputError(
        f"{tool} printed no result: {' / '.join(lines) or 'nothing'}",
        hint="Its version may print another form: see rig/bench/outputs.py.",
    )
