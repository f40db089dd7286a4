"""Short scripts, booted."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig.guest import Guest, boot_guest
from rig.spec import parse_spec
from rig.tests.fakeguest.disk import Bench
from rig.tests.fakeguest.script import Script

Boot = Callable[[str], Guest]
_HEAD = """
what: a test
image: {boot: {stages: [{name: up, pattern: 'UP', deadline: 120}], stuck: {}}, console: {input_rate: 2000}}
steps:
"""


def script_of(steps: str) -> Script:
    return parse_spec(Script, _HEAD + textwrap.indent(textwrap.dedent(steps), "  "), "here")


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    """Boot these steps, the first of which says UP."""
    with contextlib.ExitStack() as stack:
        yield lambda steps: stack.enter_context(
            boot_guest(Bench(tmp_path).stored(script_of(steps)), Bench(tmp_path).options(console_only=True))
        )
