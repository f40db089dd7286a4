"""The bench `timings`: our probes' timings held against independent tools, in turns, in one boot of one guest."""

from __future__ import annotations

import shlex
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from rig.bench import outputs
from rig.bench.frame import Bed, Finding
from rig.bench.ratio import mean_ns, ratio
from rig.bench.tools import HACKBENCH, PERF, Tool, Toolbox, gather
from rig.errors import InputError
from rig.guest import Guest
from rig.probe.manifest import load_manifests
from rig.probe.protocol import End, Metric, StreamReader
from rig.probe.toolchain import Target, build
from rig.spec import Clock

_SECONDS = 60.0
_PUSH_SECONDS = 600.0


class Reader(Protocol):
    """Reads a tool's output; returns nanoseconds an operation."""

    def __call__(self, text: str) -> float:
        """Raises `InputError` where there is no result."""
        ...


@dataclass(frozen=True)
class Pair:
    """One operation, measured by a probe's case and by a tool."""

    operation: str
    probe: str
    case: str
    metric: str
    size: int | None
    batches: int
    """Of ours: so many that our run lasts about as long as the tool's."""
    tool: Tool
    arguments: tuple[str, ...]
    reader: Reader
    why: str
    """What makes the two comparable, and what still differs."""


_SAME_LOOP = "the same loop on both sides: a write, a wait in read, and the other process does the same"
_STREAM = (
    "one writer, one reader, 512 bytes a call on both sides; hackbench's time has the wake-up of its two tasks and "
    "their end in it, ours has neither"
)
PAIRS = (
    Pair(
        "pipe, there and back, two processes",
        "pipe",
        "time_round_trip",
        "round_trip",
        1,
        1500,
        PERF,
        ("bench", "sched", "pipe", "-l", "4000"),
        outputs.perf_pipe,
        f"{_SAME_LOOP}; perf's messages are of 4 bytes, ours of 1",
    ),
    Pair(
        "switch, there and back, two threads",
        "context_switch",
        "time_two_threads_by_pipes",
        "turn_of_2",
        None,
        1500,
        PERF,
        ("bench", "sched", "pipe", "--threaded", "-l", "12000"),
        outputs.perf_pipe,
        f"{_SAME_LOOP}, in one address space",
    ),
    Pair(
        "pipe, stream of 512 bytes",
        "pipe",
        "time_throughput",
        "throughput",
        512,
        30,
        HACKBENCH,
        ("--pipe", "-g", "1", "-f", "1", "-s", "512", "-l", "20000"),
        outputs.hackbench,
        _STREAM,
    ),
    Pair(
        "socket pair, stream of 512 bytes",
        "local_socket",
        "time_pair_throughput",
        "throughput",
        512,
        30,
        HACKBENCH,
        ("-g", "1", "-f", "1", "-s", "512", "-l", "20000"),
        outputs.hackbench,
        _STREAM,
    ),
)


def run_exact(bed: Bed) -> Finding:
    """As `run`, in a guest whose clock counts executed instructions."""
    found = run(bed, Clock.EXACT)
    found.notes.append("a microsecond here is a thousand instructions: what the emulation of one costs is not in it")
    return found


def run(bed: Bed, clock: Clock = Clock.WALL) -> Finding:
    """Both sides of every pair, `bed.rounds` times in turns."""
    with TemporaryDirectory(prefix="rig-bench-") as scratch:
        box = gather((PERF, HACKBENCH), Path(scratch) / "tools", bed.say)
        programs = _build(bed)
        with bed.boot(clock=clock) as guest:
            place = f"{guest.stored.spec.workdir.rstrip('/')}/bench"
            bed.say("pushing tools and probes")
            guest.push(box.directory, f"{place}/tools", seconds=_PUSH_SECONDS)
            for name, program in programs.items():
                guest.push(program, f"{place}/{name}")
            measured = _measure(bed, guest, box, place)
            facts = {
                "accel": str(guest.accel),
                "qemu": guest.machine.qemu_version,
                "cpus": guest.machine.launch.spec.cpus,
                "clock": str(clock),
                "kernel": guest.run("uname -a").text,
            }
    return tell(measured, {"guest": facts, "tools": box.versions})


def _build(bed: Bed) -> dict[str, Path]:
    wanted = {pair.probe for pair in PAIRS}
    return build([m for m in load_manifests() if m.probe in wanted], Target.LINUX, bed.say)


@dataclass
class Measured:
    """Each round's mean, ns an operation, and what it was made from."""

    ours: list[float]
    theirs: list[float]
    samples: list[list[float]]


def _measure(bed: Bed, guest: Guest, box: Toolbox, place: str) -> list[Measured]:
    measured = [Measured([], [], []) for _ in PAIRS]
    for number in range(1, bed.rounds + 1):
        for pair, one in zip(PAIRS, measured, strict=True):
            bed.say(f"round {number} of {bed.rounds}: {pair.operation}")
            label = f"{pair.probe}-{pair.case}-{number}"
            stream = guest.run(_ours(pair, place, guest.factor), seconds=_SECONDS).stdout
            bed.keep(f"{label}.jsonl", stream.decode("utf-8", "replace"))
            metric = find_metric(stream, pair)
            one.samples.append(list(metric.samples))
            one.ours.append(mean_ns(metric.samples, metric.unit, metric.bytes))
            answer = guest.run(box.command(pair.tool, pair.arguments, f"{place}/tools"), seconds=_SECONDS)
            text = (answer.stdout + answer.stderr).decode("utf-8", "replace")
            bed.keep(f"{label}.{pair.tool.name}.txt", text)
            one.theirs.append(pair.reader(text))
    return measured


def _ours(pair: Pair, place: str, scale: float) -> str:
    options = ["--only", pair.case, "--batches", str(pair.batches), "--scale", f"{scale:g}"]
    return f"cd {shlex.quote(place)} && ./{shlex.join([pair.probe, *options])}"


def find_metric(stream: bytes, pair: Pair) -> Metric:
    """The pair's metric in a probe's stream. Raises `InputError` where the case failed or did not tell it."""
    reader = StreamReader()
    messages = [*reader.feed(stream), *reader.close()]
    for message in messages:
        if isinstance(message, End) and message.outcome != "pass":
            raise InputError(f"{pair.probe}.{message.case} ended as {message.outcome}: {message.reason}")
    for message in messages:
        if isinstance(message, Metric) and (message.name, message.bytes) == (pair.metric, pair.size):
            return message
    raise InputError(f"{pair.probe}.{pair.case} told no metric {pair.metric} of {pair.size} bytes")


def tell(measured: list[Measured], context: dict[str, Any]) -> Finding:
    """The table and its notes."""
    found = Finding(("operation", "ours", "theirs", "ratio", "least - greatest", "of the best"))
    pairs: list[dict[str, Any]] = []
    for pair, one in zip(PAIRS, measured, strict=True):
        r = ratio(one.ours, one.theirs)
        tool = " ".join([pair.tool.name, *pair.arguments])
        found.rows.append(
            (
                pair.operation,
                f"{r.ours / 1e3:.2f} us",
                f"{r.theirs / 1e3:.2f} us",
                f"{r.middle:.2f}",
                f"{r.least:.2f} - {r.greatest:.2f}",
                f"{r.best:.2f}",
            )
        )
        middle = statistics.median(sample for samples in one.samples for sample in samples)
        found.notes.append(f"{pair.operation}: {pair.probe}.{pair.case} against `{tool}`: {r.verdict}; {pair.why}")
        pairs.append(
            {
                "operation": pair.operation,
                "probe": pair.probe,
                "case": pair.case,
                "tool": tool,
                "ratio": asdict(r),
                "why": pair.why,
                "ours_ns": one.ours,
                "theirs_ns": one.theirs,
                "our_median_sample": middle,
                "samples": one.samples,
            }
        )
    found.notes.append(
        "ours, theirs: median over the rounds of each round's mean; ratio: median of the rounds' ratios; of the best: "
        "our least round to their least"
    )
    found.data = {**context, "pairs": pairs}
    return found
