"""Who is told to have done it."""

from __future__ import annotations

from typing import get_args

import pytest

from rig.console.panics import Frame, Kext, LoadedModule, Panic
from rig.console.panics.model import Kind, System
from rig.errors import Evidence, HangError, PanicError
from rig.result import FrameRecord, Outcome, PanicRecord
from rig.result.panic import KextRecord, ModuleRecord
from rig.run.blame import ProbeStory, panicking_process, verdict


@pytest.mark.parametrize(
    ("process", "probe", "words"),
    [
        ("mach_port", "mach_port", "; the panicking process was mach_port, the probe of this case"),
        ("launchd", "mach_port", "; the panicking process was launchd, not the probe of this case"),
        ("mach", "mach_port", "; the panicking process was mach, not the probe of this case"),
        (
            "exception_serve",
            "exception_server",
            "; the panicking process was exception_serve, the probe of this case",
        ),
        ("", "mach_port", ""),
    ],
)
def test_the_process_of_a_panic_is_held_against_the_probe(process: str, probe: str, words: str) -> None:
    assert panicking_process(Panic("darwin", process=process).plain(), probe) == words
    assert panicking_process(None, probe) == ""


def test_the_case_that_pays_for_a_panic_says_whose_process_it_was() -> None:
    panic = Panic("darwin", message="x", process="mach_port").plain()
    fault = PanicError("the guest's kernel panicked: x", evidence=Evidence(panic=panic))
    assert verdict(ProbeStory(fault=fault), "while this case ran", "mach_port") == (
        Outcome.PANIC,
        "the guest's kernel panicked: x, while this case ran; the panicking process was mach_port, "
        "the probe of this case",
    )
    hang = verdict(ProbeStory(fault=HangError("no answer")), "while this case ran", "mach_port")
    assert hang == (Outcome.HANG, "no answer, while this case ran")


def test_a_record_has_a_place_for_all_that_a_panic_tells() -> None:
    """The towers do not know each other: plain data crosses, and must fit."""
    nested = Panic("linux", kind="oops", repeats=3)
    kext = Kext("a", "1", "uuid", "0x1", "0x2", [Kext("b")])
    panic = Panic(
        "darwin", kexts=[kext], frames=[Frame("f", 1, "m", "0x3", "0x4", False)], modules=[LoadedModule("c", "2")],
        more_frames=[[Frame("g")]], nested=[nested], registers={"RAX": "0x0"}, extra={"k": "v"}, other=["line"],
        uptime_ns=10**19, shutdown_begun=True,
    )  # fmt: skip
    plain = panic.plain()
    record = PanicRecord.model_validate(plain)
    assert record.model_dump(mode="json") == plain
    assert set(PanicRecord.model_fields) == set(plain)
    for model, kind in ((FrameRecord, Frame), (KextRecord, Kext), (ModuleRecord, LoadedModule)):
        assert set(model.model_fields) == set(kind.__dataclass_fields__)
    assert get_args(PanicRecord.model_fields["kind"].annotation) == get_args(Kind)
    assert get_args(PanicRecord.model_fields["system"].annotation) == get_args(System)
