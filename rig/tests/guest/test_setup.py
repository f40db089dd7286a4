"""Network and lines by hand, at the shell of a guest that has booted: with a real sh whose tools are played."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rig.console.shell import ShellAnswer
from rig.deadline import Deadline
from rig.errors import BootError, TransportTimeout
from rig.guest import setup
from rig.guest.setup import interface_of, set_up
from rig.spec import ImageSpec, NetworkSpec, SetupLine
from rig.tests.guest.fakes import make_spec

MAC = "52:54:00:12:34:56"
DARWIN = """\
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384
	inet 127.0.0.1 netmask 0xff000000
gif0: flags=8010<POINTOPOINT,MULTICAST> mtu 1280
en1: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
	options=b<RXCSUM,TXCSUM,VLAN_HWTAGGING>
	ether 52:54:00:aa:bb:cc
en2: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
	ether 52:54:0:12:34:56
	media: autoselect
"""
NET_TOOLS = """\
eth3      Link encap:Ethernet  HWaddr 52:54:00:12:34:56
          BROADCAST MULTICAST  MTU:1500  Metric:1
lo        Link encap:Local Loopback
"""
IPROUTE = """\
1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0@if3: <BROADCAST,MULTICAST> mtu 1500
    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff
"""
BSD_LINUX = "enp0s2: flags=4163<UP>  mtu 1500\n        ether 52:54:00:12:34:56  txqueuelen 1000\n"


@pytest.mark.parametrize(
    ("listing", "name"),
    [(DARWIN, "en2"), (NET_TOOLS, "eth3"), (IPROUTE, "eth0"), (BSD_LINUX, "enp0s2"), ("", None), (MAC, None)],
    ids=["Darwin", "net-tools", "iproute", "net-tools 2", "nothing", "no name"],
)
def test_the_interface_is_found_by_its_mac(listing, name):
    assert interface_of(listing, MAC) == name
    assert (
        interface_of(listing.upper().replace("ETHER", "ether").replace("HWADDR", "HWaddr"), "52:54:00:00:00:01") is None
    )


def test_kernel_chatter_between_the_lines_does_no_harm():
    torn = DARWIN.replace("\tmedia", "AppleRTL8139Ethernet: link up\n\tmedia").replace(
        "\toptions", "[    1.2] usb 1-1: new device\n\toptions"
    )
    assert interface_of(torn, MAC) == "en2"


@given(st.text())
def test_any_text_is_read(text):
    assert interface_of(text, MAC) is None


class Shell:
    """Answers as told, and notes what was typed."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.typed: list[str] = []
        self.written: list[tuple[str, str]] = []
        self.deadlines: list[float] = []

    def log_in(self, deadline: Deadline) -> None:
        self.typed.append("<log in>")

    def run(self, command: str, deadline: Deadline) -> ShellAnswer:
        self.typed.append(command)
        self.deadlines.append(deadline.total)
        found = self.answers.get(command, ShellAnswer("", 0))
        if isinstance(found, Exception):
            raise found
        return found

    ask = run

    def write_line(self, text: str, path: str, deadline: Deadline) -> None:
        self.written.append((text, path))


class Boot:
    def __init__(self) -> None:
        self.marks: list[str] = []

    def mark(self, name: str) -> None:
        self.marks.append(name)

    def failure(self, stage: str, why: str) -> BootError:
        return BootError(f"{stage} {why}")


def run(spec: ImageSpec, *, nic: str = "rtl8139", factor: float = 2.0, **answers: Any) -> tuple[Shell, Boot]:
    shell, boot = Shell({setup._LIST: ShellAnswer(DARWIN, 0), **answers.get("says", {})}), Boot()
    guest = SimpleNamespace(
        stored=SimpleNamespace(spec=spec),
        machine=SimpleNamespace(launch=SimpleNamespace(spec=SimpleNamespace(nic=nic, mac=MAC))),
        shell=lambda: shell,
        deadline=lambda seconds: Deadline.after(seconds, factor),
    )
    set_up(guest, boot)  # type: ignore[arg-type]
    return shell, boot


def darwin(**changes: Any) -> ImageSpec:
    return make_spec(os="darwin", console={"line_limit": 100}, **changes)


def test_an_image_that_does_it_itself_is_left_alone():
    shell, boot = run(darwin())
    assert shell.typed == [] and boot.marks == []


@pytest.mark.parametrize(
    ("system", "network", "typed"),
    [
        ("darwin", {"by": "static"},
         ["ifconfig en2 10.0.2.15 netmask 255.255.255.0 up", "route delete default;route add default 10.0.2.2"]),
        ("darwin", {"by": "dhcp"}, ["ipconfig set en2 DHCP"]),
        ("linux", {"by": "dhcp"}, ["udhcpc -n -q -i en2"]),
        ("linux", {"by": "static", "address": "10.0.2.99"},
         ["ifconfig en2 10.0.2.99 netmask 255.255.255.0 up", "route del default;route add default gw 10.0.2.2"]),
        ("darwin", {"by": "static", "commands": ["netsetup {interface} {address}"]}, ["netsetup en2 10.0.2.15"]),
    ],
)  # fmt: skip
def test_the_network_is_set_on_the_interface_found(system, network, typed):
    shell, boot = run(make_spec(os=system, network=network))
    assert shell.typed == ["<log in>", setup._LIST, *typed]
    assert boot.marks == ["network-set"]


def test_lines_are_run_in_order_each_in_its_time():
    lines = [
        {"run": "/usr/sbin/sshd"},
        {"run": "echo {interface} ${{HOME}}", "deadline": 5},
        {"run": "x", "may_fail": True},
    ]
    shell, boot = run(darwin(setup=lines), says={"x": ShellAnswer("", 1)})
    assert shell.typed == ["<log in>", setup._LIST, "/usr/sbin/sshd", "echo en2 ${HOME}", "x"]
    assert shell.deadlines[1:] == [40.0, 10.0, 40.0]
    assert boot.marks == ["setup"]


def test_a_machine_without_a_card_has_no_network_to_set():
    lines = [{"run": "first"}, {"run": "ifconfig {interface}"}]
    shell, boot = run(darwin(network={"by": "static"}, setup=lines), nic="none")
    assert shell.typed == ["<log in>", "first"] and boot.marks == ["setup"]


def test_a_long_line_is_put_into_a_file_first():
    long = "echo " + "x" * 80
    shell, _ = run(darwin(setup=[{"run": long}]))
    assert shell.written == [(long, "/tmp/.rig-setup")]
    assert shell.typed == ["<log in>", "rm -f /tmp/.rig-setup", ". /tmp/.rig-setup"]


@pytest.mark.parametrize(
    ("changes", "says", "message"),
    [
        ({"setup": [{"run": "sshd"}]}, {"sshd": ShellAnswer("no\n", 3)}, "setup .*'sshd' ended with status 3: no"),
        ({"setup": [{"run": "sshd"}]}, {"sshd": TransportTimeout("late")}, "setup .*'sshd' did not end in 40 s"),
        ({"network": {"by": "dhcp"}}, {setup._LIST: ShellAnswer("lo0: \n", 0)}, "no interface with the MAC 52.*\nlo0"),
        ({"network": {"by": "dhcp"}}, {setup._LIST: TransportTimeout("late")}, "network-set was not reached: ifconfig"),
    ],
    ids=["fails", "late", "no interface", "no answer"],
)  # fmt: skip
def test_what_fails_ends_the_boot_with_its_words(changes, says, message):
    with pytest.raises(BootError, match=message):
        run(darwin(**changes), says=says)


@pytest.mark.parametrize("line", ["echo {nothing}", "echo ${HOME}", "echo {", "echo {interface!r}", "é", "", "a\nb"])
def test_a_line_names_only_what_there_is(line):
    with pytest.raises(ValidationError):
        SetupLine(run=line)


@pytest.mark.parametrize("address", ["10.0.2", "10.0.2.256", "a.b.c.d", "10.0.2.15/24", ""])
def test_an_address_is_one(address):
    with pytest.raises(ValidationError):
        NetworkSpec(address=address)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"by": "dhcp"}, "machine": {"nic": "none"}, "transports": ["serial"]}, "machine.nic is none"),
        ({"setup": [{"run": "x {interface}"}], "machine": {"nic": "none"}, "transports": ["serial"]}, "nic is none"),
        ({"setup": [{"run": "x"}], "login": {"kind": "none"}}, "login.kind is none"),
        ({"boot": {"flags": {"verbose": True}}}, "no loader that could be told"),
        ({"boot": {"loader": {"kind": "prompt", "line": "-v"}}}, "line must hold {args}"),
    ],
)
def test_entries_that_contradict_themselves(changes, message):
    with pytest.raises(ValidationError, match=message):
        make_spec(**changes)
