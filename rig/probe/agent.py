"""The agent that serves the rig on a guest's serial console: a small C program, compiled like a probe."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rig import paths
from rig.errors import HostError
from rig.probe import zig
from rig.probe.cache import Cache, digest_of
from rig.probe.toolchain import _COMPILE, _LINK, Target
from rig.spec.image import GuestOS

EXECUTABLE = "rig-agent"
_SHARED = "darwin_strings.c"
"""Of the probes' harness: what differs between Darwins is not imported from theirs."""


def build_agent(system: GuestOS, say: Callable[[str], None] = lambda _: None, *, cache: Cache | None = None) -> Path:
    """The agent's executable for a guest's OS, compiled if the cache lacks it. Raises as `toolchain.build` does."""
    target, cache = Target.for_os(system), cache or Cache()
    home = paths.agent_dir().absolute()
    own = sorted(home.glob("*.c"))
    if not own:
        raise HostError(f"{home}: the agent's C sources are not here", hint="Reinstall the rig.")
    sources = [*own, paths.harness_dir().absolute() / _SHARED]
    parts = ["\0".join([zig.version(), target, *_COMPILE, *_LINK[target.os]]).encode()]
    for file in [*sources, *sorted(home.glob("*.h"))]:
        parts += [file.name.encode(), file.read_bytes()]

    def fill(into: Path) -> None:
        say(f"compiling the console's agent for {target}")
        names = [os.path.relpath(source, home) for source in sources]
        options = [*_COMPILE, f"-ffile-prefix-map={home}=agent", *_LINK[target.os]]
        zig.compile_c(
            ["-target", target, *options, "-o", str(into / EXECUTABLE), *names], cwd=home, cache=cache.root / "zig"
        )

    return cache.publish("agent", digest_of(parts), fill) / EXECUTABLE
