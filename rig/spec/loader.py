"""YAML to model, with errors that name file, line, key, what was found and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rig.errors import SpecError

Model = TypeVar("Model", bound=BaseModel)
Lines = dict[tuple[str | int, ...], int]
_SHOWN = 60


class _Loader(yaml.SafeLoader):
    """The safe loader, with duplicate keys refused (YAML itself forbids them; PyYAML keeps the last silently)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.value != "<<":
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_spec(model: type[Model], path: Path) -> Model:
    """Read one YAML file as `model`.

    Raises `SpecError` for a file that cannot be read, is no YAML, or does not fit the model.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise SpecError(f"{path}: not UTF-8 text (byte {fault.start})", hint="Save the file as UTF-8.") from fault
    except OSError as fault:
        raise SpecError(f"{path}: {fault.strerror}", hint="Check the path.") from fault
    return parse_spec(model, text, str(path))


def parse_spec(model: type[Model], text: str, origin: str) -> Model:
    """Read YAML text as `model`; `origin` names it in errors. Raises `SpecError`."""
    loader = _Loader(text)
    try:
        try:
            node = loader.get_single_node()
            data = loader.construct_document(node) if node is not None else None
        except (yaml.MarkedYAMLError, yaml.reader.ReaderError, RecursionError, ValueError) as fault:
            mark = getattr(fault, "problem_mark", None)
            where = f"{origin}:{mark.line + 1}" if mark else origin
            problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or str(fault)
            raise SpecError(f"{where}: not readable as YAML: {problem}") from fault
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"{_shown(data)}"
        raise SpecError(f"{origin}:1: found {found}, expected a mapping of keys to values")
    lines: Lines = {}
    _collect_lines(node, (), lines)
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        raise SpecError(_explain(model, origin, fault.errors(), lines)) from fault


def _collect_lines(node: yaml.Node | None, path: tuple[str | int, ...], lines: Lines) -> None:
    if node is None or path in lines:
        return
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            child = (*path, str(key.value))
            _collect_lines(value, child, lines)
            lines[child] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect_lines(value, (*path, index), lines)


def _explain(model: type[BaseModel], origin: str, errors: Sequence[ErrorDetails], lines: Lines) -> str:
    return "\n".join(_one(model, origin, error, lines) for error in errors)


def _one(model: type[BaseModel], origin: str, error: ErrorDetails, lines: Lines) -> str:
    loc = tuple(error["loc"])
    line = next((lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in lines), 1)
    key = ".".join(str(part) for part in loc)
    where = f"{origin}:{line}: " + (f"{key}: " if key else "")
    kind = error["type"]
    if kind == "extra_forbidden":
        allowed = sorted(_fields_at(model, loc[:-1]))
        near = difflib.get_close_matches(str(loc[-1]), allowed, 1)
        guess = f" (did you mean {near[0]!r}?)" if near else ""
        return f"{where}unknown key{guess}; allowed here: {', '.join(allowed)}"
    if kind == "missing":
        return f"{where}this key is missing and must be given"
    message = error["msg"].removeprefix("Value error, ")
    if kind == "value_error" and not isinstance(error["input"], str | int | float):
        return f"{where}{message}"
    return f"{where}found {_shown(error['input'])}; {message[:1].lower()}{message[1:]}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _fields_at(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """Names of the keys that the model allows at `path`; empty where the path leaves the models."""
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part) if _is_model(current) else None
        if field is None:
            return set()
        current = _model_in(field.annotation)
    return set(current.model_fields) if _is_model(current) else set()


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _model_in(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg)) is not None), None)
