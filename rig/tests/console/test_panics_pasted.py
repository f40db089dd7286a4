"""Panic texts as people and machines hand them on: quoted, stamped, marked up, wrapped, within JSON and prose."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest

from rig.console.panics import Panic, parse_panics
from rig.console.panics.lines import shape_of
from rig.tests.console.test_panics import known, log_of, one

TEXT = log_of("darwin17-mach-port").decode()
ARM = log_of("darwin24-arm").decode()


def read(text: str) -> list[dict[str, Any]]:
    return known(parse_panics(text.encode()))


def each(text: str, before: str) -> str:
    """The same before each line; `#` is its number."""
    return "".join(f"{before.replace('#', str(at))}{line}\n" for at, line in enumerate(text.splitlines(), 100))


@pytest.mark.parametrize(
    "before",
    [
        "> ",
        "> > ",
        ">",
        "    ",
        "\t",
        "# ",
        " #  ",
        "qemu-1  | ",
        "[12:34:56.#] ",
        "(12:34:56) ",
        "12:34:56.# ",
        "2026-01-02T03:04:05.#Z ",
        "2026-01-02 03:04:05,# INFO console: ",
        "Jan  2 03:04:05 host kernel[0]: ",
        "Jan  2 03:04:05 ",
        "[guest #] ",
    ],
)
@pytest.mark.parametrize("text", [TEXT, ARM], ids=["pc", "arm"])
def test_what_stands_before_each_line_makes_no_difference(text: str, before: str) -> None:
    assert read(each(text, before)) == read(text)


@pytest.mark.parametrize(
    "before", ["<6>", "Jan  2 03:04:05 host kernel: ", "2026-01-02T03:04:05+00:00 host kernel: ", "vm-1 | "]
)
def test_linux_behind_a_loggers_words(before: str) -> None:
    text = log_of("linux61-oops").decode()
    assert read(each(text.replace("reference# [", "["), before)) == read(text)


def test_a_loggers_host_is_no_part_of_the_kernels_words() -> None:
    assert parse_panics(b"Jan  2 03:04:05 BUG: unable to handle page fault for address: 0000000000000008\n")
    assert parse_panics(b"2026-01-02T03:04:05Z panic(cpu 0 caller 0x1): why\n")


def test_what_stands_before_a_first_line_alone_is_looked_for_no_more() -> None:
    assert one(b'bash-3.2# panic(cpu 0 caller 0x1): "why"@a.c:1\nBoot args: -v\n').boot_args == "-v"
    assert one(b"macpanic(cpu 0 caller 0x1): why\nmach_absolute_time: 0x7\n").extra == {"mach_absolute_time": "0x7"}
    assert shape_of("  ") is None
    assert shape_of("x" * 1000) is None


@pytest.mark.parametrize("text", [TEXT, ARM], ids=["pc", "arm"])
def test_markup_of_web_pages_makes_no_difference(text: str) -> None:
    marked = html.escape(text).replace("\n", "<br />\n")
    assert read(f"<p>Hello</p><pre><code>{marked}</code></pre>") == read(text)
    assert read(f"```\n{text}\n```\n") == read(text)


def test_a_kernels_own_angles_are_no_markup() -> None:
    text = log_of("linux61-oops").decode()
    assert read(html.escape(text)) == read(text)
    assert read(text + "&amp;\n") == read(text)


@pytest.mark.parametrize("name", ["darwin17-mach-port", "darwin24-arm", "darwin20-woven", "linux61-oops"])
def test_lines_that_a_screen_of_80_columns_cut(name: str) -> None:
    text = log_of(name).decode()
    cut = "\n".join(line[at : at + 80] for line in text.splitlines() for at in range(0, max(len(line), 1), 80))
    assert read(cut) == read(text)


def test_a_long_line_shows_that_no_screen_cut_the_text() -> None:
    full = "x" * 80
    text = f'{full}\npanic(cpu 0 caller 0x1): "why"@a.c:1\n{full}\nBoot args: -v\n'
    assert not one(f"{text}{full}longer\n".encode()).boot_args.startswith("x")
    assert one(f"{text}{full}longer\n".encode()).boot_args == "-v"


def test_a_ruler_of_a_screens_width_is_no_line_that_was_cut() -> None:
    ruler = "=" * 80
    assert one(f"{ruler}\npanic(cpu 0 caller 0x1): why\n{ruler}\nBoot args: -v\n".encode()).boot_args == "-v"


def test_json_among_words_cut_or_broken() -> None:
    whole = json.dumps({"build": "x", "panicString": ARM, "product": "y"}, indent=1)
    for data in (
        f"Hi,\n\n```\n{whole}\n```\nThanks\n",
        whole.replace("/", "\\/"),
        whole.replace("\\n", "\n"),  # real line ends within a string, which JSON does not allow
        f"see:\n{whole[whole.index('panicString') - 1 : -20]}",
    ):
        assert [(panic.process, panic.pid, panic.uptime_ns) for panic in parse_panics(data.encode())] == [
            ("mach_port", 77, 41_000_000_000)
        ]


def test_real_line_ends_within_a_string_cost_no_fact_of_the_file() -> None:
    whole = json.dumps({"build": "x", "panicString": ARM}).replace("\\n", "\n")
    assert one(whole.encode()).extra["build"] == "x"


def test_a_report_without_a_line_that_opens_a_panic() -> None:
    text = "Debugger message: WDT timeout\n94s ago: 3100m0\nOS version: 16Z99\nKernel UUID: 0-1\n"
    panic = one(json.dumps({"panicString": text}).encode())
    assert (panic.message, panic.os_version, panic.kernel_uuid) == ("WDT timeout", "16Z99", "0-1")
    assert parse_panics(f'see\n{{"panicString": "{text[:10]}"}}\n'.encode()) == []


def test_a_panic_whose_first_lines_were_lost() -> None:
    lines = TEXT.splitlines(keepends=True)
    start = next(at for at, line in enumerate(lines) if line.startswith("Backtrace"))
    whole, rest = one(TEXT.encode()), one("".join(lines[start:]).encode())
    assert (rest.message, rest.frames, rest.process, rest.complete) == ("", whole.frames, whole.process, True)
    assert rest.signature.text.startswith("darwin panic: without words in ")


def test_a_processor_that_another_one_stopped() -> None:
    panic = one(
        b"Panic(CPU 3, time 1234): NMIPI for unresponsive processor: TLB flush timeout, TLB state:0x0\nRAX: 0x1\n"
    )
    assert (panic.cpu, panic.registers) == (3, {"RAX": "0x1"})
    assert panic.message == "NMIPI for unresponsive processor: TLB flush timeout, TLB state:0x0"


def test_what_typesetting_made_of_plain_signs() -> None:
    text = log_of("darwin8-powerpc").decode()
    assert read(
        text.replace("0x", "0\u00d7").replace(" - ", " \u2013 ").replace('"Latest"', "\u201cLatest\u201d")
    ) == read(text)


def test_two_reports_in_one_file() -> None:
    whole = json.dumps({"panicString": ARM})
    assert len(parse_panics(f"{whole}\n{whole}\n".encode())) == 2


def test_lines_of_two_printers_in_one() -> None:
    torn = b"[    1.0] vm: failed[    1.1] BUG: unable to handle page fault for address: 0000000000000008\n"
    assert one(torn).fault_address == "0000000000000008"
    torn = b"[    1.0] general protection fault: 0000 [#1] [    1.1] audit: type=1 pid=2\n"
    assert one(torn).message == "general protection fault: 0000 [#1]"


def test_two_processors_that_print_into_each_other() -> None:
    text = log_of("linux61-oops").decode().replace("reference# [", "[").splitlines()
    first, second = (
        [line.replace("]", f"][ {who}]", 1).replace("posix_mq", name) for line in text]
        for who, name in (("  T41", "first"), ("   C1", "second"))
    )
    woven = "\n".join(line for pair in zip(first, second, strict=True) for line in pair)
    found = parse_panics(woven.encode())
    assert [panic.process for panic in found] == ["first", "second"]
    assert {panic.signature for panic in found} == {one(log_of("linux61-oops")).signature}
    assert [len(panic.frames) for panic in found] == [6, 6]
    cut = woven[: woven.index("Call Trace")]
    assert len(parse_panics(f"{cut}\n[    0.0][    T0] Linux version 6.1\n{cut}".encode())) == 4


def test_one_oops_in_another_brings_the_panic_for_both() -> None:
    text = b"""[    1.0] BUG: unable to handle page fault for address: 0000000000000008
[    1.1] Oops: 0000 [#1] SMP
[    1.2] BUG: unable to handle page fault for address: 0000000000000008
[    1.3] Oops: 0000 [#2] SMP
[    1.4] Kernel panic - not syncing: Fatal exception
"""
    outer = one(text)
    (inner,) = outer.nested
    assert inner.error_code == "0000"
    assert outer.consequence == inner.consequence == "Fatal exception"


def test_a_damaged_byte_in_the_callers_address() -> None:
    assert one(b"panic(cpu 3 caller \xfexfffffff00838c7cc): why\n").message == "why"
    assert parse_panics(b"panic(cpu 3 caller ...): why\n") == []


def first(text: str) -> Panic:
    return one(f"{text}\nBoot args: -v\n".encode())


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ('panic(cpu 0 caller 0x1):\n"one" @a.cpp:7', "one", "a.cpp"),
        ('panic(cpu 0 caller 0x1): drv: "one\ntwo"@/b/a.cpp:7', "drv: one two", "/b/a.cpp"),
        ('panic(cpu 0 caller 0x1): drv: "one\\n"@a.c:7', "drv: one", "a.c"),
        ('panic(cpu 0 caller 0x1): "one: " "two"@a.c:7', "one: two", "a.c"),
        ("panic(cpu 0 caller 0x1): /b/a.c:7:function: what->is.wrong", "function: what->is.wrong", "/b/a.c"),
        ("panic(cpu 0 caller 0x1): busy (60s): 'A' (1,2) @a.cpp:7", "busy (60s): 'A' (1,2)", "a.cpp"),
        ("panic(cpu 0): 0x300 - Data access", "0x300 - Data access", ""),
        ("panic(cpu 0 caller 0x1): Kernel data abort.\nat pc 0x2, lr 0x3", "Kernel data abort. at pc 0x2, lr 0x3", ""),
        ('panic(cpu 0 caller 0x1): "no \\"driver\\"\\n"', 'no \\"driver\\"', ""),
        (
            "panic(cpu 0 caller 0x1): Double fault at 0x1, registers:\nCR0: 0x1\n @a.c:7",
            "Double fault at 0x1, registers:",
            "a.c",
        ),
        ("panic(cpu 0 caller 0x1): kernel abort type 4:\nfault_type=0x1", "kernel abort type 4: fault_type=0x1", ""),
    ],
)
def test_a_message_in_its_many_forms(text: str, message: str, place: str) -> None:
    assert (first(text).message, first(text).source_file, first(text).boot_args) == (message, place, "-v")


def test_kexts_of_whom_only_the_name_is_told() -> None:
    text = "panic(cpu 0 caller 0x1): why\n      Kernel Extensions in backtrace:\n         org.example.a(1.0)[0-1]\n"
    assert [kext.name for kext in one(text.encode()).kexts] == ["org.example.a"]
    assert one(b"panic(cpu 0 caller 0x1): why\nfunction(1)\nBoot args: -v\n").kexts == []


@pytest.mark.parametrize(
    "text",
    [
        "Oops: efitime: can't read time!",
        "BUG: a program of somebody",
        "WARNING: the disk is old",
        "INFO: all is well",
        "panic: a word of its own",
        "Event: Sleep Wake Failure",
        "[    1.0] softdog: soft_noboot=0 soft_panic=0",
        'matches("panic(cpu 0 caller 0x1): no")',
        "PD-DIAG: FATAL user #PF rip=0x100001f2c cr2=0x0 pid=41 (ports)",
        "Failed to send exception EXC_CORPSE_NOTIFY. error code: 268435459",
        '{"panicString": 7}',
    ],
)
def test_what_only_looks_like_one(text: str) -> None:
    assert parse_panics(f"{text}\n".encode()) == []
