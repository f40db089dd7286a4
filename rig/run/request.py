"""What the command line asks for, and the same as the record keeps it: a run can be taken up again from that alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from rig.errors import InputError
from rig.machine import Network
from rig.result import RequestRecord
from rig.run.settings import RunSettings


@dataclass(frozen=True)
class TestRequest:
    """What the command line asks for."""

    __test__: ClassVar[bool] = False
    """Its name is no test's, whatever pytest thinks."""
    settings: RunSettings
    select: tuple[str, ...] = ()
    """Probes, mechanisms, `probe.case` ids or case names; empty: all."""
    keyword: str | None = None
    marks: str | None = None
    exit_first: bool = False
    last_failed: bool = False
    workers: str | None = None
    plain: bool | None = None
    probes: Path | None = None
    """A directory of the user's own probes instead of the rig's."""
    pytest_args: tuple[str, ...] = ()


OF_THE_CALL = frozenset({"settings", "plain", "run_dir", "part"})
"""Names that a record does not keep: each call has its own."""
_FILES = ("probes", "quarantine")


def to_record(request: TestRequest) -> RequestRecord:
    """The request as it is kept; files are named by their whole path."""
    plain: dict[str, Any] = {
        **asdict(request.settings),
        **{one.name: getattr(request, one.name) for one in fields(request)},
    }
    for name in _FILES:
        if plain[name] is not None:
            plain[name] = str(plain[name].expanduser().absolute())
    if "/" in plain["image"] or Path(plain["image"]).suffix in {".yaml", ".yml"}:
        plain["image"] = str(Path(plain["image"]).expanduser().absolute())
    return RequestRecord.model_validate({name: value for name, value in plain.items() if name not in OF_THE_CALL})


def from_record(kept: RequestRecord) -> TestRequest:
    """The request as it was. Raises `InputError` for one that no rig has written."""
    if kept.network not in set(Network):
        raise InputError(
            f"the run's record says network {kept.network!r}; known: {', '.join(Network)}",
            hint="Begin a new run: rig test",
        )
    plain: dict[str, Any] = dict(kept) | {"network": Network(kept.network)}
    plain |= {name: None if plain[name] is None else Path(plain[name]) for name in _FILES}
    mine = {one.name: plain[one.name] for one in fields(TestRequest) if one.name in plain}
    settings = {one.name: plain[one.name] for one in fields(RunSettings) if one.name in plain}
    return TestRequest(RunSettings(**settings), **mine)
