"""Manifests as pytest files, cases as pytest items: collected without a guest, run in the worker's guest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from rig.errors import RigError
from rig.probe.manifest import ProbeManifest, load_manifest
from rig.result import CaseResult, Outcome, Verdict
from rig.run.cases import CaseAnswer
from rig.run.quarantine import entry_for
from rig.run.worker import worker_of

QEMU_MARK = "qemu"
"""On everything that needs a guest, so that `-m 'not qemu'` leaves the quick tests."""
_CONSOLE_LINES = 12


def looks_like_manifest(path: Path) -> bool:
    """Whether a YAML file is a probe's manifest: it names a probe and its cases."""
    if path.suffix not in {".yaml", ".yml"}:
        return False
    if not path.is_file():
        return False
    try:
        head = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = head.splitlines()
    return any(line.startswith("probe:") for line in lines) and any(line.startswith("cases:") for line in lines)


class ManifestFile(pytest.File):
    """One manifest."""

    manifest: ProbeManifest

    def collect(self) -> Iterator[pytest.Item]:
        """A `CaseItem` for each case, in the manifest's order."""
        try:
            self.manifest = load_manifest(self.path)
        except RigError as fault:
            raise self.CollectError(str(fault)) from fault
        mechanism = self.manifest.mechanism
        self.config.addinivalue_line("markers", f"{mark_name(mechanism)}: cases of {mechanism}")
        for name in self.manifest.cases:
            yield CaseItem.from_parent(self, name=name, case=name)


class CaseError(Exception):
    """A case whose outcome is not what its manifest expects."""

    def __init__(self, answer: CaseAnswer) -> None:
        super().__init__(answer.result.reason)
        self.answer = answer


class CaseItem(pytest.Item):
    """One case of a probe."""

    def __init__(self, *, case: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.case = case
        self.answer: CaseAnswer | None = None
        """Of the last attempt."""
        self.earlier: list[CaseAnswer] = []
        """Of the attempts before it."""
        manifest = self.manifest
        spec = manifest.cases[case]
        for mark in (mark_name(manifest.mechanism), str(spec.kind), QEMU_MARK):
            self.add_marker(mark)
        self.extra_keyword_matches.update({manifest.probe, manifest.mechanism, self.case_id})

    @property
    def manifest(self) -> ProbeManifest:
        """The manifest that this case stands in."""
        assert isinstance(self.parent, ManifestFile)
        return self.parent.manifest

    @property
    def case_id(self) -> str:
        """`probe.case`."""
        return f"{self.manifest.probe}.{self.case}"

    def runtest(self) -> None:
        """Get this case's answer; raises or skips where it is not a pass that was expected."""
        worker = worker_of(self.config)
        items = self.session.items
        # What is left of this probe in this worker is started together with this case.
        rest = [
            item.case
            for item in items[items.index(self) :]
            if isinstance(item, CaseItem) and item.parent is self.parent
        ]
        self.answer = worker.run_case(self.manifest, self.case, rest)
        worker.look_into_order(self.manifest, self.answer)
        while self._again(self.answer) and len(self.earlier) < worker.settings.retries:
            self.earlier.append(self.answer)
            self.answer = worker.run_alone(self.manifest, self.case)
        entry = entry_for(worker.quarantine, self.case_id, worker.stored.spec.name)
        for one in (*self.earlier, self.answer):
            one.result = one.result.model_copy(update={"quarantine": entry})
        if worker.gave_up is not None:
            # Each further case would only say so again.
            self.session.shouldstop = f"no guest became ready: {worker.gave_up.message}"
        result = reduce(lambda before, one: one.after(before), [one.result for one in (*self.earlier, self.answer)])
        match result.verdict:
            case Verdict.FLAKY:
                tried = ", then ".join(f"{one.outcome}" for one in result.earlier)
                pytest.xfail(f"flaky: first {tried}: {result.earlier[0].reason}")
            case Verdict.QUARANTINED:
                pytest.xfail(f"{quarantine_line(result)}: {result.outcome}: {result.reason}")
            case Verdict.EXPECTED if result.outcome.as_pytest == "passed":
                return
            case Verdict.UNEXPECTED_PASS:
                return
            case Verdict.KNOWN_FAILURE:
                pytest.xfail(result.expected_reason or result.reason)
            case verdict if verdict.is_red:
                raise CaseError(replace(self.answer, result=result))
            case _:
                pytest.skip(f"{result.outcome}: {result.reason or result.expected_reason}")

    @staticmethod
    def _again(answer: CaseAnswer) -> bool:
        """Whether another attempt may end otherwise: an error of the rig, or of a probe that never begins, will not.

        One that depends on the order always passes where that is another: it stays a fault.
        """
        result = answer.result
        return result.missed and result.outcome is not Outcome.ERROR and result.order is None

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | Any:
        """A case's failure as its checks tell it, not as a Python traceback."""
        if isinstance(excinfo.value, CaseError):
            return "\n".join(failure_lines(excinfo.value.answer))
        if isinstance(excinfo.value, RigError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where a reader finds the case."""
        return self.path, None, self.case_id


def failure_lines(answer: CaseAnswer) -> list[str]:
    """What went wrong, for a terminal."""
    result: CaseResult = answer.result
    lines = [f"{result.id}: {result.outcome} (expected {result.expected}): {result.reason}".rstrip(": ")]
    if result.order is not None:
        lines.append(f"  {result.order.words}")
    if result.quarantine is not None:
        lines.append(f"  {quarantine_line(result)}")
    lines += [f"  {check.at}: {check.what}: got {check.got}, want {check.want}" for check in result.failed]
    lines.append(f"  the contract: {result.what} [{result.source}]")
    panic = answer.evidence.panic if answer.evidence is not None else None
    if panic is not None:
        lines.append(f"  the panic's signature: {panic['signature']} ({panic['signature_id']})")
    if answer.evidence is not None and answer.evidence.console:
        lines.append("  the console's last lines:")
        lines += [f"    | {line}" for line in answer.evidence.console.splitlines()[-_CONSOLE_LINES:]]
    return lines


def quarantine_line(result: CaseResult) -> str:
    """What the quarantine has to do with a case, with its link."""
    return f"{result.quarantine_words} ({result.quarantine.issue})" if result.quarantine else ""


def mark_name(mechanism: str) -> str:
    """A mechanism as a pytest mark: `sysv-messages` is `-m sysv_messages`."""
    return mechanism.replace("-", "_")
