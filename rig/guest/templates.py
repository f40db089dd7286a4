"""The warm templates of this user: found by key, made once under a lock, bounded in disk use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from rig.errors import InputError, RigError
from rig.events import Events
from rig.image import space
from rig.image.locks import exclusive
from rig.machine.guard import guard
from rig.machine.template import META, DamagedTemplateError, Template
from rig.paths import cache_dir, ensure

DEFAULT_LIMIT = 12 << 30
"""Bytes on disk. A template of the reference guest takes 0.15 GiB, one of Darwin with 2 GiB of RAM about 1."""
_VARIABLE = "RIG_TEMPLATES_GIB"
_WHAT = "keep a warm template"


def key_of(facts: Mapping[str, str]) -> str:
    """The key of what shapes a template: 24 hex digits."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:24]


def limit_bytes() -> int:
    """How much disk all templates may take; `RIG_TEMPLATES_GIB` says otherwise. Raises `InputError`."""
    given = os.environ.get(_VARIABLE)
    if not given:
        return DEFAULT_LIMIT
    try:
        gib = float(given)
    except ValueError:
        gib = -1.0
    if not 0 <= gib < 1 << 20:
        raise InputError(f"{_VARIABLE}={given}: found no number of GiB", hint="For example 12, or unset it.")
    return int(gib * (1 << 30))


class Templates:
    """The directory of all templates. Safe under several processes."""

    def __init__(self, root: Path | None = None, events: Events | None = None) -> None:
        self.root = root or cache_dir() / "templates"
        self.events = events or Events()

    def all(self) -> list[Template]:
        """Every template that is whole, most recently used first."""
        found = []
        for path in self.root.glob(f"*/{META}"):
            if path.parent.name.startswith("."):
                continue  # in the making
            with contextlib.suppress(DamagedTemplateError):
                found.append(Template.read(path.parent))
        return sorted(found, key=lambda template: template.last_used, reverse=True)

    def find(self, key: str) -> Template | None:
        """The template of this key, checked; one that is damaged is removed, and the event says why."""
        directory = self.root / key
        if not directory.is_dir():
            return None
        try:
            template = Template.read(directory)
            template.check()
        except DamagedTemplateError as fault:
            self.remove(key, f"it is damaged: {fault}")
            return None
        with contextlib.suppress(OSError):
            template.used()
        return template

    def make(self, key: str, fill: Callable[[Path], Template]) -> Template:
        """The template of this key, made by `fill(directory)` unless another process has made it meanwhile.

        `fill` writes into a directory that becomes the template's when it returns, and goes when it raises, or when
        this process is killed. Raises what `fill` raises, `HostError`, and `InputError` for a limit that is none.
        """
        limit_bytes()  # before the boot, not behind it
        with self._lock(key):
            found = self.find(key)
            if found is not None:
                return found
            self._clear_remains(key)
            with space.explained(self.root, _WHAT):
                making = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=self.root))
            guard.add(making)
            try:
                made = fill(making)
                with space.explained(self.root, _WHAT):
                    making.rename(self.root / key)
            finally:
                shutil.rmtree(making, ignore_errors=True)
                guard.drop(making)
        self.trim(keep=key)
        return Template(self.root / key, made.meta)

    def remove(self, key: str, why: str) -> None:
        """Remove one; guests restored from it run on, for their QEMU holds its files open."""
        with contextlib.suppress(OSError):
            gone = Path(tempfile.mkdtemp(prefix=f".{key}-gone-", dir=self.root))
            try:
                (self.root / key).rename(gone)
                self.events.emit("template.removed", key=key, reason=why)
            finally:
                shutil.rmtree(gone, ignore_errors=True)

    def remove_damaged(self) -> int:
        """Remove what cannot be read: nothing asks for its key, perhaps never again; returns how many.

        What is in the making has a name with a dot in front, and is whole under its own from the first moment.
        """
        count = 0
        for path in [one for one in self.root.glob("[!.]*") if one.is_dir()]:
            try:
                Template.read(path)
            except DamagedTemplateError as fault:
                self.remove(path.name, f"it is damaged: {fault}")
                count += not path.exists()
        return count

    def trim(self, keep: str = "") -> None:
        """Remove the longest unused until the rest fits the limit; never `keep`."""
        limit = limit_bytes()
        self.remove_damaged()
        total = 0
        for template in self.all():
            total += template.size
            if total > limit and template.meta.key != keep:
                self.remove(template.meta.key, f"all templates together took more than {limit / (1 << 30):g} GiB")

    def give_up(self, key: str, why: str) -> None:
        """Note that a guest of this key cannot be saved: it is booted cold from now on."""
        with contextlib.suppress(OSError, RigError):
            ensure(self.root)
            (self.root / f"{key}.unsavable").write_text(why, encoding="utf-8")

    def gave_up(self, key: str) -> str:
        """Why a guest of this key cannot be saved; empty where that is not known."""
        try:
            return (self.root / f"{key}.unsavable").read_text(encoding="utf-8")
        except OSError:
            return ""

    def failures(self) -> list[str]:
        """Why guests cannot be saved, one reason a kind of guest."""
        return [why for note in sorted(self.root.glob("*.unsavable")) if (why := self.gave_up(note.stem))]

    def forget_failures(self) -> int:
        """Let guests that could not be saved be tried again; returns how many."""
        notes = list(self.root.glob("*.unsavable"))
        for note in notes:
            note.unlink(missing_ok=True)
        return len(notes)

    def _lock(self, key: str) -> contextlib.AbstractContextManager[None]:
        return exclusive(
            ensure(self.root) / f"{key}.lock",
            waiting=lambda: self.events.emit("template.waiting", key=key),
            what=_WHAT,
        )

    def _clear_remains(self, key: str) -> None:
        """What processes left that were killed, their keepers too, in the making of this template, whose lock is held.

        And of any other that nobody makes now: its key may never be asked for again.
        """
        for path in self.root.glob(".*-*"):
            whose = path.name[1:].partition("-")[0]
            if whose == key:
                shutil.rmtree(path, ignore_errors=True)
                continue
            lock = FileLock(self.root / f"{whose}.lock")
            with contextlib.suppress(Timeout, OSError), lock.acquire(timeout=0):
                shutil.rmtree(path, ignore_errors=True)
