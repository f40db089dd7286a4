"""The program of the fake guest, in QEMU: what goes over the serial line, the keyboard and the screen, and its ends."""

from __future__ import annotations

import re

import pytest

from rig.console import ConsoleShell
from rig.errors import AuthError, TransportError
from rig.guest import Guest
from rig.spec import ConsoleSpec, LoginSpec
from rig.tests.fakeguest.conftest import Boot
from rig.tests.machine.test_qemu import wait_for

pytestmark = pytest.mark.qemu
PATIENCE = 60.0
SPEC = ConsoleSpec(shell_prompt=r"# ?$", login_prompt=r"login: ?$", line_limit=70)


def heard(guest: Guest, pattern: str) -> bytes:
    """Wait for it; all that came before."""
    guest.console.expect([pattern], guest.deadline(PATIENCE))
    return guest.console.before


def press(guest: Guest, keys: str) -> None:
    for key in keys.split():
        guest.machine.press(*key.split("+"), hold_ms=5)


def test_keys_choose_and_a_line_is_typed_at_a_loaders_prompt(boot: Boot) -> None:
    guest = boot("""
        - {say: "UP\\n"}
        - keys: {seconds: 0.1, go: {f8: prompt}}
        - {say: "nobody came\\n"}
        - keys: {go: {f2: wrong, f8: prompt}}
        - label: wrong
        - end: reset
        - label: prompt
        - {say: "READY\\n"}
        - read: {source: keyboard}
        - {say: "typed <${line}>\\n"}
        - choose: {'*serial=3*': loud}
        - {say: "mute\\n"}
        - end: halt
        - label: loud
        - {say: "loud\\n"}
    """)
    heard(guest, "nobody came")
    press(guest, "f8")
    heard(guest, "READY")
    press(guest, "minus v x backspace spc s e r i a l equal 3 shift+a ret")
    assert heard(guest, r"loud\r") == b"\r\ntyped <-v serial=3A>\r\n"


def test_the_screen_shows_text_and_a_picture(boot: Boot, tmp_path) -> None:
    guest = boot("""
        - {say: "UP\\n"}
        - clear: true
        - keys: {go: {any: text}}
        - label: text
        - {show: "Darwin/x86 boot\\nboot: "}
        - {say: "shown\\n"}
        - keys: {go: {any: picture}}
        - label: picture
        - graphics: {width: 800, height: 600, colour: 0x123456}
        - {say: "drawn\\n"}
    """)
    empty = guest.screenshot(tmp_path / "1.png").read_bytes()
    press(guest, "a")
    heard(guest, "shown")
    text = guest.screenshot(tmp_path / "2.png").read_bytes()
    press(guest, "a")
    heard(guest, "drawn")
    picture = guest.screenshot(tmp_path / "3.png").read_bytes()
    assert len({empty, text, picture}) == 3
    assert (int.from_bytes(picture[16:20]), int.from_bytes(picture[20:24])) == (800, 600)


def test_a_login_prompt_lets_in_who_knows_the_password(boot: Boot) -> None:
    guest = boot("""
        - {say: "UP\\n"}
        - login: {user: root, password: secret}
        - shell: {prompt: '# ', answers: {logout: {say: "bye\\n", go: out}}}
        - label: out
        - login: {user: root}
        - {say: "second\\n"}
    """)
    wrong = ConsoleShell(guest.console, SPEC, LoginSpec(kind="prompt", password="guess"), 3.0)
    with pytest.raises(AuthError, match="refused the login of root"):
        wrong.log_in(guest.deadline(PATIENCE))
    shell = ConsoleShell(guest.console, SPEC, LoginSpec(kind="prompt", password="secret"), 3.0)
    shell.log_in(guest.deadline(PATIENCE))
    guest.console.send("logout\n")
    heard(guest, "bye")
    guest.console.send("nobody\nroot\n")
    assert re.search(rb"login: nobody\r\n\r\nlogin: root\r\n", heard(guest, "second"))


def test_the_shell_understands_what_the_rig_types(boot: Boot) -> None:
    guest = boot("""
        - {say: "UP\\n"}
        - shell:
            prompt: '# '
            redraws: true
            answers:
              uname -a: "Darwin fake 20.5.0\\n"
              "./probe *": {say: "half\\n", status: 3}
    """)
    shell = ConsoleShell(guest.console, SPEC, LoginSpec(), 3.0)
    deadline = guest.deadline(PATIENCE)
    shell.log_in(deadline)
    assert shell.ask("uname -a", deadline).output == "Darwin fake 20.5.0"
    answer = shell.ask("./probe --list", deadline)
    assert (answer.output, answer.status) == ("half", 3)
    assert shell.ask("A='x  y'; echo \"$A\" $A 'z;'", deadline).output == "x  y x  y z;"
    assert shell.run("false && echo no || nosuch", deadline).status == 127
    shell.write_line("a line of text", "/tmp/file", deadline)
    assert shell.ask("true || nosuch; echo $?", deadline).output == "0"
    # Longer than the terminal is wide: the editor draws it anew.
    long = "x" * 90
    guest.console.send(f"echo {long}\n")
    drawn = heard(guest, rf"\n{long}\r")
    assert b"<\b\b" in drawn and b"\r\r\r\n" in drawn[-8:] + b"\n"


def test_what_comes_too_fast_is_lost(boot: Boot) -> None:
    guest = boot("""
        - {say: "UP\\n"}
        - input: {rate: 10, burst: 8}
        - read: {}
        - {say: "got <${line}>\\n"}
        - input: fast
        - read: {echo: false}
        - {say: "then <${line}>\\n"}
    """)
    guest.console.send("x" * 60)
    heard(guest, "x{8}")
    wait_for("the credit of a byte", lambda: sent_newline(guest))
    got = re.search(rb"<(x+)>", guest.console.expect([r"got <x+>"], guest.deadline(PATIENCE))[1][0])
    assert got is not None and len(got[1]) < 60
    guest.console.send("x" * 60 + "\n")
    heard(guest, "then <x{60}>")


def sent_newline(guest: Guest) -> bool:
    """Newlines until one is taken."""
    guest.console.send("\n")
    try:
        guest.console.expect([r"\r\n"], guest.deadline(0.3))
    except TransportError:
        return False
    return True


def test_the_kernel_talks_into_a_prompt_and_in_the_middle_of_words(boot: Boot) -> None:
    guest = boot("""
        - {say: "UP\\n"}
        - chatter: {every: 0.05, lines: ["AppleThing: one", "AppleThing: two\\\\c"]}
        - repeat: {times: 3, steps: [{say: "sh-3.2# "}, {wait: 0.2}]}
        - pace: 100
        - chatter: {every: 0.05, lines: ["kern"], tears: true}
        - {say: "abcdefghijklmnopqrstuvwxyz"}
        - chatter: none
        - {say: "THE END\\n"}
    """)
    said = heard(guest, "THE END")
    assert b"AppleThing: one\r\n" in said and b"AppleThing: twosh-" in said.replace(b"AppleThing: one\r\n", b"")
    torn = said[said.rindex(b"a") :] if b"abc" not in said else said
    assert re.search(rb"[a-z]kern\r\n[b-z]", torn)
    assert said.replace(b"kern\r\n", b"").endswith(b"abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("end", ["triple-fault", "reset", "power-off"])
def test_it_leaves_the_machine(boot: Boot, end: str) -> None:
    guest = boot(f"- {{say: UP}}\n- wait: 0.2\n- end: {end}\n")
    wait_for(f"{end}", lambda: guest.machine.powered_off)


def test_it_spins_at_an_address_of_the_kernel(boot: Boot) -> None:
    guest = boot("- {say: UP}\n- end: spin-in-kernel\n")
    wait_for("the kernel's address", lambda: "RIP=ffffff80" in guest.machine.registers())
    first, second = guest.machine.registers(), guest.machine.registers()
    assert "HLT=0" in first
    assert re.findall(r"RIP=\w+", first) == re.findall(r"RIP=\w+", second)
