"""Small records for tests."""

from __future__ import annotations

from typing import Any

from rig.result import CaseResult, GuestRecord, HostRecord, ImageRecord, MetricSamples, Outcome, RunDir
from rig.spec import Accel

IMAGE = ImageRecord(name="reference", digest="ab" * 32, os="linux", release="6.1.0")
HOST = HostRecord(cpu="Some CPU", cores=2, memory=4096, os="Linux 6.1.0 x86_64", load=(0.1, 0.2, 0.3))


def guest(name: str = "main-1", **more: Any) -> GuestRecord:
    fields: dict[str, Any] = {"accel": Accel.TCG, "qemu_version": "7.2.22", "cpus": 1, "memory": 512}
    return GuestRecord(id=name, **{**fields, **more})


def case(name: str = "eof", outcome: Outcome = Outcome.PASS, **more: Any) -> CaseResult:
    fields: dict[str, Any] = {"probe": "pipe", "probe_version": "1", "mechanism": "pipes", "guest": "main-1", "ms": 1.0}
    return CaseResult(case=name, outcome=outcome, **{**fields, **more})


def metric(*samples: float, **more: Any) -> MetricSamples:
    return MetricSamples(**{"name": "round_trip", "unit": "ns", "samples": samples, **more})


__all__ = ["HOST", "IMAGE", "RunDir", "case", "guest", "metric"]
