"""The serial transport over QEMU's serial line, with a kernel that writes into its frames: nothing is lost or added."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from rig.errors import PanicError
from rig.guest import Guest, boot_guest
from rig.spec import parse_spec
from rig.tests.fakeguest.disk import Bench
from rig.tests.fakeguest.script import FIXTURES, Script

pytestmark = pytest.mark.qemu

RECORDED = "console/darwin20-boot.log"
SCRIPT = """
what: The rig's agent on a line with and without noise
like: puredarwin-17.4
image: {console: {input_rate: null}, boot: {stages: [{name: shell, pattern: 'bash-3.2# ?$', deadline: 60}], stuck: {}}}
steps:
  - shell: {prompt: 'bash-3.2# ', answers: {'[ -x rig-agent ]': '', './rig-agent *': {go: agent}}}
  - label: agent
  - pace: 20000
  - chatter: CHATTER
  - agent:
      answers:
        '*recorded*': {say: {file: console/darwin20-boot.log}}
        '*fails*': {say: "half of it", status: 7}
        '*dies*': {say: "last words\\n", go: panic}
  - chatter: none
  - shell: {prompt: 'bash-3.2# '}
  - label: panic
  - chatter: none
  - say: {file: panics/darwin20-doubled.log, first: 2}
  - end: halt
"""
NOISE = (
    "{every: 0.05, tears: true,"
    ' lines: ["en0: link is up", "{not a frame}", "AppleThing: {half of one", "words without an end\\\\c"]}'
)
"""What ends with its line can be taken out of a frame; what does not, costs the frame, which is asked for again."""


def booted(tmp_path: Path, chatter: str) -> Guest:
    bench = Bench(tmp_path)
    script = parse_spec(Script, textwrap.dedent(SCRIPT.replace("CHATTER", chatter)), "here")
    agent = tmp_path / "agent"
    agent.write_bytes(b"not read by the fake guest, which is one itself")
    return boot_guest(bench.stored(script), bench.options(agent=lambda _: agent))


@pytest.mark.parametrize("chatter", ["none", NOISE], ids=["quiet", "noise"])
def test_commands_and_their_output(tmp_path: Path, chatter: str) -> None:
    with booted(tmp_path, chatter) as guest:
        # A recorded text has newlines of its own, and here no terminal changes them.
        whole = (FIXTURES / RECORDED).read_bytes()
        pieces: list[bytes] = []
        answer = guest.run("recorded", on_output=pieces.append)
        assert (answer.status, answer.stdout, b"".join(pieces)) == (0, whole, whole)
        assert [guest.run(command).status for command in ("fails", "unknown")] == [7, 0]
        assert guest.run("fails").stdout == b"half of it"
        log = guest.machine.launch.console_log.read_bytes()
        torn = re.search(rb"\{[A-Za-z0-9+/=]+(?:en0: |\{not |AppleThing)", log)
        assert (torn is None) == (chatter == "none")
        with pytest.raises(PanicError, match=r"panicked in process mach_msg: panic\(cpu 0 caller 0xffffff8000490c2b"):
            guest.run("dies")


def test_the_shell_is_given_back(tmp_path: Path) -> None:
    with booted(tmp_path, "none") as guest:
        assert guest.run("fails").status == 7
        guest.console.send("\x03")
        shell = guest.shell()
        shell.log_in(guest.deadline(60))
        assert shell.ask("echo here", guest.deadline(60)).output == "here"
