"""YAML to model, with errors that name file, line, key, what was found and what is allowed."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rig.errors import SpecError
from rig.spec.yamltext import Lines, read_yaml

Model = TypeVar("Model", bound=BaseModel)
_MOST_FAULTS = 20
_MOST_BYTES = 4 << 20
_SHELLS_PIPES = (("/", "dev"), ("/", "proc"))
"""Where a shell's `<(...)` and standard input are: somebody writes to these."""
_WORDS = {
    "string_type": "should be text",
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "model_attributes_type": "should be a mapping of keys to values",
}
"""Python's names for YAML's types, in the words of somebody who writes YAML."""

_CONTAINERS = (list, tuple, dict)
_brief = reprlib.Repr()  # bounded: a value may hold itself, or be a million others by way of aliases
_brief.maxlevel, _brief.maxdict, _brief.maxlist = 2, 3, 3
_brief.maxstring, _brief.maxlong, _brief.maxother = 60, 40, 60


def load_spec(model: type[Model], path: Path) -> Model:
    """Read one YAML file as `model`.

    Raises `SpecError` for a file that cannot be read, is no YAML, or does not fit the model.
    """
    return parse_spec(model, read_spec(path), str(path))


def read_spec(path: Path) -> str:
    """The file's text. Raises `SpecError` for one that cannot be read, or that nobody can have written by hand."""
    try:
        if path.is_fifo() and path.parts[:2] not in _SHELLS_PIPES:
            # Opened, it would wait for a writer for ever; one such thing in a catalogue would stop every command.
            raise SpecError(f"{path}: is a named pipe, a file is wanted", hint="Check the path.")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise SpecError(f"{path}: has more than {_MOST_BYTES >> 20} MiB: no such file is", hint="Check the path.")
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as fault:
        raise SpecError(f"{path}: not UTF-8 text (byte {fault.start})", hint="Save the file as UTF-8.") from fault
    except OSError as fault:
        raise SpecError(f"{path}: {fault.strerror}", hint="Check the path.") from fault
    except ValueError as fault:  # a name with a NUL, or with half a character: YAML can write both
        raise SpecError(f"{str(path)!r}: no file can have this name", hint="Check the path.") from fault


def parse_spec(model: type[Model], text: str, origin: str) -> Model:
    """Read YAML text as `model`; `origin` names it in errors. Raises `SpecError` with all faults, one a line."""
    data, lines = read_yaml(text, origin)
    if not isinstance(data, dict):
        found = "nothing" if data is None else _brief.repr(data)
        raise SpecError(f"{origin}:1: found {found}, expected a mapping of keys to values")
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        raise SpecError(_explain(model, origin, fault.errors(include_url=False), lines)) from fault


def _explain(model: type[BaseModel], origin: str, errors: Sequence[ErrorDetails], lines: Lines) -> str:
    told = [_one(model, origin, error, lines) for error in errors[:_MOST_FAULTS]]
    more = len(errors) - len(told)
    return "\n".join(told + [f"{origin}: and {more} faults more"] * (more > 0))


def _one(model: type[BaseModel], origin: str, error: ErrorDetails, lines: Lines) -> str:
    # pydantic marks a fault of a mapping's key, rather than of its value, by a last part of its own.
    loc = tuple(str(part) for part in error["loc"] if part != "[key]")
    line = next((lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in lines), 1)
    key = ".".join(loc)
    where = f"{origin}:{line}: " + (f"{key}: " if key else "")
    kind = error["type"]
    if kind == "extra_forbidden":
        allowed = sorted(_fields_at(model, loc[:-1]))
        near = difflib.get_close_matches(loc[-1], allowed, 1)
        guess = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{where}unknown key{guess}; allowed here: {', '.join(allowed)}"
    if kind == "missing":
        return f"{where}this key is missing and must be given"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if kind == "value_error" and not isinstance(error["input"], str | int | float):
        return f"{where}{message}"
    message = _WORDS.get(kind, f"{message[:1].lower()}{message[1:]}")
    if kind == "string_type" and isinstance(error["input"], bool | int | float):
        message += ": put it in quotes"
    return f"{where}found {_brief.repr(error['input'])}; {message}"


def _fields_at(model: type[BaseModel], path: Sequence[str]) -> set[str]:
    """Names of the keys that the model allows at `path`; empty where the path leaves the models."""
    current: Any = model
    for part in path:
        found = _model_in(current)
        if found is None:
            current = _element(current)  # `part` is an index, or a key that the user chose
        else:
            field = found.model_fields.get(part)
            current = field.annotation if field is not None else None
    found = _model_in(current)
    return set(found.model_fields) if found is not None else set()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that this type is, or may be (`Model | None`)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in _CONTAINERS:
        return None
    return next((found for arg in get_args(annotation) if (found := _model_in(arg)) is not None), None)


def _element(annotation: Any) -> Any:
    """What a list or a mapping of this type holds."""
    if get_origin(annotation) in _CONTAINERS:
        return next((arg for arg in reversed(get_args(annotation)) if arg is not Ellipsis), None)
    return next((found for arg in get_args(annotation) if (found := _element(arg)) is not None), None)
