from __future__ import annotations

import pytest

from rig.errors import ToolchainError
from rig.probe import checkup as room
from rig.probe.cache import Cache
from rig.probe.checkup import Checkup, checkup
from rig.probe.libsystem import Symbols
from rig.probe.toolchain import Target, build
from rig.tests.probe.make import PIPE_C, Workshop, bare, case, only_darwin


def looked_at(workshop: Workshop, cache: Cache, symbols: Symbols | None = None) -> Checkup:
    manifests = workshop.load()
    built = {target: build(manifests, target, harness=workshop.harness, cache=cache) for target in Target}
    return checkup(manifests, built, symbols)


def test_good_probes_have_no_fault(workshop: Workshop, cache: Cache) -> None:
    workshop.probe()
    found = looked_at(workshop, cache)
    assert found.faults == ()
    assert [report.target for report in found.reports] == list(Target)
    assert "_puts" in found.imports


def test_every_fault_is_told_with_its_probe(workshop: Workshop, cache: Cache) -> None:
    workshop.probe("one", PIPE_C.replace('"pipe"', '"pype"'), version=2)
    workshop.probe("two", PIPE_C.replace('"pipe"', '"two"'), cases={"first_case": case(), "third_case": case()})
    workshop.probe("three", PIPE_C.replace('PROBE("pipe", "1");', 'const char *const rig_probe_name = "three";'))
    (workshop.probes / "pipes" / "forgotten.c").write_text("int x;\n")
    faults = looked_at(workshop, cache, Symbols({"full": set()}, "here", covered=set())).faults
    text = "\n".join(faults)
    assert "one.yaml: says one version 2, PROBE() in the C says pype version 1" in text
    assert "no case 'third_case', which the manifest names" in text
    assert "says nothing of case 'second_case'" in text
    assert "three: no source has its PROBE('three', '1')" in text
    assert "forgotten.c: no manifest beside it names this file" in text
    assert "two for x86_64-macos.10.13 imports _puts, of which here says nothing" in text


def test_cases_are_asked_of_the_program_where_it_runs_and_read_from_the_c_elsewhere(
    workshop: Workshop, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_macro = PIPE_C + "#define TWIN(n) CASE(n##_twin) {}\nTWIN(other)\n"
    workshop.probe(c=by_macro, cases={name: case() for name in ("first_case", "second_case", "other_twin")})
    monkeypatch.setattr(room, "_runs_here", lambda: True)
    assert looked_at(workshop, cache).faults == ()
    monkeypatch.setattr(room, "_runs_here", lambda: False)
    assert any("no case 'other_twin'" in fault for fault in looked_at(workshop, cache).faults)


def test_the_c_of_a_probe_that_does_not_run_here_is_read(workshop: Workshop, cache: Cache) -> None:
    workshop.probe(**only_darwin("Linux has none", first_case=bare(), third_case=bare()))
    text = "\n".join(looked_at(workshop, cache).faults)
    assert "the probe has no case 'third_case', which the manifest names" in text
    assert "says nothing of case 'second_case'" in text


def test_both_targets_are_built_at_once(workshop: Workshop, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.probe()
    monkeypatch.setattr(
        room,
        "build",
        lambda found, target, say, calls: build(found, target, say, harness=workshop.harness, cache=cache, calls=calls),
    )
    built = room.build_all(workshop.load(), Target, lambda _: None)
    assert [path.read_bytes()[:4] for target in Target for path in built[target].values()] == [
        b"\x7fELF",
        b"\xcf\xfa\xed\xfe",
    ]
    workshop.probe(c="int x")
    with pytest.raises(ToolchainError):
        room.build_all(workshop.load(), Target, lambda _: None)
