"""Clang's static analyzer over the C of probes and harness, for both systems: what cannot run here is at least read.

The compiler is the one that builds the probes, so nothing more is installed; it keeps the results of files without a
finding in its cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rig import paths
from rig.errors import ToolchainError
from rig.probe import zig
from rig.probe.cache import Cache
from rig.probe.manifest import ProbeManifest
from rig.probe.toolchain import _COMPILE, Say, Target

_ANALYZE = ("--analyze", "-Xclang", "-analyzer-werror", "-Wno-unused-command-line-argument")


@dataclass(frozen=True)
class Finding:
    """What the analyzer says of one file for one target."""

    path: Path
    target: Target
    words: str


def analyze(
    manifests: Iterable[ProbeManifest],
    targets: Sequence[Target],
    say: Say = lambda _: None,
    *,
    harness: Path | None = None,
    cache: Cache | None = None,
) -> tuple[int, list[Finding]]:
    """Read the harness and these probes; how many readings there were, and what was found.

    Raises `HostError` when the compiler or its cache cannot be used.
    """
    home = (harness or paths.harness_dir()).absolute()
    cache = cache or Cache()
    # A harness of somebody's own is read alone.
    others = [] if harness else sorted(paths.agent_dir().absolute().glob("*.c"))
    tasks = [(path, target) for path in [*sorted(home.glob("*.c")), *others] for target in targets]
    tasks += [
        (path.absolute(), target)
        for manifest in manifests
        for path in manifest.source_paths
        for target in targets
        if manifest.made_for(target.os)
    ]
    say(f"reading {len({path for path, _ in tasks})} C files for {' and '.join(targets)}")
    calls = zig.Calls()

    def one(task: tuple[Path, Target]) -> Finding | None:
        path, target = task
        # Nothing is written but the compiler's cache: what it would link is the analyzer's report.
        given = ["-target", target, *_COMPILE, *_ANALYZE, "-I", str(home), path.name, "-o", os.devnull]
        try:
            zig.compile_c(given, cwd=path.parent, cache=cache.root / "zig", calls=calls)
        except ToolchainError as fault:
            return Finding(path, target, fault.message)
        return None

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, calls.stopped_on_error():
        found = [finding for finding in pool.map(one, tasks) if finding]
    return len(tasks), found
