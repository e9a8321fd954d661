"""https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from domain.errors import Gone, IntegrityFailure, Issue
from domain.identity import ResourceKey
from domain.revision import Head
from fhir_mapping.bundle import (
    AnswerEntry,
    FoundEntry,
    VersionEntry,
    history_bundle,
    response_bundle,
    searchset,
)
from fhir_mapping.outcome import advisory

BASE = "http://localhost/fhir"
PATIENT = ResourceKey("Patient", "1")
CONTENT = b'{"resourceType":"Patient","id":"1","x":1.00}'
NOON = datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)


def test_a_searchset_holds_the_stored_bytes_untouched() -> None:
    body = searchset(BASE, f"{BASE}/Patient?_id=1", [FoundEntry(PATIENT, CONTENT)], total=1, next_url=None)
    assert b'"resource":' + CONTENT + b"," in body
    assert json.loads(body) == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": f"{BASE}/Patient?_id=1"}],
        "entry": [
            {
                "fullUrl": f"{BASE}/Patient/1",
                "resource": {"resourceType": "Patient", "id": "1", "x": 1.0},
                "search": {"mode": "match"},
            }
        ],
    }


def test_an_empty_searchset_has_no_entry_array() -> None:
    body = json.loads(searchset(BASE, "u", [], total=0, next_url=None))
    assert body["total"] == 0
    assert "entry" not in body


def test_the_total_is_left_out_when_it_is_not_known() -> None:
    assert "total" not in json.loads(searchset(BASE, "u", [], total=None, next_url=None))


def test_links_are_escaped_and_named() -> None:
    quoted = BASE + '/Patient?name="x\\'
    body = json.loads(searchset(BASE, quoted, [], total=0, next_url="n", first_url="f"))
    links = [("self", quoted), ("next", "n"), ("first", "f")]
    assert [(link["relation"], link["url"]) for link in body["link"]] == links


def test_ignored_parameters_and_unreadable_resources_are_told_as_outcome_entries() -> None:
    entries = [FoundEntry(PATIENT, Gone("Patient/1 was erased")), FoundEntry(PATIENT, CONTENT, "include")]
    ignored = advisory([Issue("not-supported", "Unknown parameter")])
    rows = json.loads(searchset(BASE, "u", entries, total=2, next_url=None, outcome=ignored))["entry"]
    assert [row["search"]["mode"] for row in rows] == ["outcome", "include", "outcome"]
    assert [row["resource"]["resourceType"] for row in rows] == ["OperationOutcome", "Patient", "OperationOutcome"]
    assert rows[0]["resource"]["issue"][0]["severity"] == "warning"


def test_a_history_tells_how_each_version_came_to_be() -> None:
    heads = [
        Head(PATIENT, 3, "DELETE", NOON, deleted=True),
        Head(PATIENT, 2, "PUT", NOON),
        Head(PATIENT, 1, "POST", NOON),
    ]
    entries = [VersionEntry(heads[0], Gone("x")), VersionEntry(heads[1], CONTENT), VersionEntry(heads[2], CONTENT)]
    body = json.loads(history_bundle(BASE, "u", entries, total=3, next_url=None))
    assert (body["type"], body["total"]) == ("history", 3)
    deleted, updated, created = body["entry"]
    assert deleted == {
        "fullUrl": f"{BASE}/Patient/1",
        "request": {"method": "DELETE", "url": "Patient/1"},
        "response": {"status": "204 No Content", "etag": 'W/"3"', "lastModified": "2026-01-31T12:00:00.123Z"},
    }
    assert updated["request"] == {"method": "PUT", "url": "Patient/1"}
    assert updated["response"]["status"] == "200 OK"
    assert updated["resource"]["id"] == "1"
    assert created["request"] == {"method": "POST", "url": "Patient"}
    assert created["response"]["status"] == "201 Created"


def test_a_version_that_cannot_be_opened_says_why_and_shows_nothing() -> None:
    entry = VersionEntry(Head(PATIENT, 2, "PUT", NOON), IntegrityFailure("Patient/1/2 is not what was sealed"))
    (row,) = json.loads(history_bundle(BASE, "u", [entry], total=1, next_url="n"))["entry"]
    assert "resource" not in row
    assert row["response"]["outcome"]["issue"][0]["code"] == "exception"


def test_answers_keep_the_order_and_say_status_first() -> None:
    answers = [
        AnswerEntry(201, "Patient/1/_history/1", 1, NOON, CONTENT, full_url=f"{BASE}/Patient/1"),
        AnswerEntry(204),
        AnswerEntry(404, outcome={"resourceType": "OperationOutcome"}),
    ]
    body = json.loads(response_bundle("batch-response", answers))
    assert body["type"] == "batch-response"
    assert body["entry"][0]["response"] == {
        "status": "201 Created",
        "location": "Patient/1/_history/1",
        "etag": 'W/"1"',
        "lastModified": "2026-01-31T12:00:00.123Z",
    }
    assert body["entry"][0]["resource"]["id"] == "1"
    assert body["entry"][1] == {"response": {"status": "204 No Content"}}
    assert body["entry"][2]["response"]["outcome"] == {"resourceType": "OperationOutcome"}


def test_an_empty_transaction_is_answered_by_an_empty_bundle() -> None:
    assert json.loads(response_bundle("transaction-response", [])) == {
        "resourceType": "Bundle",
        "type": "transaction-response",
    }
