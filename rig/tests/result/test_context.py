from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from rig.result import MeasureContext, comparable
from rig.spec import Accel, Clock
from rig.tests.result import make
from rig.tests.result.test_model import record

BASE = MeasureContext(Accel.TCG, 1, "7.2.22", Clock.WALL, "ab" * 32, "pipe", "1", "Some CPU x2", "Penryn", 512, "-v")
OTHER: dict[str, Any] = {
    "accel": Accel.KVM,
    "cpus": 2,
    "qemu_version": "9.0",
    "clock": Clock.EXACT,
    "image_digest": "cd",
    "probe": "fifo",
    "probe_version": "2",
    "host_class": "Other x8",
    "cpu_model": "Nehalem",
    "memory": 2048,
    "kernel_flags": "debug=0x8",
}


def test_equal_circumstances_compare() -> None:
    assert comparable(BASE, replace(BASE)) == ()


@pytest.mark.parametrize("name", [field.name for field in fields(MeasureContext)])
def test_any_circumstance_that_differs_is_named(name: str) -> None:
    (found,) = comparable(BASE, replace(BASE, **{name: OTHER[name]}))
    assert found.name == name.replace("_", " ")
    assert str(OTHER[name]) in str(found)


def test_the_context_of_a_case_comes_from_its_run() -> None:
    timed = make.case(metrics=(make.metric(1.0),), guest="main-2")
    argv = ("qemu-system-x86_64", "-cpu", "Penryn", "-m", "512M")
    mine = make.guest("main-2", qemu_argv=argv, kernel_flags="-v")
    run = record(guests=(make.guest("main-1", cpus=4), mine), cases=(timed,))
    assert run.context_of(timed) == BASE


@pytest.mark.parametrize("argv", [(), ("qemu-system-x86_64",), ("qemu-system-x86_64", "-cpu")])
def test_a_command_line_that_is_not_known_names_no_cpu(argv: tuple[str, ...]) -> None:
    assert make.guest(qemu_argv=argv).cpu_model == ""


def test_a_case_without_a_guest_has_no_context() -> None:
    with pytest.raises(KeyError):
        record().context_of(make.case())
