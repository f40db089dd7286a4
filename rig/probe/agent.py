"""The agent that serves the rig on a guest's serial console: a small C program, compiled like a probe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rig import paths
from rig.errors import HostError
from rig.probe import zig
from rig.probe.cache import Cache, digest_of
from rig.probe.toolchain import _COMPILE, _LINK, Target
from rig.spec.image import GuestOS

EXECUTABLE = "rig-agent"


def build_agent(os: GuestOS, say: Callable[[str], None] = lambda _: None, *, cache: Cache | None = None) -> Path:
    """The agent's executable for a guest's OS, compiled if the cache lacks it. Raises as `toolchain.build` does."""
    target, cache = Target.for_os(os), cache or Cache()
    home = paths.agent_dir()
    sources = sorted(home.glob("*.c"))
    if not sources:
        raise HostError(f"{home}: the agent's C sources are not here", hint="Reinstall the rig.")
    setting = "\0".join([zig.version(), target, *_COMPILE, *_LINK[target.os]])
    files = sorted([*sources, *home.glob("*.h")])
    digest = digest_of(
        [setting.encode(), *(part for file in files for part in (file.name.encode(), file.read_bytes()))]
    )

    def fill(into: Path) -> None:
        say(f"compiling the console's agent for {target}")
        names = [source.name for source in sources]
        maps = f"-ffile-prefix-map={home.absolute()}=agent"
        zig.compile_c(
            ["-target", target, *_COMPILE, maps, *_LINK[target.os], "-o", str(into / EXECUTABLE), *names],
            cwd=home.absolute(),
            cache=cache.root / "zig",
        )

    return cache.publish("agent", digest, fill) / EXECUTABLE
