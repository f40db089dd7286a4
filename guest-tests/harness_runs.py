"""Building and running the harness's self-test on this machine: what its tests share."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HARNESS = HERE / "harness"
FLAGS = ["-Wall", "-Wextra", "-Werror", "-std=gnu11", "-O1"]


Event = dict[str, Any]


def compiler() -> list[str]:
    """The host's C compiler if there is one, else zig's."""
    if shutil.which("cc"):
        return ["cc"]
    return [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        "x86_64-linux-musl",
        "-static",
    ]


def build(out: Path, *sources: Path) -> Path:
    """The harness and these files, compiled for this machine."""
    harness = sorted(HARNESS.glob("*.c"))
    argv = [
        *compiler(),
        *FLAGS,
        f"-I{HARNESS}",
        *map(str, harness),
        *map(str, sources),
        "-o",
        str(out),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def run(probe: Path, directory: Path, *arguments: str, seconds: float = 60) -> tuple[int, list[Event], str]:
    """Exit code, events and stderr; every line of stdout must be a JSON object in ASCII."""
    done = subprocess.run(
        [str(probe), "--dir", str(directory), *arguments],
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    lines = done.stdout.decode("ascii").splitlines()
    return (
        done.returncode,
        [json.loads(line, parse_constant=_no_constant) for line in lines],
        done.stderr.decode(),
    )


def _no_constant(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


class Stream:
    """One run's events, by case."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events

    def of(self, case: str, kind: str) -> list[Event]:
        return [event for event in self.events if event.get("case") == case and event["t"] == kind]

    def end(self, case: str) -> Event:
        (event,) = self.of(case, "end")
        return event

    def failed(self, case: str) -> list[tuple[str, str, str]]:
        return [(e["what"], e["got"], e["want"]) for e in self.of(case, "check") if not e["ok"]]

    def leaks(self) -> list[tuple[str, str]]:
        return [(event["kind"], event["what"]) for event in self.events if event["t"] == "leak"]


def group_members(whole: Stream) -> list[str]:
    """Processes still running the self-test on behalf of that run."""
    run_id = f"--run-id\0{whole.events[0]['pid']}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and run_id in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def message_queues() -> list[int]:
    return [int(line.split()[1]) for line in Path("/proc/sysvipc/msg").read_text().splitlines()[1:]]
