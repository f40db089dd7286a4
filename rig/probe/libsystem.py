"""What is known of the libSystems that probes meet: which of them exports which name that a probe imports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from rig import paths
from rig.errors import HostError
from rig.spec.base import Spec
from rig.spec.loader import load_spec

ListName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]

_HEAD = """\
# The names that the Darwin probes import, and which recorded libSystems export them.
# `lists` and `symbols` are written by
#     rig probes check --update-fixture --exports NAME=SDK-OR-LIST [--exports ...]
# which keeps the rest; without --exports it only drops names that no probe imports any more.
# A name in `absent` may be imported weakly though the reference does not export it; one in `assumed` counts as
# exported by all. Both want their reason.
"""


class ExportList(Spec):
    """One recorded list."""

    exports: Annotated[int, Field(ge=1)]
    """How many names it has."""
    note: str = ""
    """Whose it is."""


class Fixture(Spec):
    """The file `libsystem.yaml`."""

    reference: ListName
    lists: dict[ListName, ExportList]
    assumed: dict[str, str] = Field(default_factory=dict)
    absent: dict[str, str] = Field(default_factory=dict)
    symbols: dict[str, tuple[ListName, ...]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Symbols:
    """Answers to: does this libSystem export that name?"""

    lists: Mapping[str, Collection[str]]
    """The names that each list is known to export."""
    origin: str
    """Where the answers come from, for messages."""
    reference: str = ""
    """The list that a weak import must at least be in, since a name that no libSystem ever had is a slip of the pen.
    Empty: weak imports are not judged."""
    assumed: Collection[str] = ()
    absent: Collection[str] = ()
    covered: Collection[str] | None = None
    """The names of which anything can be said; None: the lists are whole, so of all."""

    @classmethod
    def recorded(cls, fixture: Fixture, origin: str) -> Symbols:
        """What the fixture says: of the names that probes import, and of no others."""
        lists = {name: {s for s, having in fixture.symbols.items() if name in having} for name in fixture.lists}
        covered = fixture.symbols.keys() | fixture.assumed.keys() | fixture.absent.keys()
        return cls(lists, origin, fixture.reference, fixture.assumed, fixture.absent, covered)

    @classmethod
    def given(cls, lists: Mapping[str, Collection[str]], fixture: Fixture) -> Symbols:
        """What whole lists say. The fixture's hand-written parts hold beside them."""
        reference = fixture.reference if fixture.reference in lists else ""
        return cls(lists, " and ".join(lists), reference, fixture.assumed, fixture.absent)

    def knows(self, name: str) -> bool:
        """Whether anything can be said of this name."""
        return self.covered is None or name in self.covered

    def lacking(self, name: str) -> tuple[str, ...]:
        """The lists that are not known to export it."""
        return () if name in self.assumed else tuple(part for part, names in self.lists.items() if name not in names)

    def sane_weak(self, name: str) -> bool:
        """Whether a weak import of it can be anything but null, or is declared to be null."""
        return not self.reference or name in self.absent or self.reference not in self.lacking(name)


def fixture_path() -> Path:
    """Where the fixture is."""
    return paths.data_root() / "fixtures" / "abi" / "libsystem.yaml"


def load_fixture(path: Path | None = None) -> Fixture:
    """Read the fixture; one without lists if there is no such file. Raises `SpecError`."""
    path = path or fixture_path()
    return load_spec(Fixture, path) if path.exists() else Fixture(reference="darwin-17", lists={})


def update_fixture(old: Fixture, lists: Mapping[str, frozenset[str]], imports: Iterable[str]) -> Fixture:
    """The fixture for these imports: names that are no longer imported go, new ones come if there are lists.

    Lists that are not given keep what they were known to export; of a new name it is then not known that they do.
    """
    counts = dict(old.lists)
    for name, names in lists.items():
        note = old.lists[name].note if name in old.lists else ""
        counts[name] = ExportList(exports=len(names), note=note)

    def having(symbol: str) -> tuple[str, ...]:
        kept = old.symbols.get(symbol, ())
        return tuple(name for name in counts if (symbol in lists[name] if name in lists else name in kept))

    wanted = set(imports) - old.assumed.keys() - old.absent.keys()
    symbols = {symbol: having(symbol) for symbol in sorted(wanted) if lists or symbol in old.symbols}
    return old.model_copy(update={"lists": counts, "symbols": symbols})


def write_fixture(fixture: Fixture, path: Path | None = None) -> Path:
    """Write the fixture, one symbol a line. Raises `HostError` when the disk refuses."""
    path = path or fixture_path()
    plain = fixture.model_dump(mode="json", exclude_defaults=True)
    symbols: dict[str, Sequence[str]] = plain.pop("symbols", {})
    body = yaml.safe_dump(plain, sort_keys=False, allow_unicode=False, width=110)
    lines = [f"  {name}: [{', '.join(having)}]\n" for name, having in symbols.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_HEAD + body + "symbols:\n" + "".join(lines), encoding="utf-8")
    except OSError as fault:
        raise HostError(f"cannot write {path}: {fault.strerror}") from fault
    return path
