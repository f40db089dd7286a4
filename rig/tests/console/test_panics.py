"""Panic texts of each layout, read back to their fields; and whatever else a log may hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rig
from rig.console.panics import Frame, Panic, parse_panics
from rig.console.panics.signature import normal
from rig.spec import Dialect
from rig.tests.console.conftest import recorded

PANICS = Path(rig.__file__).parents[1] / "fixtures" / "panics"
WANTED = sorted(PANICS.glob("*.yaml"))
LOGS = [path for path in sorted(PANICS.iterdir()) if path.suffix != ".yaml"]
NOISE = (
    b"en0: link is up",
    b"PD-DIAG: FATAL user #PF rip=0x100001f2c cr2=0x0 pid=41 (ports)",
    b"[   99.000001] e1000: eth0 NIC Link is Up 1000 Mbps Full Duplex",
    b"rcS: userland started",
    b"\x1b[0m\x1b[2K",
)


def log_of(name: str) -> bytes:
    return next(path for path in LOGS if path.stem == name).read_bytes()


def one(data: bytes) -> Panic:
    (panic,) = parse_panics(data)
    return panic


def frame_words(frame: dict[str, Any]) -> str:
    if not frame["symbol"] and not frame["module"]:
        return frame["address"]
    offset = "" if frame["offset"] is None else f"+{frame['offset']:#x}"
    module = f"{frame['module']}:" if frame["module"] else ""
    return f"{'' if frame['reliable'] else '? '}{module}{frame['symbol']}{offset}"


def shown(key: str, value: Any, wanted: Any) -> Any:
    """A field as the expectations write it: lists of frames and kexts in short, dictionaries as far as they ask."""
    if key == "frames":
        return [frame_words(frame) for frame in value]
    if key in {"kexts", "nested"}:
        pairs = zip(value, wanted, strict=True)
        return [{name: shown(name, one[name], want[name]) for name in want} for one, want in pairs]
    if key == "dependencies":
        return [kext["name"] for kext in value]
    if key == "modules":
        return {module["name"]: module["version"] for module in value}
    return {name: value.get(name) for name in wanted} if isinstance(wanted, dict) else value


@pytest.mark.parametrize("path", WANTED, ids=lambda path: path.stem)
def test_every_field_of_each_layout(path: Path) -> None:
    wanted = yaml.safe_load(path.read_text(encoding="utf-8"))["panics"]
    found = [panic.plain() for panic in parse_panics(log_of(path.stem))]
    assert len(found) == len(wanted)
    for panic, want in zip(found, wanted, strict=True):
        assert {key: shown(key, panic[key], want[key]) for key in want} == want


def test_every_log_has_its_expectations_and_names_its_source() -> None:
    assert {path.stem for path in LOGS} == {path.stem for path in WANTED}
    assert all(b"ayout" in path.read_bytes() for path in LOGS)


@pytest.mark.parametrize("name", ["darwin20-boot.log", "reference-good-boot.log"])
def test_a_good_boot_has_none(name: str) -> None:
    assert parse_panics(recorded(name)) == []


@pytest.mark.parametrize(
    "line",
    [
        b'# echo "panic(cpu 0 caller 0x1): no"',
        b"bash-3.2# echo panic(cpu 0 caller 0x1): no",
        b"reference# echo Kernel panic - not syncing: no",
        b"the manual says: Kernel panic - not syncing: no",
        b"DEBUG: unable to handle this",
    ],
)
def test_a_quotation_is_no_panic(line: bytes) -> None:
    assert parse_panics(line) == []


def test_a_recorded_guest_of_each_kind() -> None:
    linux = one(recorded("reference-panic.log"))
    assert (linux.process, linux.pid, linux.cpu, linux.complete) == ("dash", 191, 0, True)
    assert linux.signature.text == (
        "linux panic: sysrq triggered crash in sysrq_handle_crash < __handle_sysrq < write_sysrq_trigger"
    )
    darwin = one(recorded("darwin17-panic.log"))
    assert (darwin.process, darwin.kexts[0].name) == ("mach_ports", "org.puredarwin.driver.Example")


def test_a_storm_of_nested_panics_is_counted() -> None:
    panic = one(recorded("darwin20-nested-panic.log"))
    assert panic.message == "tsc_init: no bus frequency in leaf 0x15"
    (nested,) = panic.nested
    assert nested.message == "x86_topo_lock: simple lock is not initialised"
    assert nested.repeats == 3


def test_only_one_dialect_may_be_asked_for() -> None:
    data = recorded("reference-panic.log")
    assert parse_panics(data, Dialect.DARWIN) == []
    assert len(parse_panics(data, Dialect.LINUX)) == 1


def test_a_panic_is_over_when_nothing_more_comes() -> None:
    first = b'panic(cpu 0 caller 0x1): "a"@a.c:1\n'
    between = b"".join(b"line %d\n" % number for number in range(400))
    late = b"System uptime in nanoseconds: 5\n"
    assert [panic.complete for panic in parse_panics(first + between + late)] == [False]
    assert [panic.complete for panic in parse_panics(first + late)] == [True]
    assert len(parse_panics(first + between + first)) == 2
    assert len(parse_panics(first + late + first)) == 2


def test_lines_that_came_twice_with_another_between() -> None:
    lines = log_of("darwin24-nested").splitlines(keepends=True)
    doubled = b"".join(line + NOISE[0] + b"\n" + line for line in lines if b"ested" not in line and b"LBR" not in line)
    bare = b"".join(line for line in lines if b"ested" not in line and b"LBR" not in line)
    assert [len(panic.frames) for panic in parse_panics(doubled)] == [len(panic.frames) for panic in parse_panics(bare)]
    assert one(doubled).modules == one(bare).modules


def test_a_message_that_is_never_closed_is_its_first_line() -> None:
    panic = one(b'panic(cpu 0 caller 0x1): "it began\nen0: link is up\nBoot args: -v\n')
    assert (panic.message, panic.other, panic.boot_args) == ('"it began', ["en0: link is up"], "-v")


def test_a_mail_that_broke_a_line() -> None:
    panic = one(b"panic(cpu 1 caller 0x001AB0FE): Kernel trap at 0x004263e7, type\n14=page fault, registers:\n")
    assert (panic.kind, panic.trap, panic.trap_number, panic.other) == ("trap", "page fault", 14, [])


def test_a_report_that_was_cut_is_read_as_far_as_it_goes() -> None:
    whole = log_of("darwin21-report")
    panic = one(whole[: whole.index(b"last started kext")])
    assert (panic.process, panic.uptime_ns, panic.source_line) == ("kernel_task", 1234567890123, 88)
    assert one(whole[: whole.index(b"Kernel Extensions")]).cpu == 2


# The signature


def test_the_same_panic_on_two_boots_has_one_signature() -> None:
    first, second = one(log_of("darwin17-mach-port")), one(log_of("darwin17-mach-port-slid"))
    assert first.instruction != second.instruction and first.caller != second.caller
    assert first.signature == second.signature
    assert len(first.signature.id) == 10


def test_without_symbols_the_place_in_the_kernel_tells_traps_apart() -> None:
    def bare(panic: Panic, shift: int = 0) -> Panic:
        at = f"{int(panic.instruction, 16) + shift:#x}"
        return replace(panic, frames=[Frame(address=frame.address) for frame in panic.frames], instruction=at)

    first, second = one(log_of("darwin17-mach-port")), one(log_of("darwin17-mach-port-slid"))
    assert bare(first).signature == bare(second).signature
    assert bare(first).signature.text.endswith("in kernel+0x91b1c")
    assert bare(first, 64).signature != bare(first).signature


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("port 0xffffff80a1 is dead", "port 0xffffff93b2c3 is dead", True),
        ("pid 41 on CPU 1", "pid 4100 on CPU 0", True),
        ("address: 0000000000000008", "address: ffff8b4cd6855000", True),
        ("zone kalloc.48", "zone kalloc.64", False),
        ("type 14=page fault", "type 13=general protection", False),
        ("port is dead", "port is alive", False),
        ("uuid 00000001-0000-4000-8000-000000000001", "uuid 0000000A-0000-4000-8000-00000000000B", True),
        ("in unix_gc+0xc4/0x100", "in unix_gc+0xd8/0x120", True),
        ("took 2.5 s", "took 13.25 s", True),
    ],
)
def test_what_a_message_is_compared_by(a: str, b: str, same: bool) -> None:
    assert (normal(a) == normal(b)) is same


def test_what_a_signature_is_made_of() -> None:
    panic = one(log_of("darwin19-assertion"))
    assert replace(panic, process="other", cpu=0, uptime_ns=1, source_line=9).signature == panic.signature
    assert replace(panic, message="Assertion failed: port->ip_srights == 0").signature != panic.signature
    assert replace(panic, source_file="osfmk/ipc/other.c").signature != panic.signature
    assert replace(panic, source_file="/elsewhere/ipc_port.c").signature == panic.signature
    assert replace(panic, kind="panic").signature != panic.signature
    assert replace(panic, frames=panic.frames[:5]).signature != panic.signature


# Whatever the bytes are

ANY_LOG = st.sampled_from([*(path.read_bytes() for path in LOGS), recorded("darwin20-nested-panic.log")])
SETTINGS = settings(max_examples=40, deadline=None)


def known(panics: list[Panic]) -> list[dict[str, Any]]:
    """Without what depends on where in the log it stands, or on what lay between."""

    def bare(plain: dict[str, Any]) -> dict[str, Any]:
        rest = {key: value for key, value in plain.items() if key not in {"line", "last_line", "other"}}
        return {**rest, "nested": [bare(nested) for nested in rest["nested"]]}

    return [bare(panic.plain()) for panic in panics]


@SETTINGS
@given(st.binary(max_size=2000))
@example(b'{"panicString": "\\')
@example(b'{"panicString": "\\ud800"}')
@example(b"panic(cpu 0 caller 0x1): " + b"9" * 5000)
@example(b"System uptime in nanoseconds: " + b"9" * 4000)
def test_any_bytes_are_taken(data: bytes) -> None:
    for panic in parse_panics(data):
        assert panic.plain()


@SETTINGS
@given(ANY_LOG, st.data())
def test_any_damage_is_taken(log: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(log)))
    damage = data.draw(st.binary(max_size=40))
    for damaged in (log[:at], log[at:], log[:at] + damage + log[at:], log[:at] + damage + log[at + len(damage) :]):
        for panic in parse_panics(damaged):
            assert panic.plain()


@SETTINGS
@given(ANY_LOG, st.randoms(use_true_random=False))
def test_lines_in_any_order_are_taken(log: bytes, random: Any) -> None:
    lines = log.splitlines(keepends=True)
    random.shuffle(lines)
    for panic in parse_panics(b"".join(lines)):
        assert panic.plain()


TEXTS = st.sampled_from([path.read_bytes() for path in LOGS if path.suffix == ".log"])


@SETTINGS
@given(TEXTS)
def test_line_ends_and_doubled_lines_make_no_difference(log: bytes) -> None:
    whole = known(parse_panics(log))
    bare = log.replace(b"\r\n", b"\n")
    assert known(parse_panics(bare.replace(b"\n", b"\r\n"))) == whole
    assert known(parse_panics(b"".join(line * 2 for line in bare.splitlines(keepends=True)))) == whole
    assert known(parse_panics(bare.replace(b"\n", b"\x1b[0m\n"))) == whole


@SETTINGS
@given(TEXTS, st.data())
def test_other_lines_between_make_no_difference(log: bytes, data: st.DataObject) -> None:
    lines = log.replace(b"\r\n", b"\n").split(b"\n")
    at = data.draw(st.lists(st.integers(1, len(lines) - 1), max_size=8))
    woven = list(lines)
    for place in sorted(at, reverse=True):
        # Within a message of several lines nobody can tell what is whose.
        if not any(word in woven[place - 1] for word in (b"initproc", b"uuid", b"Nested panic string", b"cut here")):
            woven.insert(place, data.draw(st.sampled_from(NOISE)))
    assert known(parse_panics(b"\n".join(woven))) == known(parse_panics(b"\n".join(lines)))


@SETTINGS
@given(TEXTS, st.data())
def test_what_was_read_of_a_cut_text_is_right(log: bytes, data: st.DataObject) -> None:
    """Cut behind a line, each field that is there is that of the whole text, or its beginning."""
    ends = [at for at, byte in enumerate(log) if byte == ord("\n")]
    cut = parse_panics(log[: data.draw(st.sampled_from(ends))])
    for part, whole in zip(cut, parse_panics(log), strict=False):
        assert part.frames[:-1] == whole.frames[: len(part.frames)][:-1]
        assert [one.address for one in part.frames] == [one.address for one in whole.frames[: len(part.frames)]]
        assert part.registers.items() <= whole.registers.items()
        for name in ("process", "kernel_version", "kernel_uuid", "boot_args", "caller", "model", "os_version"):
            assert getattr(part, name) in {"", getattr(whole, name)}
