"""Memory of QEMU by kind, read from what Linux says of it, and judged."""

from pathlib import Path

import pytest

from rig.bench import memory
from rig.errors import HostError

RAM_FILE = "/home/me/.cache/rig/templates/0123/ram"


def mapping(head, **kib):
    return "\n".join([head, *(f"{name + ':':<16}{value:>8} kB" for name, value in kib.items()), "VmFlags: rd wr"])


SMAPS = "\n".join(
    [
        mapping(
            f"7f00-7f10 rw-p 00000000 08:01 77 {RAM_FILE} (deleted)", Pss=9216, Private_Clean=4096, Private_Dirty=5120
        ),
        mapping("5500-5510 rw-p 00000000 00:00 0          [heap]", Size=8192, Pss=2048, Private_Dirty=2048),
        mapping("7f20-7f30 rwxp 00000000 00:00 0 ", Pss=1024, Private_Dirty=1024),
        mapping("7f30-7f40 rw-p 00000000 00:00 0 ", Pss=512, Private_Dirty=256, Swap=256),
        mapping("5400-5410 r-xp 00000000 08:01 42    /usr/bin/qemu-system-x86_64", Pss=512, Shared_Clean=2048),
        mapping("5410-5420 rw-p 00001000 08:01 42    /usr/bin/qemu-system-x86_64", Private_Dirty=1024, Pss=1024),
        mapping("ffff-fffff --xp 00000000 00:00 0    [vsyscall]", Size=4, Pss=0),
    ]
)


def test_memory_by_kind():
    found = memory.read_smaps(SMAPS, Path(RAM_FILE))
    assert found.kinds == {memory.RAM: 5, memory.CODE: 1, memory.HEAP: 2, memory.OTHER: 0.5, memory.FILES: 1}
    assert found.private == sum(found.kinds.values()) == 9.5
    assert found.template == 4  # the page cache's own
    assert found.pss == 14


def test_memory_of_a_booted_guest_has_no_template():
    found = memory.read_smaps(SMAPS, None)
    assert found.template == 0 and found.private == 9.5 + 4


def test_memory_that_cannot_be_read():
    with pytest.raises(HostError, match="names no mapping"):
        memory.read_smaps("", None)


def test_memory_is_judged_at_the_most_guests():
    def one(mib):
        return memory.Memory(mib, 1.0, mib + 1, dict.fromkeys(memory.KINDS, mib / 5))

    found = memory.tell({1: [one(90.0)], 4: [one(60.0)] * 4, 8: [one(50.0)] * 8}, 1)
    assert found.targets[0].met and found.targets[0].measured.startswith("50.0 MiB")
    assert not memory.tell({1: [one(90.0)]}, 1).targets[0].met
    assert [point[0] for point in found.plots[0].series[0].points] == [1, 4, 8]
