"""How documents are cut into requests."""

from __future__ import annotations

import io
import json
from typing import Any

from api.loading.parcels import MAX_ENTRIES, Parcel, Unreadable, parcels_of


def cut(content: object, kind: str = "json") -> list[Parcel | Unreadable]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(parcels_of(kind, io.BytesIO(body)))


def sent(parcel: Parcel | Unreadable) -> dict[str, Any]:
    assert isinstance(parcel, Parcel)
    found: dict[str, Any] = json.loads(parcel.body)
    return found


def entries(kind: str, *resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": r, **more} for r in resources]}


def patient(number: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": str(number)}


def test_a_transaction_is_sent_byte_for_byte() -> None:
    body = b'{"resourceType":"Bundle", "type":"transaction","entry":[{"resource":{"x":1.00}},{}]}'
    (parcel,) = cut(body)
    assert isinstance(parcel, Parcel)
    assert (parcel.method, parcel.path, parcel.body, list(parcel.indexes)) == ("POST", "", body, [0, 1])


def test_a_long_batch_is_split_in_order() -> None:
    bundle = entries("batch", *(patient(n) for n in range(MAX_ENTRIES * 2 + 3)), request={"method": "POST", "url": "x"})
    parcels = cut(bundle)
    assert [len(sent(p)["entry"]) for p in parcels] == [MAX_ENTRIES, MAX_ENTRIES, 3]
    assert [e for p in parcels for e in sent(p)["entry"]] == bundle["entry"]
    assert [i for p in parcels if isinstance(p, Parcel) for i in p.indexes] == list(range(MAX_ENTRIES * 2 + 3))


def test_a_single_resource_is_put_under_its_id_or_posted_without_one() -> None:
    (put,), (post,) = cut(patient(7)), cut({"resourceType": "Patient"})
    assert isinstance(put, Parcel)
    assert isinstance(post, Parcel)
    assert (put.method, put.path) == ("PUT", "/Patient/7")
    assert (post.method, post.path) == ("POST", "/Patient")


def test_the_resources_of_a_collection_are_put_in_a_batch() -> None:
    (parcel,) = cut(entries("collection", patient(1), {"resourceType": "Patient"}))
    assert sent(parcel)["type"] == "batch"
    assert [e["request"] for e in sent(parcel)["entry"]] == [
        {"method": "PUT", "url": "Patient/1"},
        {"method": "POST", "url": "Patient"},
    ]


def test_a_collection_linked_by_urns_goes_as_one_transaction() -> None:
    (parcel,) = cut(entries("collection", patient(1), {"resourceType": "Basic"}, fullUrl="urn:uuid:1"))
    assert sent(parcel)["type"] == "transaction"
    assert {e["fullUrl"] for e in sent(parcel)["entry"]} == {"urn:uuid:1"}


def test_the_outcome_in_a_searchset_is_not_stored() -> None:
    bundle = entries("searchset", patient(1))
    bundle["entry"].append({"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}})
    (parcel,) = cut(bundle)
    assert len(sent(parcel)["entry"]) == 1


def test_a_document_bundle_is_stored_as_a_bundle() -> None:
    (parcel,) = cut({"resourceType": "Bundle", "id": "d", "type": "document", "entry": []})
    assert isinstance(parcel, Parcel)
    assert parcel.path == "/Bundle/d"


def test_history_and_response_bundles_are_refused_by_name() -> None:
    for kind in ("history", "transaction-response"):
        (found,) = cut({"resourceType": "Bundle", "type": kind, "entry": []})
        assert found == Unreadable(None, f"A Bundle of type {kind} holds nothing to store")


def test_lines_are_grouped_and_keep_their_decimals() -> None:
    lines = b'{"resourceType":"Patient","id":"1","x":1.00}\n\n{"resourceType":"Patient"}\r\n'
    (parcel,) = cut(lines, "ndjson")
    assert isinstance(parcel, Parcel)
    assert b'"x":1.00' in parcel.body
    assert list(parcel.indexes) == [0, 2]


def test_a_bundle_on_a_line_keeps_its_place() -> None:
    lines = [patient(1), entries("transaction", patient(2)), patient(3)]
    parcels = cut("\n".join(json.dumps(line) for line in lines).encode(), "ndjson")
    assert [sent(p)["type"] for p in parcels] == ["batch", "transaction", "batch"]


def test_a_broken_line_is_named_and_the_others_go_on() -> None:
    parcels = cut(b'{"resourceType":"Patient"}\n{"resourceTy\n{"resourceType":"Patient","id":"a b"}\n', "ndjson")
    assert [p for p in parcels if isinstance(p, Unreadable)] == [
        Unreadable(1, "Not a FHIR resource in JSON"),
        Unreadable(2, "The id is not a FHIR id"),
    ]
    assert [len(sent(p)["entry"]) for p in parcels if isinstance(p, Parcel)] == [1]


def test_what_is_no_resource_is_refused_as_a_whole() -> None:
    for content in (b"", b"[1]", b"{", b'{"resourceType":1}'):
        assert cut(content) == [Unreadable(None, "Not a FHIR resource in JSON")]


def test_a_type_that_would_change_the_url_is_refused() -> None:
    assert cut({"resourceType": "Patient/../x"}) == [Unreadable(0, "The resourceType is not a FHIR type")]


def test_the_key_follows_the_content() -> None:
    keys = [p.key for n in (1, 1, 2) for p in cut(patient(n)) if isinstance(p, Parcel)]
    assert keys[0] == keys[1] != keys[2]
