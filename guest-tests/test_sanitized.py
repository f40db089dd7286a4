"""The portable probes and their harness under sanitizers, on this machine: all as expected, and nothing reported.

Zig brings no runtime of the address sanitizer, so this is done by the host's own C compiler (Debian: gcc, libc6-dev).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness_runs import HARNESS, Event, Stream, run

from rig.probe.manifest import CaseKind, Expected, ProbeManifest, load_manifests
from rig.spec import GuestOS

FLAGS = ["-std=gnu11", "-g", "-O1", "-fno-omit-frame-pointer", "-Wall", "-Wextra", f"-I{HARNESS}"]
ADDRESS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
THREAD = ["-fsanitize=thread"]
# Cases cause faults and look at signal stacks of their own: those are not the sanitizer's to take. Leaks of memory
# mean nothing in a process of one case.
ASAN = (
    "detect_leaks=0:use_sigaltstack=0:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigfpe=0:"
    "handle_sigill=0:handle_sigtrap=0"
)
TSAN = f"die_after_fork=0:{ASAN}"
THREADED = {
    "signals": (
        "pthread_kill_reaches_oneself",
        "process_signal_goes_to_a_thread_that_takes_it",
        "thread_inherits_the_mask",
        "sigwait_in_a_thread",
    )
}
"""Cases with several threads in one process. Not masks_are_each_threads_own and pthread_kill_reaches_that_thread: the
thread sanitizer holds a signal back until the thread that takes it makes its next call, and there that thread waits."""
SCALE = "3"

PORTABLE = [manifest for manifest in load_manifests() if manifest.made_for(GuestOS.LINUX)]

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler of the host's own (apt install gcc)")


def compile_all(sources: Sequence[Path], flags: Sequence[str], into: Path) -> list[Path]:
    def one(source: Path) -> Path:
        to = into / f"{source.stem}.o"
        done = subprocess.run(
            ["cc", *FLAGS, *flags, "-c", source, "-o", to], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return to

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, sources))


def built(manifest: ProbeManifest, flags: Sequence[str], harness: Sequence[Path], into: Path) -> Path:
    objects = compile_all(manifest.source_paths, flags, into)
    to = into / manifest.executable
    argv = ["cc", *flags, *objects, *harness, "-o", to, "-lpthread"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return to


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return compile_all(sorted(HARNESS.glob("*.c")), ADDRESS, tmp_path_factory.mktemp("address"))


@pytest.fixture(scope="module")
def thread(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return compile_all(sorted(HARNESS.glob("*.c")), THREAD, tmp_path_factory.mktemp("thread"))


def unlike(events: list[Event], manifest: ProbeManifest) -> dict[str, str]:
    """Cases that did not end as the manifest expects, in words; what the host may not do is no fault of theirs."""
    stream = Stream(events)
    found = {}
    for name, case in manifest.cases.items():
        for end in stream.of(name, "end"):
            skipped = end["outcome"] == "skip" and os.geteuid() != 0
            if end["outcome"] != case.expected(GuestOS.LINUX) and not skipped:
                found[name] = f"{end['outcome']}: {end['reason']} {stream.failed(name)}"
    return found


def reports(directory: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in sorted(directory.glob("report.*")))


def sanitized(probe: Path, names: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events of a run without a report."""
    for variable, options in (("ASAN_OPTIONS", ASAN), ("UBSAN_OPTIONS", "print_stacktrace=1"), ("TSAN_OPTIONS", TSAN)):
        monkeypatch.setenv(variable, f"{options}:log_path={tmp_path / 'report'}")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    code, events, stderr = run(probe, scratch, "--only", ",".join(names), "--scale", SCALE, seconds=300)
    assert reports(tmp_path) + stderr == ""  # gcc's runtime of the undefined writes to stderr, whatever log_path says
    assert code == 0
    assert events[-1]["t"] == "goodbye"
    return events


def judged(manifest: ProbeManifest) -> list[str]:
    """The cases that the sanitizers are run on: at least one in each portable probe."""
    return [
        name
        for name, case in manifest.cases.items()
        if case.kind is not CaseKind.TIMING and case.expected(GuestOS.LINUX) is not Expected.UNSUPPORTED
    ]


@pytest.mark.parametrize("manifest", PORTABLE, ids=lambda manifest: manifest.probe)
def test_address_and_undefined(
    manifest: ProbeManifest, address: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judged(manifest), f"{manifest.path}: no case but timings"
    probe = built(manifest, ADDRESS, address, tmp_path)
    assert unlike(sanitized(probe, judged(manifest), tmp_path, monkeypatch), manifest) == {}


@pytest.mark.parametrize("name", THREADED)
def test_threads(name: str, thread: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (manifest,) = [manifest for manifest in PORTABLE if manifest.probe == name]
    probe = built(manifest, THREAD, thread, tmp_path)
    assert unlike(sanitized(probe, THREADED[name], tmp_path, monkeypatch), manifest) == {}


BAD = """\
#include "rig.h"
#include <pthread.h>
PROBE("bad", "1");
static int counter;
static void *add(void *arg) { counter++; return arg; }
CASE(reads_past_the_end)
{
    char *volatile bytes = malloc(4);
    volatile size_t place = 4;
    CHECK(bytes[place] != 1);
}
CASE(overflows)
{
    volatile int most = 2147483647;
    CHECK(most + 1 != 0);
}
CASE(races)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, add, NULL) == 0);
    counter++;
    pthread_join(thread, NULL);
    CHECK(true);
}
"""


@pytest.mark.parametrize(
    ("case", "flags", "words"),
    [
        ("reads_past_the_end", ADDRESS, "heap-buffer-overflow"),
        ("overflows", ADDRESS, "signed integer overflow"),
        ("races", THREAD, "data race"),
    ],
)
def test_what_is_wrong_is_reported(
    case: str,
    flags: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    (tmp_path / "bad.c").write_text(BAD)
    harness = request.getfixturevalue("thread" if flags is THREAD else "address")
    (source,) = compile_all([tmp_path / "bad.c"], flags, tmp_path)
    subprocess.run(["cc", *flags, source, *harness, "-o", tmp_path / "bad", "-lpthread"], check=True)
    with pytest.raises(AssertionError, match=words):
        sanitized(tmp_path / "bad", [case], tmp_path, monkeypatch)
