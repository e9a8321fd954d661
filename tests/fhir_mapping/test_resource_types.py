"""Every supported type has an example that is accepted and comes back the same; a new type is two files.

https://hl7.org/fhir/R4/resourcelist.html
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from domain.revision import encode
from fhir_mapping.resource_types import TYPES
from fhir_mapping.tables import RESOURCE_TYPES, _slices
from fhir_mapping.validation import Validation

EXAMPLES = Path(__file__).parent.parent / "examples"
PROJECT = EXAMPLES.parent.parent


def test_all_types_of_r4_are_supported() -> None:
    assert set(RESOURCE_TYPES) >= set(json.loads(bytes(_slices()[""])))
    assert len({each.name for each in TYPES}) == len(TYPES)


def test_every_type_has_an_example_and_every_example_a_type() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(RESOURCE_TYPES)


@pytest.mark.parametrize("name", RESOURCE_TYPES)
def test_the_example_is_accepted_and_comes_back_the_same(name: str) -> None:
    body = (EXAMPLES / f"{name}.json").read_bytes()
    content = Validation().decode(body, name)
    assert json.loads(encode(content), parse_float=str) == json.loads(body, parse_float=str)


ADDING_A_TYPE = """
from fhir_mapping import resource_types
from fhir_mapping.resource_types import ResourceType

row = ResourceType(
    "Transport",
    elements=(("status", "!s", "code", "request-status"), ("for", "s", "Reference", "", ["Patient"]),
              ("step", "*", "Transport.step")),
    backbones={"Transport.step": (("at", "!", "Reference", "", ["Location"]),)},
)
resource_types.TYPES += (row,)

import pytest
from domain.errors import InvalidContent
from fhir_mapping.validation import Validation

good = b'{"resourceType":"Transport","status":"active","for":{"reference":"Patient/1"},"step":[{"at":{"display":"x"}}]}'
assert Validation().decode(good, "Transport")["status"] == "active"
bad = b'{"resourceType":"Transport","status":"done","for":{"reference":"Device/1"},"step":[{"id":"a"}]}'
with pytest.raises(InvalidContent) as refused:
    Validation().decode(bad, "Transport")
assert {issue.expression for issue in refused.value.issues} == {
    "Transport.status", "Transport.for.reference", "Transport.step[0].at"}
"""


def test_a_new_type_is_a_row() -> None:
    """Its example is the second file. In a process of its own, since tables are made once."""
    done = subprocess.run(
        [sys.executable, "-c", ADDING_A_TYPE], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
