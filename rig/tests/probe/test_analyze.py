from __future__ import annotations

from rig.probe.analyze import analyze
from rig.probe.cache import Cache
from rig.probe.toolchain import Target
from rig.tests.probe.make import PIPE_C, Workshop, only_darwin

DEREFERENCES_NOTHING = """
int wrong(int n);
int wrong(int n)
{
    int *place = 0;
    return n ? *place : 0;
}
"""


def test_clean_files_are_told_as_read(workshop: Workshop, cache: Cache) -> None:
    workshop.probe()
    assert analyze(workshop.load(), list(Target), harness=workshop.harness, cache=cache) == (4, [])


def test_a_finding_names_file_line_and_target(workshop: Workshop, cache: Cache) -> None:
    workshop.probe(c=PIPE_C + DEREFERENCES_NOTHING)
    readings, found = analyze(workshop.load(), [Target.DARWIN], harness=workshop.harness, cache=cache)
    assert readings == 2
    (finding,) = found
    assert (finding.path.name, finding.target) == ("pipe.c", Target.DARWIN)
    assert "pipe.c:16" in finding.words
    assert "core.NullDereference" in finding.words


def test_a_finding_in_the_harness_counts(workshop: Workshop, cache: Cache) -> None:
    workshop.probe()
    (workshop.harness / "more.c").write_text(DEREFERENCES_NOTHING)
    _, found = analyze(workshop.load(), [Target.LINUX], harness=workshop.harness, cache=cache)
    assert [finding.path.name for finding in found] == ["more.c"]


def test_c_of_darwin_is_read_for_darwin_alone(workshop: Workshop, cache: Cache) -> None:
    workshop.probe(c=PIPE_C + DEREFERENCES_NOTHING, **only_darwin("Linux has none"))
    _, found = analyze(workshop.load(), list(Target), harness=workshop.harness, cache=cache)
    assert [finding.target for finding in found] == [Target.DARWIN]
