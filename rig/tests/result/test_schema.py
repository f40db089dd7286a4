from __future__ import annotations

import json

from rig.result import results_schema
from rig.result.schema import SCHEMA_FILE
from rig.tests.result.test_model import record


def test_the_published_schema_is_the_model() -> None:
    """After a change of the model: `rig report schema > rig/result/results.schema.json`, and see its version."""
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == results_schema()


def test_it_names_what_a_record_holds() -> None:
    schema = results_schema()
    stored = json.loads(record().model_dump_json())
    assert set(schema["properties"]) == set(stored)
    assert set(schema["required"]) == set(stored)
    assert schema["additionalProperties"] is False
    assert "description" in schema["$defs"]["CaseResult"]["properties"]["reason"]
