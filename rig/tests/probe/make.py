"""Small probes for tests, and a harness of a few lines for them: it knows --list and why a case is not run, no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rig import paths
from rig.probe.manifest import ProbeManifest, load_manifests

_RIG_H = """\
#include <stdbool.h>
struct rig_case {
    const char *name; void (*run)(void); struct rig_case *next; bool darwin_only, linux_only; const char *why;
};
extern const char *const rig_probe_name;
void rig_add_case(struct rig_case *c);
const char *rig_harness_file(void);
static inline const char *rig_header_file(void) { return __FILE__; }
#define PROBE(name, version) const char *const rig_probe_name = name
#define CASE(n, ...) static void case_##n(void); \\
    static struct rig_case rig_##n = {.name = #n, .run = case_##n, __VA_ARGS__}; \\
    __attribute__((constructor)) static void add_##n(void) { rig_add_case(&rig_##n); } \\
    static void case_##n(void)
"""
_MAIN_C = """\
#include "rig.h"
#include <stdio.h>
#include <string.h>
static struct rig_case *first, **last = &first;
void rig_add_case(struct rig_case *c) { *last = c; last = &c->next; }
const char *rig_harness_file(void) { return __FILE__; }
int main(int argc, char **argv)
{
    for (struct rig_case *c = first; c; c = c->next) {
        if (argc > 1 && strcmp(argv[1], "--list") == 0)
            puts(c->name);
        else if (c->why)
            printf("%s: %s\\n", c->name, c->why);
        else
            c->run();
    }
    return 0;
}
"""
PIPE_C = """\
#include "rig.h"
#include <stdio.h>

PROBE("pipe", "1");

CASE(first_case) { printf("%s %s %s %s\\n", rig_probe_name, __FILE__, rig_harness_file(), rig_header_file()); }

CASE(second_case)
{
}
"""


def case(**more: Any) -> dict[str, Any]:
    """A manifest's entry for one case."""
    return {"what": "what it does", "source": "POSIX", "expect": {"linux": "pass", "darwin": "pass"}, **more}


def bare(**more: Any) -> dict[str, Any]:
    """The same without `expect`, for a probe with `only`."""
    return {"what": "what it does", "source": "POSIX", **more}


def only_darwin(reason: str, **cases: dict[str, Any]) -> dict[str, Any]:
    """Parts of the manifest of a probe that Darwin alone can have; the cases of PIPE_C without others."""
    return {"only": {"os": "darwin", "reason": reason}, "cases": cases or {"first_case": bare(), "second_case": bare()}}


def manifest(probe: str = "pipe", **more: Any) -> dict[str, Any]:
    """A manifest that fits PIPE_C."""
    return {
        "probe": probe,
        "version": 1,
        "mechanism": "pipes",
        "summary": "unnamed pipes",
        "sources": [f"{probe}.c"],
        "cases": {"first_case": case(), "second_case": case()},
        **more,
    }


class Workshop:
    """`probes/<directory>/` and `harness/` below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.probes = paths.ensure(root / "probes")
        self.harness = paths.ensure(root / "harness")
        (self.harness / "rig.h").write_text(_RIG_H)
        (self.harness / "main.c").write_text(_MAIN_C)

    def probe(
        self, name: str = "pipe", c: str = PIPE_C, *, directory: str = "pipes", text: str | None = None, **more: Any
    ) -> Path:
        """Write a probe; returns the manifest's path. `text` stands in for the manifest made of `more`."""
        home = paths.ensure(self.probes / directory)
        (home / f"{name}.c").write_text(c)
        path = home / f"{name}.yaml"
        path.write_text(yaml.safe_dump(manifest(name, **more), sort_keys=False) if text is None else text)
        return path

    def load(self) -> list[ProbeManifest]:
        """All manifests."""
        return load_manifests(self.probes)
