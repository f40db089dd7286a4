from __future__ import annotations

from pathlib import Path

from rig.result import HostRecord
from rig.result.host import _cpu_model


def test_this_host_can_be_read() -> None:
    host = HostRecord.read()
    assert host.cores >= 1
    assert host.memory > 0
    assert host.cpu
    assert host.host_class == f"{host.cpu} x{host.cores}"


def test_the_model_is_the_first_that_linux_names(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some   CPU @ 2 GHz\nmodel name\t: Other\n")
    assert _cpu_model(cpuinfo) == "Some CPU @ 2 GHz"


def test_a_host_that_names_no_model_has_one_still(tmp_path: Path) -> None:
    assert _cpu_model(tmp_path / "absent")
