"""`rig schema`: the JSON Schema of what users write and read, for editors and other tools."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from rig.probe.manifest import ProbeManifest
from rig.spec import ImageSpec, MachineSpec, QuarantineSpec, SuiteSpec
from rig.spec.base import Spec


class Kind(StrEnum):
    """What has a schema."""

    IMAGE = "image"
    MACHINE = "machine"
    SUITE = "suite"
    QUARANTINE = "quarantine"
    MANIFEST = "manifest"
    RESULTS = "results"


_MODELS: dict[Kind, type[Spec]] = {
    Kind.IMAGE: ImageSpec,
    Kind.MACHINE: MachineSpec,
    Kind.SUITE: SuiteSpec,
    Kind.QUARANTINE: QuarantineSpec,
    Kind.MANIFEST: ProbeManifest,
}


def schema(kind: Annotated[Kind, typer.Argument(help="Which.")]) -> None:
    """Print a JSON Schema."""
    typer.echo(json.dumps(schema_of(kind), indent=2))


def schema_of(kind: Kind) -> dict[str, Any]:
    """The schema of one kind of file."""
    if kind is Kind.RESULTS:
        from rig.result import results_schema  # statistics come along

        return results_schema()
    found = _MODELS[kind].model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found}
