"""The official examples and the official validator's own cases. https://hl7.org/fhir/R4/downloads.html

Of the validator corpus, files of which the corpus itself lists the very same bytes both as clean and as erroneous (it
runs them with different options: comments in JSON, bad ids of contained resources …) prove nothing when refused.
What is not refused here needs what a document store does not have: the content of SNOMED CT, LOINC and CVX (display
names), the definitions of extensions nobody sent, the resolution of references, the verification of signatures.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidContent
from domain.revision import encode
from fhir_mapping.bundle_reading import decode_bundle
from fhir_mapping.validation import Validation

pytestmark = pytest.mark.slow
validation = Validation()


def members(archive: Path, suffix: str = ".json") -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None and member.name.endswith(suffix):
                yield member.name.partition("/")[2], file.read()


def refused(body: bytes) -> bool:
    try:
        validation.decode(body, None)
    except InvalidContent as error:
        return len(error.issues) > 0
    return False


def texts(body: bytes) -> Any:
    """The JSON with numbers as their text."""
    return json.loads(body, parse_float=str, parse_int=str)


@pytest.mark.slow
def test_the_official_examples_are_accepted_and_come_back_equal(shared: Path) -> None:
    examples = dict(members(shared / "data" / "hl7-r4-examples.tar.xz"))
    examples = {name: body for name, body in examples.items() if "resourceType" in json.loads(body)}
    accepted = 0
    for body in examples.values():
        if not refused(body):
            accepted += 1
            assert texts(encode(validation.decode(body, None))) == texts(body)
    assert len(examples) == 725
    assert accepted >= 715


def test_the_validator_corpus_is_judged_like_the_validator_does(shared: Path) -> None:
    files = dict(members(shared / "data" / "fhir-test-cases.tar.xz"))
    cases = [case for case in json.loads(files["r4_json_validation_expectations.json"]) if case["base_only"]]
    erroneous = [files[case["file"]] for case in cases if case["errors"]]
    clean = {case["name"]: files[case["file"]] for case in cases if not case["errors"]}
    assert (len(erroneous), len(clean)) == (117, 91)
    assert sum(refused(body) for body in erroneous) >= 95
    assert [name for name, body in clean.items() if body not in erroneous and refused(body)] == []


def test_nothing_in_synthetic_patients_is_refused(shared: Path) -> None:
    """Synthea data with codes that SNOMED CT does not have, conditional references, batches of thousands."""
    for path in sorted((shared / "data" / "synthea-conditional-12").glob("**/*.json")):
        for entry in decode_bundle(path.read_bytes()).entries:
            assert entry.resource is not None
            assert not refused(entry.resource)
