"""YAML text to plain data, and the line that each key stands on.

PyYAML's safe loader, less what surprises a writer of specs: a key given twice is refused (PyYAML keeps the last), and
`52:54:00:12:34:56` or `2026-01-02` stay text (YAML 1.1 reads a number in base 60 and a date).
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from rig.errors import SpecError

Lines = dict[tuple[str, ...], int]
"""Line, from 1, of the key at a path. A list's elements have their index, from 0, as text."""
_MOST_LINES = 20_000
_DEEPEST = 64
_INT = r"""^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+)$"""
_FLOAT = r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"""
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """The safe loader with the three changes named above."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own way of keeping them)
        first: [rule for rule in rules if rule[0] not in {f"{_TAG}int", f"{_TAG}float", f"{_TAG}timestamp"}]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

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


_Loader.add_implicit_resolver(f"{_TAG}int", re.compile(_INT), list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAG}float", re.compile(_FLOAT, re.VERBOSE), list("-+0123456789."))


def read_yaml(text: str, origin: str) -> tuple[Any, Lines]:
    """The one document in `text` as plain data, with its lines. Raises `SpecError` for text that is no YAML."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            data = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f"{origin}:{mark.line + 1}" if mark else origin
        problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or str(fault)
        raise SpecError(f"{where}: not readable as YAML: {problem}") from fault
    except RecursionError as fault:
        raise SpecError(f"{origin}: not readable as YAML: nested too deep") from fault
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as fault:
        # What PyYAML's constructors raise for a value that does not fit the tag in front of it, such as `!!bool maybe`.
        raise SpecError(f"{origin}: not readable as YAML: a value does not fit its type: {fault}") from fault
    return data, _lines_of(node)


def _lines_of(root: yaml.Node | None) -> Lines:
    """Bounded, because an alias may hold itself, or a few lines of aliases millions of values."""
    lines: Lines = {}
    waiting: list[tuple[tuple[str, ...], yaml.Node]] = [((), root)] if root is not None else []
    while waiting and len(lines) < _MOST_LINES:
        path, node = waiting.pop()
        lines.setdefault(path, node.start_mark.line + 1)
        if len(path) == _DEEPEST:
            continue
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                child = (*path, str(key.value))
                lines[child] = key.start_mark.line + 1
                waiting.append((child, value))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [((*path, str(index)), value) for index, value in enumerate(node.value)]
    return lines
