"""Kernel extensions in a Darwin panic: those in the backtrace with their dependencies, and the list of all loaded."""

from __future__ import annotations

import re

from rig.console.panics.model import Kext, LoadedModule, Panic

_HEADING = re.compile(r"^Kernel (?:Extensions|loadable modules) in backtrace")
_ADDRESS = r"(?:0x)?[0-9a-fA-F]{1,16}"
_KEXT = re.compile(
    r"^(?P<dependency>dependency: )?(?P<name>[\w.@>|!$+-]+)\((?P<version>[^()]*)\)(?:\[(?P<uuid>[0-9A-Fa-f-]*)\])?"
    rf"(?:@(?P<start>{_ADDRESS})(?:->(?P<end>{_ADDRESS})?)?)?$"
)
"""Old kernels, and people who shorten, leave the addresses out."""
_LISTING = re.compile(r"^(?P<un>un)?loaded kexts:(?: \(.*\))?$")
"""ARM's kernels skip it, and say so."""
_LISTED = re.compile(r"^(?P<name>[\w.@>|!$+-]+)\t(?P<version>\d.*)$")
_SPACED = re.compile(r"^(?P<name>(?=\S*[.@>|!])[\w.@>|!$+-]+) +(?P<version>\d\S*(?: - last .*| \(addr .*)?)$")
"""Tabs are lost where a log was copied from a screen; only what can be no word of prose is a name then."""
_TAIL = re.compile(r" *(?:- last (?:un)?loaded \d+|\(addr .*)$")
_LAST = re.compile(r"^last (?P<what>started|loaded|stopped|unloaded) kext at \d+: (?P<kext>.*)$")
_LIMIT = 2000


class KextLists:
    """Fills a panic's kexts."""

    def __init__(self, panic: Panic) -> None:
        self._panic = panic
        self._listing = ""
        self._headed = False

    def take(self, text: str) -> bool:
        """Whether the line is about kernel extensions."""
        if _HEADING.match(text):
            self._headed = True
            return True
        return self._in_backtrace(text) or self._last(text) or self._listed(text)

    def _in_backtrace(self, text: str) -> bool:
        found = _KEXT.match(text)
        if not found or not (found["start"] or self._headed):
            return False
        kext = Kext(found["name"], found["version"], found["uuid"] or "", found["start"] or "", found["end"] or "")
        kexts = self._panic.kexts
        room = kexts[-1].dependencies if found["dependency"] and kexts else kexts
        if len(room) < _LIMIT and kext.name not in {one.name for one in room}:
            room.append(kext)
        return True

    def _last(self, text: str) -> bool:
        found = _LAST.match(text)
        if found:
            kext = found["kext"].replace("\t", " ")
            if found["what"] in {"started", "loaded"}:
                self._panic.last_started_kext = kext
            else:
                self._panic.last_stopped_kext = kext
        return found is not None

    def _listed(self, text: str) -> bool:
        heading = _LISTING.match(text)
        if heading:
            self._listing = "unloaded" if heading["un"] else "loaded"
            self._panic.complete = True
            return True
        if not self._listing:
            return False
        found = _LISTED.match(text) or _SPACED.match(text)
        if not found:
            return text == "(none)"
        if self._listing == "unloaded":
            self._panic.last_stopped_kext = self._panic.last_stopped_kext or text.replace("\t", " ")
        elif len(self._panic.modules) < _LIMIT:
            module = LoadedModule(found["name"], _TAIL.sub("", found["version"]))
            if self._panic.modules[-1:] != [module]:
                self._panic.modules.append(module)
        return True
