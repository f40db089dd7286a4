"""Text as key presses: a US keyboard's, by QEMU's names of keys (qcodes; qapi/ui.json, QKeyCode)."""

from __future__ import annotations

import string

from rig.errors import InputError

Chord = tuple[str, ...]
"""Keys that are pressed together."""

_PLAIN = {
    " ": "spc", "-": "minus", "=": "equal", "[": "bracket_left", "]": "bracket_right", ";": "semicolon",
    "'": "apostrophe", "`": "grave_accent", "\\": "backslash", ",": "comma", ".": "dot", "/": "slash",
    "\n": "ret", "\t": "tab", "\b": "backspace", "\x1b": "esc",
}  # fmt: skip
_SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./", strict=True))
_BY_CHARACTER: dict[str, Chord] = {
    **{character: (character,) for character in string.ascii_lowercase + string.digits},
    **{character: ("shift", character.lower()) for character in string.ascii_uppercase},
    **{character: (key,) for character, key in _PLAIN.items()},
}
_BY_CHARACTER |= {character: ("shift", *_BY_CHARACTER[below]) for character, below in _SHIFTED.items()}


def chords(text: str) -> list[Chord]:
    """What to press for each character. Raises `InputError` for one that such a keyboard does not have."""
    absent = sorted({character for character in text if character not in _BY_CHARACTER})
    if absent:
        raise InputError(f"not to be typed on a US keyboard: {', '.join(map(repr, absent))}")
    return [_BY_CHARACTER[character] for character in text]
