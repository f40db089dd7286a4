"""What decides whether two numbers may be compared.

A number is stored only inside a run that holds all of this, and is compared only with one taken under the same.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from rig.spec import Accel, Clock


@dataclass(frozen=True)
class MeasureContext:
    """The circumstances of a measurement."""

    accel: Accel
    """tcg, kvm or hvf; never auto."""
    cpus: int
    """QEMU's -smp."""
    qemu_version: str
    clock: Clock
    """wall: ordinary time. exact: executed instructions."""
    image_digest: str
    probe: str
    probe_version: str
    host_class: str
    """Processor model and core count of the host."""
    cpu_model: str
    """QEMU's -cpu; empty where it is not known. A catalogue entry may change it, with the image as it was."""
    memory: int
    """RAM of the guest in MiB."""
    kernel_flags: str
    """What the guest's kernel was booted with beside the image's own flags."""


@dataclass(frozen=True)
class Difference:
    """One circumstance in which two measurements differ."""

    name: str
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.name}: {self.left} against {self.right}"


def comparable(left: MeasureContext, right: MeasureContext) -> tuple[Difference, ...]:
    """The circumstances in which the two differ: none means that their numbers may be compared."""
    return tuple(
        Difference(field.name.replace("_", " "), str(a), str(b))
        for field in fields(MeasureContext)
        if (a := getattr(left, field.name)) != (b := getattr(right, field.name))
    )
