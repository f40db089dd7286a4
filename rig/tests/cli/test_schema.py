"""`rig schema`: what editors are given fits what users write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rig.cli import main
from rig.cli.schema import Kind, schema_of
from rig.paths import images_dir, probes_dir


def rig(*args: str) -> Any:
    return CliRunner().invoke(main.app, list(args))


KINDS: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "null": type(None),
}


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """What little of JSON Schema decides whether an editor underlines a file: keys, enums and types."""
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in schema:
        found = [faults(value, one, root, at) for one in schema["anyOf"]]
        return min(found, key=len)
    told = []
    allowed = schema.get("type", [])
    allowed = [allowed] if isinstance(allowed, str) else allowed
    if allowed and not any(isinstance(value, KINDS[one]) for one in allowed):
        return [f"{at}: no {' or '.join(allowed)}"]
    if "enum" in schema and value not in schema["enum"]:
        told.append(f"{at}: {value!r} is none of {schema['enum']}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            told += faults(item, schema.get("items", {}), root, f"{at}[{index}]")
    if isinstance(value, dict):
        told += [f"{at}: {key} is missing" for key in schema.get("required", []) if key not in value]
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        for key, item in value.items():
            if key in properties:
                told += faults(item, properties[key], root, f"{at}.{key}")
            elif isinstance(rest, dict):
                told += faults(item, rest, root, f"{at}.{key}")
            elif not rest:
                told.append(f"{at}: {key} is not allowed")
    return told


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_printed_as_json(kind):
    done = rig("schema", kind)
    assert done.exit_code == 0
    schema = json.loads(done.stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["properties"]


@pytest.mark.parametrize("path", sorted(images_dir().glob("*.yaml")), ids=lambda path: path.stem)
def test_every_image_fits(path: Path):
    schema = schema_of(Kind.IMAGE)
    assert faults(yaml.safe_load(path.read_text()), schema, schema) == []


@pytest.mark.parametrize("path", sorted(probes_dir().glob("*/*.yaml")), ids=lambda path: path.stem)
def test_every_manifest_fits(path: Path):
    schema = schema_of(Kind.MANIFEST)
    assert faults(yaml.safe_load(path.read_text()), schema, schema) == []


def test_what_does_not_fit_is_found():
    schema = schema_of(Kind.IMAGE)
    text = yaml.safe_load((images_dir() / "reference.yaml").read_text())
    del text["boot"]
    text["machine"]["nic"] = "virtio"
    text["colour"] = "red"
    assert len(faults(text, schema, schema)) == 3


def test_an_unknown_kind():
    done = rig("schema", "disk")
    assert done.exit_code == 2 and "disk" in done.output
