"""The probe notifyd, held against a service that delivers and against many that do not.

No guest here runs notifyd, so its cases for it could be wrong unseen. They are built for this machine with a notify
library made of files, fifos and signals (fakes/notify, test equipment that no probe ships), which one environment
variable breaks in one way at a time. A library that only says success passes nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rig.probe import manifest

HERE = Path(__file__).parent
PROBE = HERE / "probes" / "notifyd"
FAKE = HERE / "fakes" / "notify"

BREAKAGES = (
    "another_signal",
    "any_token_is_good",
    "burst_ends_all",
    "cancel_does_nothing",
    "cancel_leaks_the_descriptor",
    "cancel_leaks_the_port",
    "cancel_takes_all",
    "check_is_the_names",
    "check_stays_true",
    "deaf_to_others",
    "delivers_after_cancel",
    "delivers_twice",
    "every_third_post_is_lost",
    "first_alone_is_told",
    "first_check_is_false",
    "names_are_mixed_up",
    "null_is_accepted",
    "port_message_without_token",
    "resume_forgets",
    "resume_tells_each",
    "reuse_is_ignored",
    "self_names_leak_out",
    "state_has_32_bits",
    "state_is_a_post",
    "state_is_lost",
    "state_is_the_tokens",
    "stub",
    "suspend_is_ignored",
    "suspends_are_not_counted",
    "token_in_host_order",
)


def functional() -> list[str]:
    spec = manifest.load_manifest(PROBE / "notifyd.yaml")
    return [name for name in spec.cases if name not in spec.timings]


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe's own C, but for the one file that speaks Mach, and the fake in the place of the library."""
    directory = tmp_path_factory.mktemp("notifyd")
    for source in [*PROBE.glob("*.[ch]"), *FAKE.glob("*.[ch]")]:  # the fake's notify_api.h is the later one
        if source.name != "port.c":
            shutil.copy(source, directory)
    harness = HERE / "harness"
    compiler = ["cc"] if shutil.which("cc") else [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl"]
    flags = ["-Wall", "-Wextra", "-Werror", "-std=gnu11", "-O1", f"-I{harness}"]
    sources = sorted(map(str, [*harness.glob("*.c"), *directory.glob("*.c")]))
    out = directory / "notifyd"
    argv = [*compiler, *flags, *sources, "-o", str(out), "-lpthread", "-lm"]
    made = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return out


def outcomes(probe: Path, state: Path, broken: str = "") -> dict[str, str]:
    environment = os.environ | {"RIG_FAKE_NOTIFY": str(state), "RIG_FAKE_NOTIFY_BREAK": broken}
    # a breakage shows by something that does not come: a tenth of the usual patience
    argv = [str(probe), "--only", ",".join(functional()), "--scale", "0.1" if broken else "1"]
    run = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True, timeout=300)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    return {event["case"]: event["outcome"] for event in events if event["t"] == "end"}


def test_a_service_that_delivers_passes_every_case(probe: Path, tmp_path: Path) -> None:
    assert outcomes(probe, tmp_path) == dict.fromkeys(functional(), "pass")


@pytest.mark.parametrize("broken", BREAKAGES)
def test_a_broken_one_does_not(probe: Path, tmp_path: Path, broken: str) -> None:
    found = outcomes(probe, tmp_path, broken)
    assert set(found) == set(functional())
    assert set(found.values()) != {"pass"}
    if broken == "stub":
        assert set(found.values()) == {"unsupported"}


def test_every_breakage_is_tried() -> None:
    text = (FAKE / "fake_notify.c").read_text() + (FAKE / "table.c").read_text()
    assert {part.split('"')[1] for part in text.split("broken(")[1:] if part.startswith('"')} == set(BREAKAGES)
