"""https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.errors import InvalidRequest, UnsupportedMedia
from domain.revision import encode
from fhir_mapping.patches import JSON_PATCH, PatchDocuments

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "meta": {"versionId": "2", "lastUpdated": "2026-01-31T10:00:00.000Z", "tag": [{"code": "t"}]},
    "active": True,
}
FHIRPATH_PATCH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Patient.active"},
                {"name": "value", "valueBoolean": False},
            ],
        }
    ],
}


def apply(body: Any, media_type: str = JSON_PATCH) -> dict[str, Any]:
    return PatchDocuments().apply(PATIENT, body if isinstance(body, bytes) else json.dumps(body).encode(), media_type)


@pytest.mark.parametrize("media_type", [JSON_PATCH, "Application/JSON-Patch+json; charset=utf-8"])
def test_json_patch_is_read(media_type: str) -> None:
    assert apply([{"op": "replace", "path": "/active", "value": False}], media_type)["active"] is False
    assert PATIENT["active"] is True


@pytest.mark.parametrize("media_type", ["application/fhir+json", "application/json; fhirVersion=4.0"])
def test_fhirpath_patch_is_read(media_type: str) -> None:
    assert apply(FHIRPATH_PATCH, media_type)["active"] is False


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/plain", b"x"),
        ("", b"[]"),
        ("application/xml-patch+xml", b"<diff/>"),
        ("application/merge-patch+json", b"{}"),
        ("application/json", b'{"active":false}'),
        ("application/fhir+json", b'{"resourceType":"Patient","active":false}'),
        ("application/json", b"[]"),
    ],
)
def test_other_formats_are_refused_as_media_types(media_type: str, body: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        apply(body, media_type)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        apply(b'[{"op":"test","op":"remove","path":"/active"}]')


@pytest.mark.parametrize("body", [b"", b"{", b'["\xff"]', b"[" * 5000, b"[1e]"])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        apply(body)


@pytest.mark.parametrize(
    ("operation", "element"),
    [
        ({"op": "replace", "path": "/id", "value": "zzz"}, "Patient.id"),
        ({"op": "remove", "path": "/id"}, "Patient.id"),
        ({"op": "replace", "path": "/resourceType", "value": "Practitioner"}, "Patient.resourceType"),
        ({"op": "replace", "path": "", "value": {"resourceType": "Patient", "id": "2"}}, "Patient.id"),
        ({"op": "replace", "path": "/meta/versionId", "value": "9"}, "Patient.meta.versionId"),
        ({"op": "replace", "path": "/meta", "value": {"lastUpdated": "2000"}}, "Patient.meta.lastUpdated"),
        ({"op": "move", "from": "/id", "path": "/meta/versionId"}, "Patient.id"),
    ],
)
def test_what_identifies_the_resource_cannot_be_patched(operation: dict[str, Any], element: str) -> None:
    with pytest.raises(InvalidRequest, match=element) as failure:
        apply([operation])
    assert failure.value.issues[0].expression == element


def test_server_managed_metadata_may_be_left_out_or_stated_as_it_is() -> None:
    assert apply([{"op": "remove", "path": "/meta"}]).keys() == {"resourceType", "id", "active"}
    assert apply([{"op": "replace", "path": "/meta", "value": {"tag": []}}])["meta"] == {"tag": []}
    assert apply([{"op": "replace", "path": "/id", "value": "1"}]) == PATIENT


def test_decimals_of_a_patch_keep_their_text() -> None:
    for text in (b"1.00", b"0.10", b"123456789.123456789123456789", b"1.0e3", b"0.0000001"):
        patched = apply(b'[{"op":"add","path":"/x","value":' + text + b"}]")
        assert b'"x":' + text in encode(patched)
