"""Bundles read lazily and as strictly as everything else. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidContent
from domain.interactions.entries import Entry
from domain.revision import encode
from fhir_mapping.bundle_reading import decode_bundle
from fhir_mapping.validation import Validation

validation = Validation()
POST = {"method": "POST", "url": "Patient"}
PATIENT = {"resourceType": "Patient", "active": True}


def bundle(*entries: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": list(entries), **more}).encode()


def places(refused: pytest.ExceptionInfo[InvalidContent]) -> list[str | None]:
    return [issue.expression for issue in refused.value.issues]


def test_each_entry_keeps_its_resource_as_it_was_sent() -> None:
    resource = b'{ "resourceType" : "Patient", "multipleBirthInteger" : 1 }'
    body = (
        b'{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",'
        b'"resource":' + resource + b',"request":{"method":"PUT","url":"Patient/1","ifMatch":"W/\\"1\\""}},'
        b'{"request":{"method":"GET","url":"Patient/1"}}]}'
    )
    read = decode_bundle(body)
    assert read.type == "batch"
    assert read.entries == [
        Entry(
            full_url="urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            method="PUT",
            url="Patient/1",
            if_none_exist=None,
            if_match='W/"1"',
            if_none_match=None,
            if_modified_since=None,
            resource=resource,
        ),
        Entry(method="GET", url="Patient/1"),
    ]


def test_equal_resources_are_each_found() -> None:
    entry = {"resource": PATIENT, "request": POST}
    assert [e.resource for e in decode_bundle(bundle(entry, entry, entry)).entries] == [
        json.dumps(PATIENT).encode()
    ] * 3


def test_an_empty_bundle_has_no_entries() -> None:
    assert decode_bundle(b'{"resourceType":"Bundle","type":"batch"}').entries == []


@pytest.mark.parametrize(
    ("body", "expression"),
    [
        (bundle({"resource": PATIENT}), "Bundle.entry[0].request"),
        (bundle({"request": POST}), "Bundle.entry[0].resource"),
        (bundle({"resource": PATIENT, "request": {"method": "POST"}}), "Bundle.entry[0].request.url"),
        (bundle({"resource": PATIENT, "request": {**POST, "method": "FETCH"}}), "Bundle.entry[0].request.method"),
        (bundle({"resource": PATIENT, "request": {**POST, "ifFoo": "x"}}), "Bundle.entry[0].request.ifFoo"),
        (bundle({"resource": [], "request": POST}), "Bundle.entry[0].resource"),
        (bundle({"resource": None, "request": POST}), "Bundle.entry[0].resource"),
        (bundle({"resource": PATIENT, "request": POST}, {}), "Bundle.entry[1]"),
        (bundle({"resource": PATIENT, "request": POST}, type="document"), "Bundle.type"),
        (bundle({"resource": PATIENT, "request": POST}, total=1, foo=1), "Bundle.foo"),
        (b'{"resourceType":"Bundle","type":"batch","entry":{}}', "Bundle.entry"),
        (b'{"resourceType":"Bundle","type":"batch","entry":[7]}', "Bundle.entry[0]"),
        (b'{"resourceType":"Patient"}', "Bundle"),
        (b"[" * 5000, None),
        (b"\xff", None),
    ],
)
def test_a_bad_envelope_is_refused(body: bytes, expression: str | None) -> None:
    with pytest.raises(InvalidContent) as refused:
        decode_bundle(body)
    assert expression in places(refused)


@pytest.mark.parametrize(
    ("entry", "expression"),
    [
        (b'{"resource":%b,"resource":%b,"request":%b}', "Bundle.entry[0].resource"),
        (b'{"resource" : %b, "resource" : %b,"request" :%b}', "Bundle.entry[0].resource"),
        (b'{"resource":%b,"extension":[%b],"request":%b}', "Bundle.entry[0].extension[0].url"),
    ],
)
def test_nothing_hides_behind_a_second_resource(entry: bytes, expression: str) -> None:
    resource = b'{"resourceType":"Patient","active":true}'
    entry %= (resource, resource, json.dumps(POST).encode())
    with pytest.raises(InvalidContent) as refused:
        decode_bundle(b'{"resourceType":"Bundle","type":"batch","entry":[%b]}' % entry)
    assert expression in places(refused)


def test_real_transactions_are_read_back_the_same(shared: Path) -> None:
    for path in sorted((shared / "data" / "synthea-5").glob("*.json")):
        body = path.read_bytes()
        for entry in decode_bundle(body).entries:
            content = validation.decode(entry.resource or b"", None)
            assert json.loads(encode(content), parse_float=str) == json.loads(entry.resource or b"", parse_float=str)
