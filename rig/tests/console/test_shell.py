"""A root shell on a console whose guest is a real sh, with the habits and accidents of real consoles."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from rig.console import Console, ConsoleShell, Watch
from rig.console.console import ConsoleAlarmError
from rig.deadline import Deadline
from rig.errors import AuthError, GuestDied, TransportError, TransportTimeout
from rig.spec import ConsoleSpec, Dialect, LoginSpec
from rig.tests.console.conftest import PATIENCE, Wire
from rig.tests.console.guests import CHATTER, ShellGuest, once

MARKER = rb"(RIG\w{4} \d+\.)"


def soon() -> Deadline:
    return Deadline.after(PATIENCE)


Enter = Callable[..., tuple[ConsoleShell, ShellGuest]]


@pytest.fixture
def enter() -> Iterator[Enter]:
    """Make a guest and a shell on its console; both are closed at the end."""
    with ExitStack() as stack:

        def make(
            *,
            login: LoginSpec | None = None,
            line_limit: int = 1000,
            guest_login: tuple[str, str | None] | None = None,
            **habits: Any,
        ) -> tuple[ConsoleShell, ShellGuest]:
            made = stack.enter_context(ShellGuest(login=guest_login, **habits))
            watch = Watch(Dialect.LINUX)
            console = Console(made.host, watch)
            watch.on_alarm = console.alarm
            stack.callback(console.close)
            spec = ConsoleSpec(shell_prompt="# ?$", line_limit=line_limit)
            # The factor makes it impatient: it asks again after a tenth of a second where it would wait for three.
            return ConsoleShell(console, spec, login or LoginSpec(), factor=0.03), made

        yield make


@pytest.mark.parametrize("redraws", [False, True], ids=["tty", "line editor"])
def test_commands_and_their_status(enter, redraws):
    shell, _ = enter(redraws=redraws, line_limit=70)
    shell.log_in(soon())
    assert shell.run("true", soon()).status == 0
    assert shell.run("(exit 42)", soon()).status == 42
    answer = shell.run("echo one; echo two; false", soon())
    assert answer.output.endswith("one\ntwo") and answer.status == 1
    assert shell.ask("echo ~root", soon()).output == "/root"
    assert shell.ask("true", soon()).output == ""
    answer = shell.ask("echo a;echo;echo b;(exit 3)", soon())
    assert (answer.output, answer.status) == ("a\n\nb", 3)


def test_its_own_echo_is_no_marker_though_the_line_is_drawn_anew(enter):
    """At 80 columns, with a line limit that lets lines run over the edge."""
    drawn: list[bytes] = []

    def look(data: bytes) -> bytes:
        drawn.append(data)
        return data

    shell, _ = enter(redraws=True, line_limit=400, changes=(look,))
    shell.log_in(soon())
    for length in range(30, 90, 3):
        assert shell.run(f": {length * 'x'}; (exit {length})", soon()).status == length
    assert any(b"<\b" in data for data in drawn)


def test_a_second_shell_on_the_same_console(enter):
    shell, _ = enter()
    shell.log_in(soon())
    shell.log_in(soon())
    assert shell.ask("echo x", soon()).output == "x"


@pytest.mark.parametrize("password", [None, "secret"])
@pytest.mark.parametrize(
    "changes",
    [
        (),
        (once(rb"login: $", b"login: " + CHATTER),),
        (once(rb"Password: $", b"Password: " + CHATTER),),
        (once(rb"Password: $", b"Pass" + CHATTER),),
        (once(rb"^# $", b"# " + CHATTER),),
    ],
    ids=["undisturbed", "login swamped", "password swamped", "password torn", "shell swamped"],
)
def test_a_login_prompt(enter, password, changes):
    login = LoginSpec(kind="prompt", user="root", password=password)
    shell, guest = enter(login=login, changes=changes, guest_login=("root", password))
    shell.log_in(soon())
    assert shell.ask("echo x", soon()).output == "x"
    assert b"root\n" in guest.typed


def test_a_login_that_is_refused(enter):
    login = LoginSpec(kind="prompt", user="root", password="wrong")
    shell, _ = enter(login=login, guest_login=("root", "right"))
    with pytest.raises(AuthError, match="refused the login of root"):
        shell.log_in(soon())
    shell, _ = enter(login=LoginSpec(kind="prompt"), guest_login=("root", "right"))
    with pytest.raises(AuthError):
        shell.log_in(soon())


def test_a_refusal_of_long_ago_is_none(enter):
    shell, guest = enter()
    guest.say(b"guest login: nobody\r\nPassword: \r\nLogin incorrect\r\n\r\n# ")
    shell.log_in(soon())


def test_an_image_whose_console_takes_no_input(enter):
    shell, guest = enter(login=LoginSpec(kind="none"))
    with pytest.raises(TransportError, match="takes no input"):
        shell.log_in(soon())
    assert guest.typed == b""


@pytest.mark.parametrize(
    "changes",
    [
        (once(MARKER, rb"\1" + CHATTER),),
        (once(MARKER, rb"\1" + CHATTER), once(rb"^# $", b"# " + CHATTER), once(rb"^# $", b"# " + CHATTER)),
        (once(rb"RIG(\w{4} \d+\.)", rb"RI" + CHATTER + rb"G\1"),),
    ],
    ids=["status torn", "status torn and prompts swamped", "marker torn"],
)
def test_a_kernel_message_in_the_marker(enter, tmp_path, changes):
    """The command is not run a second time for it."""
    shell, _ = enter(changes=changes)
    shell.log_in(soon())
    assert shell.run(f"echo x >>{tmp_path}/log; (exit 7)", soon()).status == 7
    assert (tmp_path / "log").read_text() == "x\n"
    assert shell.run("false", soon()).status == 1


@pytest.mark.parametrize(
    "changes",
    [
        (once(MARKER, rb"\1" + CHATTER),),
        (once(rb"RIG(\w{5,}\r)", rb"RI" + CHATTER + rb"G\1"),),
        (once(rb"home", b"home"),),
    ],
    ids=["closing torn", "opening torn", "whole"],
)
def test_a_kernel_message_in_the_frame_of_an_answer(enter, changes):
    shell, _ = enter(changes=changes)
    shell.log_in(soon())
    assert shell.ask("echo /home/me", soon()).output == "/home/me"


def test_a_kernel_message_in_the_echo(enter):
    shell, _ = enter(changes=(once(rb"echo RI''G(\w+;)", rb"echo RI''G" + CHATTER + rb"\1"),))
    shell.log_in(soon())
    assert shell.ask("echo x", soon()).output == "x"


def test_a_line_that_the_shell_does_not_understand(enter):
    shell, _ = enter()
    shell.log_in(soon())
    for _ in range(2):
        with pytest.raises(TransportError, match=r"did not understand: echo \);"):
            shell.run("echo )", soon())
        with pytest.raises(TransportError, match="did not understand"):
            shell.ask("fi", soon())
        assert shell.run("true", soon()).status == 0


@pytest.mark.parametrize("command", ["echo 'no end", "sleep 1000", "cat"])
def test_a_command_that_never_ends_costs_its_deadline_and_the_next_login_mends_it(enter, command):
    shell, _ = enter()
    shell.log_in(soon())
    with pytest.raises(TransportTimeout):
        shell.run(command, Deadline.after(0.3))
    shell.log_in(soon())
    assert shell.ask("echo x", soon()).output == "x"


def test_the_late_answer_of_one_command_is_not_the_next_ones(enter):
    shell, _ = enter()
    shell.log_in(soon())
    with pytest.raises(TransportTimeout):
        shell.run("sleep 0.5; (exit 9)", Deadline.after(0.05))
    assert shell.run("(exit 4)", soon()).status == 4


def answer_lines(wire: Wire, answers: dict[bytes, bytes]) -> None:
    """Be a guest that answers each line typed by what `answers` has for its beginning."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            for line in wire.guest.makefile("rb"):
                for beginning, answer in answers.items():
                    if line.startswith(beginning):
                        wire.guest.sendall(answer)
                        break

    threading.Thread(target=serve, daemon=True).start()


def test_a_late_answer_before_the_prompt_is_not_the_present_ones(wire):
    shell = ConsoleShell(wire.console, ConsoleSpec(), LoginSpec(), factor=0.01)
    tag = shell._tag.encode()
    answers = {b"present": b"RIG%b 0.9\r\n# " % tag, b"echo RI''G%b $R" % tag: b"RIG%b 1.4\r\n# " % tag}
    answer_lines(wire, answers)
    assert shell.run("present", soon()).status == 4


def test_refusals_of_what_nobody_typed_are_passed_over(wire):
    """An empty line that met a prompt for the password is refused; nobody had given a name then."""
    shell = ConsoleShell(wire.console, ConsoleSpec(), LoginSpec(kind="prompt"), factor=0.03)
    answers = {
        b"\n": 2 * b"Login incorrect\r\n" + b"guest login: ",
        b"\x03\n": 2 * b"Login incorrect\r\n" + b"guest login: ",
        b"root\n": b"\r\n# ",
        b"echo": b"RIG%b 1\r\n# " % shell._tag.encode(),
    }
    answer_lines(wire, answers)
    shell.log_in(soon())


def test_one_answer_too_many_at_a_double_prompt_is_made_good(wire):
    """The second prompt takes the answer to the first as a password; only a second refusal counts."""
    shell = ConsoleShell(wire.console, ConsoleSpec(), LoginSpec(kind="prompt"), factor=0.03)
    answers = {
        b"\n": b"guest login: ",
        b"root\n": b"\r\nPassword: \r\nLogin incorrect\r\n",
        b"\x03\n": b"# ",
        b"echo": b"RIG%b 2\r\n# " % shell._tag.encode(),
    }
    answer_lines(wire, answers)
    shell.log_in(soon())


def test_a_guest_that_says_nothing(wire):
    shell = ConsoleShell(wire.console, ConsoleSpec(), LoginSpec(), factor=0.01)
    wire.guest.sendall(b"Welcome to the machine\r\n")
    with pytest.raises(TransportTimeout, match="no shell on the console:\nWelcome to the machine"):
        shell.log_in(Deadline.after(0.2))


def test_a_panic_and_an_end_while_logging_in(wire):
    shell = ConsoleShell(wire.console, ConsoleSpec(), LoginSpec())
    wire.guest.sendall(b"Kernel panic - not syncing: why\r\n")
    with pytest.raises(ConsoleAlarmError, match="not syncing: why"):
        shell.log_in(soon())
    wire.guest.close()
    with pytest.raises((ConsoleAlarmError, GuestDied)):
        shell.log_in(soon())


def test_a_line_that_is_too_long_or_two_is_not_typed(enter):
    shell, guest = enter(line_limit=70)
    shell.log_in(soon())
    before = len(guest.typed)
    with pytest.raises(TransportError, match=r"holds 70 characters, this one has \d+"):
        shell.run(50 * "x", soon())
    with pytest.raises(TransportError, match="holds 70 characters"):
        shell.ask(30 * "x", soon())
    with pytest.raises(TransportError, match="one line"):
        shell.run("true\nfalse", soon())
    assert len(guest.typed) == before


def test_the_longest_command_of_a_boot_fits_the_shortest_line(enter):
    """What puts a key in place on a Darwin guest, whose shell redraws lines of more than 70 characters."""
    shell, _ = enter(line_limit=70)
    for number in (1, 99):
        assert shell._line("chmod 600 /var/root/.ssh/authorized_keys", number)


@pytest.mark.parametrize(("line_limit", "redraws"), [(70, True), (70, False), (1000, False)])
def test_a_long_line_is_written_in_pieces(enter, tmp_path, line_limit, redraws):
    shell, guest = enter(line_limit=line_limit, redraws=redraws)
    shell.log_in(soon())
    path = tmp_path / "authorized keys"
    path.write_text("kept\n")
    text = r"ssh-ed25519 AAAA+/=\n%s $HOME `id` \"x\" !! ~ * " + 200 * "k"
    shell.write_line(text, str(path), soon())
    shell.write_line("-n", str(path), soon())
    shell.write_line("", str(path), soon())
    assert path.read_text() == f"kept\n{text}\n-n\n\n"
    assert max(map(len, guest.typed.split(b"\n"))) <= line_limit


def test_text_that_cannot_be_typed_and_a_file_that_cannot_be_written(enter, tmp_path):
    shell, _ = enter()
    shell.log_in(soon())
    for text in ("it's", "a\nb", "\x03", "\u00e4"):
        with pytest.raises(TransportError, match="not to be typed"):
            shell.write_line(text, "/tmp/x", soon())
    with pytest.raises(TransportError, match=f"{tmp_path}/no/file of the guest cannot be written: .*"):
        shell.write_line("text", f"{tmp_path}/no/file", soon())
