"""junit.xml: the run as continuous integration servers read it, made from the record as every other report is.

Form: the `xunit2` schema of Jenkins' xUnit plugin, as pytest writes it. A case is an `error` or a `failure` where it
makes the run red, `skipped` where it is neither red nor a pass (with the reason), else it passed.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from rig.report.words import conclusion
from rig.result import CaseResult, Outcome, RunRecord, Verdict
from rig.result.files import write_atomic
from rig.result.text import MARK

_NOT_XML = re.compile("[\ufffe\uffff]")
"""What XML 1.0 does not take, of what a record's text may hold."""


def write_junit(record: RunRecord, path: Path) -> Path:
    """Write the file, whole or not at all. Raises `HostError` when it cannot be written."""
    return write_atomic(path, render_junit(record))


def render_junit(record: RunRecord) -> bytes:
    """The file's content. A case that was planned and has no result is there as skipped."""
    cases = [_case(case) for case in record.cases]
    cases += [_missing(one, record) for one in record.missing]
    suite = ET.Element("testsuite", name="rig", timestamp=record.started.isoformat(), hostname=record.host.os)
    counts = {"errors": "error", "failures": "failure", "skipped": "skipped"}
    suite.attrib |= {name: str(sum(case.find(tag) is not None for case in cases)) for name, tag in counts.items()}
    suite.attrib |= {"tests": str(len(cases)), "time": f"{record.seconds or 0.0:.3f}"}
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("image", record.image.name),
        ("image digest", record.image.digest),
        ("host", record.host.host_class),
        ("rig", record.rig_version),
        ("conclusion", conclusion(record)),
    ):
        ET.SubElement(properties, "property", name=name, value=_fit(value))
    suite.extend(cases)
    root = ET.Element("testsuites", name="rig")
    root.append(suite)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(case: CaseResult) -> ET.Element:
    element = ET.Element("testcase", classname=f"{case.mechanism}.{case.probe}", name=case.case)
    element.set("time", f"{(case.ms or 0.0) / 1000:.6f}")
    known = f"{case.quarantine_words} ({case.quarantine.issue}): " if case.quarantine else ""
    message = _fit(f"{known}{case.outcome}: {case.reason or case.expected_reason}")
    if case.verdict.is_red:
        tag = "error" if case.outcome is Outcome.ERROR or case.broken else "failure"
        told = ET.SubElement(element, tag, type=str(case.verdict), message=message)
        told.text = _fit("\n".join(_words(case)))
    elif case.verdict is Verdict.FLAKY:
        first = next(attempt for attempt in case.earlier if attempt.outcome is not case.outcome)
        tried = ", then ".join(attempt.outcome for attempt in case.earlier)
        ET.SubElement(element, "skipped", type="flaky", message=_fit(f"flaky: first {tried}: {first.reason}"))
    elif case.outcome.as_pytest != "passed":
        ET.SubElement(element, "skipped", type=str(case.verdict), message=message)
    return element


def _words(case: CaseResult) -> list[str]:
    """What went wrong, for one who sees nothing but this file."""
    order = case.order.words if case.order is not None else ""
    lines = [words for words in (order, case.quarantine_words, case.reason) if words]
    lines += [f"{check.at}: {check.what}: got {check.got}, want {check.want}" for check in case.failed]
    lines.append(f"the contract: {case.what} [{case.source}]")
    if case.evidence is not None and case.evidence.console:
        lines += ["the console's last lines:", *(f"| {line}" for line in case.evidence.console.splitlines()[-12:])]
    return lines


def _missing(case_id: str, record: RunRecord) -> ET.Element:
    probe, _, name = case_id.partition(".")
    mechanism = next((case.mechanism for case in record.cases if case.probe == probe), "")
    element = ET.Element("testcase", classname=f"{mechanism}.{probe}".lstrip("."), name=name, time="0")
    ET.SubElement(element, "skipped", type="never-ran", message=f"never ran: the run is {record.state}")
    return element


def _fit(text: str) -> str:
    return _NOT_XML.sub(MARK, text)
