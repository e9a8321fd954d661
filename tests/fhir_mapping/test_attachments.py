"""Where documents stand in resources: https://hl7.org/fhir/R4/datatypes.html#Attachment"""

from __future__ import annotations

import pytest

from domain.errors import InvalidContent
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.attachments import BLOB, PATIENT, Attachments, owner_of_binary

LINKS = Attachments("http://x/fhir/")
DATA = {"contentType": "text/plain", "data": "aGVsbG8="}


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        ({"resourceType": "DocumentReference", "content": [{"attachment": DATA}]}, ["DocumentReference.content[0].attachment"]),
        ({"resourceType": "Patient", "photo": [DATA, {"url": "x"}]}, ["Patient.photo[0]"]),
        ({"resourceType": "Media", "content": DATA}, ["Media.content"]),
        ({"resourceType": "Communication", "payload": [{"contentAttachment": DATA}]}, ["Communication.payload[0].contentAttachment"]),
        ({"resourceType": "Observation", "valueSampledData": {"data": "1 2", "dimensions": 1}}, []),
        ({"resourceType": "Observation", "contained": [{"resourceType": "Media", "content": DATA}]}, ["Observation.contained[0].content"]),
        (
            {"resourceType": "QuestionnaireResponse", "item": [{"answer": [{"item": [{"answer": [{"valueAttachment": DATA}]}]}]}]},
            ["QuestionnaireResponse.item[0].answer[0].item[0].answer[0].valueAttachment"],
        ),
        ({"resourceType": "Binary", "data": "aGVsbG8="}, []),
    ],
    ids=lambda value: value["resourceType"] if isinstance(value, dict) else None,
)  # fmt: skip
def test_every_attachment_with_data_is_found_where_it_stands(content: FhirJson, paths: list[str]) -> None:
    assert [each.path for each in LINKS.inline(content)] == paths


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("Binary/1", ResourceKey("Binary", "1")),
        ("http://x/fhir/Binary/1", ResourceKey("Binary", "1")),
        ("http://y/fhir/Binary/1", None),
        ("Patient/1", None),
        ("urn:uuid:00000000-0000-4000-8000-000000000001", None),
    ],
)
def test_only_links_to_binaries_of_ours_are_followed(url: str, target: ResourceKey | None) -> None:
    document = {"resourceType": "DocumentReference", "content": [{"attachment": {"url": url}}]}
    assert [link.target for link in LINKS.links(document)] == ([] if target is None else [target])


def test_a_stored_binary_names_its_blob_and_its_owner_and_shows_neither() -> None:
    sent = {"resourceType": "Binary", "id": "b", "data": "eA==", "securityContext": {"reference": "Patient/forged"}}
    stored = LINKS.binary(sent, media_type="text/plain", blob="blob-1", context="DocumentReference/d", patient="p")
    assert LINKS.blob(stored) == "blob-1"
    assert LINKS.context(stored) == ResourceKey("DocumentReference", "d")
    assert owner_of_binary(stored) == "p"
    assert "data" not in stored
    shown = LINKS.shown(stored, "eA==")
    assert shown["data"] == "eA=="
    assert BLOB not in str(shown)


def test_what_a_client_says_of_blob_and_owner_does_not_get_through() -> None:
    forged = {
        "resourceType": "Binary",
        "_data": {"extension": [{"url": BLOB, "valueString": "stolen"}]},
        "securityContext": {"reference": "Group/1", "extension": [{"url": PATIENT, "valueReference": {"reference": "Patient/p"}}]},
    }  # fmt: skip
    stored = LINKS.binary(forged, media_type="text/plain", blob=None, context="Group/1", patient=None)
    assert LINKS.blob(stored) is None
    assert owner_of_binary(stored) is None


def test_a_context_on_another_server_is_refused() -> None:
    with pytest.raises(InvalidContent):
        LINKS.context({"resourceType": "Binary", "securityContext": {"reference": "http://y/fhir/Patient/1"}})
