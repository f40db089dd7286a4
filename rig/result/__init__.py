"""What a run found: outcomes, raw samples, the circumstances that decide whether they compare, and where it is kept."""

from rig.result.case import Attempt, CaseResult, FailedCheck, KeptEvidence, MetricSamples
from rig.result.changes import Change, Changes, compare_runs
from rig.result.context import Difference, MeasureContext, comparable
from rig.result.host import HostRecord
from rig.result.model import (
    GuestFacts,
    GuestRecord,
    ImageRecord,
    LeakRecord,
    Resumption,
    RubbishRecord,
    RunRecord,
    StageTime,
)
from rig.result.order import OrderRecord
from rig.result.outcome import Outcome, Verdict, judge, worst
from rig.result.panic import FrameRecord, PanicRecord
from rig.result.place import latest_run
from rig.result.quarantine import QuarantineRecord
from rig.result.reading import load, rebuild
from rig.result.request import RequestRecord
from rig.result.rundir import RunDir
from rig.result.schema import results_schema
from rig.result.stats import Comparison, Summary, compare, least_change, summarize

__all__ = [
    "Attempt",
    "CaseResult",
    "Change",
    "Changes",
    "Comparison",
    "Difference",
    "FailedCheck",
    "FrameRecord",
    "GuestFacts",
    "GuestRecord",
    "HostRecord",
    "ImageRecord",
    "KeptEvidence",
    "LeakRecord",
    "MeasureContext",
    "MetricSamples",
    "OrderRecord",
    "Outcome",
    "PanicRecord",
    "QuarantineRecord",
    "RequestRecord",
    "Resumption",
    "RubbishRecord",
    "RunDir",
    "RunRecord",
    "StageTime",
    "Summary",
    "Verdict",
    "comparable",
    "compare",
    "compare_runs",
    "judge",
    "latest_run",
    "least_change",
    "load",
    "rebuild",
    "results_schema",
    "summarize",
    "worst",
]
