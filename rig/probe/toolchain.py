"""Compiles probes for a guest's OS.

Everything that can change an executable goes into its digest: its sources and what they include, the harness, the
flags, the target and the compiler's version. A probe whose digest is in the cache is not built again, and asking
costs the reading of the sources.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from rig import paths
from rig.errors import HostError, ManifestError, ToolchainError
from rig.probe import zig
from rig.probe.cache import Cache, digest_of
from rig.probe.manifest import ProbeManifest
from rig.probe.sources import absent_source, read_closure
from rig.spec.image import GuestOS

Say = Callable[[str], None]

_COMPILE = (
    "-std=gnu11",
    "-O2",
    "-g0",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffunction-sections",
    "-fdata-sections",
    "-fdiagnostics-absolute-paths",
)
# Stripped, and unused sections dropped: tens of kilobytes instead of 1.5 MB for each probe, all of which goes through
# an emulated network card. No guest has a debugger or a crash reporter to read symbols; a failed check carries its own
# file and line.
_LINK = {
    GuestOS.LINUX: ("-static", "-s", "-Wl,--gc-sections"),
    GuestOS.DARWIN: ("-s", "-Wl,-dead_strip"),
}


class Target(StrEnum):
    """What a probe is compiled for; the values are the compiler's names."""

    LINUX = "x86_64-linux-musl"
    DARWIN = "x86_64-macos.10.13"

    @classmethod
    def for_os(cls, os: GuestOS) -> Target:
        """The target for a guest's OS."""
        return cls.LINUX if os is GuestOS.LINUX else cls.DARWIN

    @property
    def os(self) -> GuestOS:
        """The OS that runs it."""
        return GuestOS.LINUX if self is Target.LINUX else GuestOS.DARWIN


def build(
    manifests: Iterable[ProbeManifest],
    target: Target,
    say: Say = lambda _: None,
    *,
    harness: Path | None = None,
    cache: Cache | None = None,
    calls: zig.Calls | None = None,
) -> dict[str, Path]:
    """Compile what the cache lacks; returns each probe's executable by the probe's name.

    `say` gets a line when something is going to take time. `calls` lets a caller stop it from another thread.

    Raises `ToolchainError` with the compiler's words on every probe that does not compile, `ManifestError` for a
    source that is gone, `HostError` when the compiler or the cache cannot be used.
    """
    making = _Build(target, say, harness or paths.harness_dir(), cache or Cache(), calls or zig.Calls())
    return making.run(list(manifests))


class _Build:
    """One call of `build`."""

    def __init__(self, target: Target, say: Say, harness: Path, cache: Cache, calls: zig.Calls) -> None:
        self.target = target
        self.say = say
        self.harness = harness
        self.cache = cache
        self.calls = calls

    def run(self, manifests: Sequence[ProbeManifest]) -> dict[str, Path]:
        digests = {m.probe: self.probe_digest(m) for m in manifests}

        def at(manifest: ProbeManifest) -> Path:
            return self.cache.entry("bin", digests[manifest.probe]) / manifest.executable

        if any(not at(m).is_file() for m in manifests):
            with self.cache.lock(self.target, lambda: self.say("waiting for another process that builds probes")):
                missing = [m for m in manifests if not at(m).is_file()]
                if missing:
                    self.make(missing, digests)
        return {m.probe: at(m) for m in manifests}

    def make(self, missing: Sequence[ProbeManifest], digests: dict[str, str]) -> None:
        """Compile these, all at once; their faults are told together."""
        first = not (self.cache.root / "zig").exists()
        self.say(
            f"compiling {len(missing)} probe{'s' if len(missing) != 1 else ''} for {self.target}"
            + (" (the first time takes about a minute: the C library is built, too)" if first else "")
        )
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool, self.calls.stopped_on_error():
            objects = self.harness_objects(pool)

            def one(manifest: ProbeManifest) -> str:
                try:
                    self.executable(manifest, digests[manifest.probe], objects)
                except ToolchainError as fault:
                    return fault.message
                return ""

            faults = [words for words in pool.map(one, missing) if words]
        if faults:
            raise _does_not_compile(faults)

    def executable(self, manifest: ProbeManifest, digest: str, objects: Sequence[Path]) -> None:
        """Compile and link one probe. Cases run in the order of `sources`, so that is the order of linking."""
        directory = manifest.path.parent.absolute()

        def link(into: Path, sources: Sequence[str], cwd: Path) -> None:
            self.zig_cc(
                *_LINK[self.target.os], "-o", str(into / manifest.executable), *sources, *map(str, objects), cwd=cwd
            )

        def fill(into: Path) -> None:
            if manifest.made_for(self.target.os):
                link(into, manifest.sources, directory)
                return
            with tempfile.TemporaryDirectory(prefix="rig-") as scratch:
                (Path(scratch) / "absent.c").write_text(absent_source(manifest), encoding="ascii")
                link(into, ["absent.c"], Path(scratch))

        self.cache.publish("bin", digest, fill)

    def harness_objects(self, pool: ThreadPoolExecutor) -> list[Path]:
        """The harness's object files, compiled if the cache lacks them."""

        def fill(into: Path) -> None:
            def one(source: Path) -> str:
                try:
                    self.zig_cc("-c", "-o", str(into / f"{source.stem}.o"), source.name, cwd=self.harness.absolute())
                except ToolchainError as fault:
                    return fault.message
                return ""

            if faults := [words for words in pool.map(one, self.harness_sources) if words]:
                raise _does_not_compile(faults)

        return sorted(self.cache.publish("harness", self.harness_digest, fill).glob("*.o"))

    def zig_cc(self, *arguments: str, cwd: Path) -> None:
        """The compiler with the flags that all C of probes gets. No path of this host ends up in the output."""
        harness = self.harness.absolute()
        maps = (f"-ffile-prefix-map={cwd}=.", f"-ffile-prefix-map={harness}=harness")
        zig.compile_c(
            ["-target", self.target, *_COMPILE, *maps, "-I", str(harness), *arguments],
            cwd=cwd,
            cache=self.cache.root / "zig",
            calls=self.calls,
        )

    @cached_property
    def harness_sources(self) -> list[Path]:
        return sorted(path for path in self.harness.glob("*.c"))

    @cached_property
    def harness_digest(self) -> str:
        if not self.harness_sources:
            raise HostError(f"{self.harness}: the probes' C harness is not here", hint="Reinstall the rig.")
        return self.digest(self.harness_sources, self.harness)

    def probe_digest(self, manifest: ProbeManifest) -> str:
        if manifest.made_for(self.target.os):
            own = self.digest(manifest.source_paths, manifest.path.parent)
        else:
            own = absent_source(manifest)
        return digest_of(
            [self.harness_digest.encode(), own.encode(), "\0".join([manifest.executable, *manifest.sources]).encode()]
        )

    def digest(self, files: Sequence[Path], home: Path) -> str:
        """Of these sources and all they include, by content and by name relative to `home`."""
        try:
            content = read_closure(files, [self.harness])
        except OSError as fault:
            raise ManifestError(f"{fault.filename}: {fault.strerror}, but a probe is made of it") from fault
        named = {os.path.relpath(path, home): data for path, data in content.items()}
        setting = "\0".join([zig.version(), self.target, *_COMPILE, *_LINK[self.target.os]])
        return digest_of(
            [setting.encode(), *(part for name in sorted(named) for part in (os.fsencode(name), named[name]))]
        )


def _does_not_compile(faults: Sequence[str]) -> ToolchainError:
    return ToolchainError("\n".join(faults), hint="Mend the C. Warnings count as errors in probes.")
