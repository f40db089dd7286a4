"""The pytest plugin: manifests are collected as cases, `guest` is a fixture for anybody's tests.

    def test_kernel(guest):
        assert guest.run("uname -s").text in ("Darwin", "Linux")

Each pytest process has one guest, booted when first asked for and anew when it has died; with xdist each worker has
its own, and a guest's death never ends its worker.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rig.errors import Evidence, RigError
from rig.guest import Guest
from rig.machine import Network
from rig.probe.manifest import CaseKind
from rig.run.cases import CaseAnswer
from rig.run.items import QEMU_MARK, CaseItem, ManifestFile, looks_like_manifest
from rig.run.quarantine import check_days
from rig.run.settings import DEFAULT_IMAGE, RunSettings
from rig.run.worker import Worker, make_worker, worker_of
from rig.spec import Accel, BootFlags, Clock, Isolation, OnPanic, TransportChoice

RIG_DATA = "rig"
"""Attribute of a report that carries the recorder's data; xdist sends plain attributes along."""
REST = "rig_rest"
"""Key of an xdist worker's output under which its last words stand."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The rig's options; `rig test` sets the same."""
    group = parser.getgroup("rig", "guests in QEMU")
    group.addoption("--rig-image", default=DEFAULT_IMAGE, metavar="NAME", help="catalogue entry to boot")
    group.addoption("--rig-accel", default="auto", choices=[str(one) for one in Accel], help="accelerator")
    group.addoption("--rig-clock", default="wall", choices=[str(one) for one in Clock], help="clock of the guest")
    group.addoption("--rig-time-factor", type=float, metavar="X", help="scale of every deadline")
    group.addoption("--rig-batches", type=int, default=30, metavar="N", help="samples of each timing")
    group.addoption("--rig-memory", type=int, metavar="MIB", help="RAM of the guest")
    group.addoption(
        "--rig-isolation", default="suite", choices=[str(one) for one in Isolation], help="which cases share a guest"
    )
    group.addoption("--rig-retries", type=int, default=0, metavar="N", help="run a case that failed again, N times")
    group.addoption("--rig-find-order", choices=["yes", "no"], help="look into failures for what ran before them")
    group.addoption("--rig-quarantine", type=Path, metavar="FILE", help="cases that fail for a known reason")
    group.addoption(
        "--rig-on-panic",
        default="end",
        choices=[str(one) for one in OnPanic],
        help="a guest that went down",
    )
    group.addoption("--rig-cold", action="store_true", help="boot every guest; use no warm template")
    group.addoption("--rig-keep", action="store_true", help="keep each guest's disk where its logs are")
    group.addoption("--rig-flags", default="{}", metavar="JSON", help="kernel flags, as boot.flags of an image's entry")
    group.addoption(
        "--rig-transport", default="auto", choices=[str(one) for one in TransportChoice], help="way into the guest"
    )
    group.addoption("--rig-net", action="store_true", help="let the guest reach outside")
    group.addoption("--rig-part", type=int, default=1, metavar="N", help="which part of a run that was taken up again")
    group.addoption("--rig-run-dir", type=Path, metavar="DIR", help="where guests' logs go (`rig test` records a run)")


def settings_of(config: pytest.Config) -> RunSettings:
    """The options as settings."""
    option = config.option
    return RunSettings(
        image=option.rig_image,
        accel=Accel(option.rig_accel),
        clock=Clock(option.rig_clock),
        time_factor=option.rig_time_factor,
        batches=option.rig_batches,
        memory=option.rig_memory,
        isolation=Isolation(option.rig_isolation),
        cold=option.rig_cold,
        keep=option.rig_keep,
        flags=_flags(option.rig_flags),
        on_panic=OnPanic(option.rig_on_panic),
        retries=option.rig_retries,
        find_order=None if option.rig_find_order is None else option.rig_find_order == "yes",
        quarantine=option.rig_quarantine,
        transport=TransportChoice(option.rig_transport),
        network=Network.OPEN if option.rig_net else Network.CLOSED,
        part=option.rig_part,
        run_dir=option.rig_run_dir,
    )


def _flags(text: str) -> BootFlags:
    try:
        return BootFlags.model_validate_json(text)
    except ValidationError as fault:
        raise pytest.UsageError(f"--rig-flags {text}: {fault}") from fault


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks; a mechanism's own is registered with its first manifest."""
    for kind in CaseKind:
        config.addinivalue_line("markers", f"{kind}: cases of this kind")
    config.addinivalue_line("markers", f"{QEMU_MARK}: boots QEMU")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Make the worker. It does nothing until a guest is asked for: most sessions never do."""
    config = session.config
    worker_input = getattr(config, "workerinput", None)
    worker = make_worker(config, settings_of(config), worker_input)
    try:
        if worker_input is None:
            check_days(worker.quarantine)
    except RigError as fault:
        raise pytest.UsageError(str(fault)) from fault


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that ask for the guest, before marks select."""
    for item in items:
        if "guest" in getattr(item, "fixturenames", ()) and _is_ours(item):
            item.add_marker(QEMU_MARK)


def _is_ours(item: pytest.Item) -> bool:
    """Whether its `guest` is this plugin's, or made of that: a fixture of somebody's own may only have the name."""
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for fixture in reversed(known.get("guest", ())):
        if fixture.func.__module__ == __name__:
            return True
        if "guest" not in fixture.argnames:
            return False
    return True


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ManifestFile | None:
    """A YAML file that is a manifest."""
    return ManifestFile.from_parent(parent, path=file_path) if looks_like_manifest(file_path) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the worker which probes it will run."""
    found = (item.manifest for item in session.items if isinstance(item, CaseItem))
    worker_of(session.config).manifests = tuple({manifest.probe: manifest for manifest in found}.values())


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> Generator[Guest]:
    """A live guest, shared by all tests of this process and booted anew when a test has killed it."""
    try:
        held = worker_of(request.config).guest()
    except RigError as fault:
        pytest.fail(str(fault), pytrace=False)
    before = held.console.watch.bytes_seen
    yield held
    if held.console.watch.bytes_seen > before:
        request.node.add_report_section("call", "guest console", held.console.tail(20))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Hang the case's answer on its report, as plain data that crosses from an xdist worker."""
    report = yield
    if isinstance(item, CaseItem) and call.when == "call":
        setattr(report, RIG_DATA, report_data(item, call.excinfo))
    return report


def report_data(item: CaseItem, raised: pytest.ExceptionInfo[BaseException] | None = None) -> dict[str, Any]:
    """What the recorder needs of one case."""
    worker = worker_of(item.config)
    data: dict[str, Any] = {"guests": [record.model_dump(mode="json") for record in worker.guests.values()]}
    worker.guests.clear()
    if worker.gave_up is not None:
        data["gave_up"] = str(worker.gave_up)
    if item.answer is None and raised is not None:
        if isinstance(raised.value, RigError):
            data["gave_up"] = str(raised.value)
        else:
            # A fault of the rig's own: the case must not be missing from the record.
            reason = f"the rig failed: {raised.exconly()}"
            data["case"] = worker.error(item.manifest, item.case, reason).model_dump(mode="json")
            data |= {"leaks": [], "rubbish": [], "broken": False}
    if item.answer is not None:
        data |= answer_data(item.answer)
        data["earlier"] = [answer_data(answer) for answer in item.earlier]
    return data


def answer_data(answer: CaseAnswer) -> dict[str, Any]:
    """One attempt's answer as plain data."""
    data: dict[str, Any] = {
        "case": answer.result.model_dump(mode="json"),
        "leaks": [leak.model_dump(mode="json") for leak in answer.leaks],
        "rubbish": [rubbish.model_dump(mode="json") for rubbish in answer.rubbish],
        "broken": answer.broken,
    }
    if answer.evidence is not None:
        data["evidence"] = evidence_data(answer.evidence)
    return data


def evidence_data(evidence: Evidence) -> dict[str, Any]:
    """Evidence as plain data."""
    return {
        "console": evidence.console,
        "reason": evidence.reason,
        "stage": evidence.stage,
        "screenshot": str(evidence.screenshot) if evidence.screenshot else None,
        "registers": evidence.registers,
        "qemu_output": evidence.qemu_output,
        "command": list(evidence.command),
        "panic": evidence.panic,
    }


def rest_data(worker: Worker) -> dict[str, Any]:
    """What a worker that has been closed has left to tell, as plain data."""
    rest = worker.rest
    data: dict[str, Any] = {
        "guests": [record.model_dump(mode="json") for record in worker.guests.values()],
        "leaks": [leak.model_dump(mode="json") for leak in rest.leaks],
        "rubbish": [rubbish.model_dump(mode="json") for rubbish in rest.rubbish],
    }
    if rest.death is not None:
        evidence = evidence_data(rest.death.evidence)
        data["death"] = {"guest": rest.guest, "message": rest.death.message, "evidence": evidence}
    return data


def _finish_in_peace() -> None:
    """An xdist worker's guests are ended in order, however often Ctrl-C is pressed.

    Its controller interrupts it once more where it takes long, and kills it where it takes too long.
    """
    with contextlib.suppress(ValueError):  # not the main thread: then no signal comes here
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End this process's guest; an xdist worker hands its last words to the controller."""
    try:
        worker = worker_of(session.config)
    except RigError:
        return  # the session ended before it began
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        _finish_in_peace()
    worker.close()
    if output is not None:
        output[REST] = rest_data(worker)
    if worker.rest.death is not None and session.exitstatus == pytest.ExitCode.OK:
        # A guest that panics behind its last case must not end green.
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
