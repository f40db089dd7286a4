"""The published JSON schema of results.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rig.result.model import SCHEMA_VERSION, RunRecord

SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
"""The schema as it is published; a test holds it to the model."""


def results_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of results.json."""
    schema = RunRecord.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Results of a run of the rig, version {SCHEMA_VERSION}",
        **{key: value for key, value in schema.items() if key != "title"},
    }
