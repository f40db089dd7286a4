"""The base of every record: a frozen model whose published schema says that all of its fields are always written."""

from __future__ import annotations

from pydantic import ConfigDict

from rig.spec.base import Spec


class Record(Spec):
    """Part of what a run stores. Fields it does not know are refused, as in a spec."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)
