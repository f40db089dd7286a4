"""A fake loader in real QEMU: F8, the prompt, the line, Enter, and a kernel that boots with the flags typed."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from rig.errors import BootError
from rig.guest import boot_guest
from rig.guest.loader import LoaderError
from rig.machine.screen import Screen
from rig.spec import BootFlags, parse_spec
from rig.tests.fakeguest.disk import Bench
from rig.tests.fakeguest.script import Script

pytestmark = pytest.mark.qemu
LOADER = {"kind": "prompt", "key": "f8", "deadline": 60}
FLAGS = {"console": "serial", "panic": "report", "verbose": True}


def script_of(bench: Bench, name: str = "good-17.4", **boot: Any) -> Script:
    found = bench.script(name)
    image = {**found.image, "boot": {"loader": LOADER, "flags": FLAGS, **boot}}
    return found.model_copy(update={"image": image})


def test_flags_are_typed_at_the_loaders_prompt_and_the_kernel_has_them(tmp_path):
    bench = Bench(tmp_path)
    raw = BootFlags(boot_args='rd=disk0s2 name="A_b~{|}" ' + "x=" + 60 * "y")
    with boot_guest(bench.stored(script_of(bench)), bench.options(flags=raw)) as guest:
        assert [stage.name for stage in guest.stages][:3] == ["flags", "kernel", "userland"]
        wanted = f"-v debug=0xc keepsyms=1 serial=3 {raw.boot_args}"
        # What the loader took in is read on its screen; the guest's serial line may lose or double a byte.
        assert Screen(guest.machine, tmp_path).look().flow.endswith(f"boot: {wanted}")
        assert b"Kernel boot args: '-v debug=" in guest.machine.launch.console_log.read_bytes()
        guest.shell().log_in(guest.deadline(20))


def test_a_boot_that_goes_on_without_the_flags_is_told_at_once(tmp_path):
    bench = Bench(tmp_path)
    script = script_of(bench, loader=LOADER | {"key": "f7"})
    with pytest.raises(
        LoaderError, match=r"went on without them to 'kernel'.*\n.*screen's text:\n    \| Darwin/x86"
    ) as told:
        boot_guest(bench.stored(script), bench.options())
    assert told.value.evidence.screenshot is not None


def test_a_loader_that_finds_no_kernel_says_so_on_the_screen_alone(tmp_path):
    bench = Bench(tmp_path)
    steps = """
        what: the loader takes its line and then finds no kernel
        like: puredarwin-17.4
        steps:
          - clear: true
          - show: "\\nboot: "
          - read: {source: keyboard}
          - show: "\\nCan't find boot file: '/mach_kernel'\\n"
          - end: spin
    """
    bare = parse_spec(Script, textwrap.dedent(steps), "here")
    script = bare.model_copy(update={"image": {"boot": {"loader": LOADER, "flags": FLAGS}}})
    with pytest.raises(BootError, match=r"'kernel' will not be reached: the loader found no kernel.*on the screen"):
        boot_guest(bench.stored(script), bench.options())
