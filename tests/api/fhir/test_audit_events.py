"""What was recorded, read as FHIR AuditEvent: by whom, how much of it, in which order, and never written."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests.api.fhir.callers import PROGRAM, admit, client_of, person

CALLERS = {
    "program": PROGRAM,
    "doctor": person("dr-a", "DOCTOR", profiles=("Practitioner/a",), organizations=("Organization/1",)),
    "nurse": person("nurse-b", "NURSE", organizations=("Organization/2",)),
    "admin": person("admin", "ADMIN", organizations=("Organization/1",)),
    "super": person("root", "SUPER_ADMIN"),
    "patient": person("pat", "PATIENT", profiles=("Patient/7",)),
    "clerk": person("clerk", "RECEPTIONIST"),
}
Rows = list[dict[str, Any]]


@pytest.fixture
async def ward(app: Litestar) -> Litestar:
    """Two patients; a doctor has looked at one, a nurse has searched for both, a program has written."""
    admit(app, CALLERS)
    async with client_of(app, "program") as program:
        for number in ("7", "8"):
            practices = [{"reference": "Practitioner/a"}, {"reference": "Organization/2"}]
            body = {
                "resourceType": "Patient",
                "id": number,
                "name": [{"family": "Chalmers"}],
                "generalPractitioner": practices,
            }
            assert (await program.put(f"Patient/{number}", json=body)).status_code == 201
    async with client_of(app, "doctor") as doctor:
        assert (await doctor.get("Patient/7", headers={"x-request-id": "look-1"})).status_code == 200
    async with client_of(app, "nurse") as nurse:
        assert (await nurse.get("Patient?family=Chalmers")).status_code == 200
        assert (await nurse.get("Patient?family=Nobody")).status_code == 200
    return app


async def events(app: Litestar, name: str, query: str = "") -> Rows:
    async with client_of(app, name) as client:
        answer = await client.get(f"AuditEvent?{query}")
    assert answer.status_code == 200, answer.text
    rows: Rows = [row["resource"] for row in answer.json().get("entry", []) if row["search"]["mode"] == "match"]
    return rows


def told(rows: Rows) -> set[tuple[str, str]]:
    """Who did what."""
    return {(row["agent"][-1]["who"]["identifier"]["value"], row["subtype"][0]["code"]) for row in rows}


def patients(row: dict[str, Any]) -> set[str]:
    return {e["what"]["reference"] for e in row["entity"] if e.get("role", {}).get("code") == "1"}


def asked(row: dict[str, Any]) -> str | None:
    queries = [e for e in row["entity"] if e.get("role", {}).get("code") == "24"]
    return base64.b64decode(queries[0]["query"]).decode() if queries and "query" in queries[0] else None


async def test_a_program_with_the_scope_sees_every_request_newest_first(ward: Litestar) -> None:
    rows = await events(ward, "program")
    assert [row["recorded"] for row in rows] == sorted((row["recorded"] for row in rows), reverse=True)
    assert [row["action"] for row in rows] == ["E", "E", "R", "C", "C"] or [row["action"] for row in rows] == [
        "E",
        "E",
        "R",
        "U",
        "U",
    ]
    assert asked(rows[0]) == "http://127.0.0.1:8000/fhir/Patient?family=Nobody"


async def test_a_patient_sees_who_saw_their_record_and_nothing_of_other_patients(ward: Litestar) -> None:
    rows = await events(ward, "patient")
    assert {row["subtype"][0]["code"] for row in rows} == {"update", "read", "search-type"}
    assert all(patients(row) == {"Patient/7"} for row in rows)
    assert "Patient/8" not in str(rows)
    assert "Chalmers" not in str(rows)
    assert all(asked(row) is None for row in rows)
    assert "10.1.2.3" not in str(rows)


async def test_a_patient_finds_no_event_by_what_is_hidden_in_it(ward: Litestar) -> None:
    assert await events(ward, "patient", "patient=Patient/8") == []
    assert await events(ward, "patient", "entity=Patient/8") == []
    assert len(await events(ward, "patient", "entity=Patient/7")) == 2  # The search saw both: its targets are hidden.


async def test_a_doctor_sees_their_own_accesses_with_what_they_asked(ward: Litestar) -> None:
    assert told(await events(ward, "doctor", "subtype=read")) == {("dr-a", "read")}
    (row, *_) = [each for each in await events(ward, "nurse") if patients(each)]
    assert asked(row) == "http://127.0.0.1:8000/fhir/Patient?family=Chalmers"


async def test_an_administrator_sees_their_organisations_people_and_no_search_values(ward: Litestar) -> None:
    rows = await events(ward, "admin", "agent:identifier=dr-a,nurse-b")
    assert told(rows) == {("dr-a", "read")}
    assert rows[0]["agent"][0]["network"]["address"] == "10.1.2.3"
    assert "Chalmers" not in str(await events(ward, "admin"))


async def test_a_super_administrator_sees_only_what_concerns_no_patient(ward: Litestar) -> None:
    rows = await events(ward, "super")
    assert rows
    assert all(patients(row) == set() for row in rows)
    assert all(asked(row) is None for row in rows)


async def test_who_has_no_business_with_the_audit_is_refused(ward: Litestar) -> None:
    async with client_of(ward, "clerk") as clerk:
        assert (await clerk.get("AuditEvent")).status_code == 403


async def test_one_event_is_read_by_who_may_see_it_and_unknown_to_others(ward: Litestar) -> None:
    (row,) = await events(ward, "doctor", "subtype=read&patient=Patient/7")
    for name, status in (("doctor", 200), ("admin", 200), ("patient", 200), ("nurse", 404), ("super", 404)):
        async with client_of(ward, name) as client:
            answer = await client.get(f"AuditEvent/{row['id']}")
            assert answer.status_code == status, name
            unknown = await client.get(f"AuditEvent/{row['id'][:-1]}x")
            if status == 404:
                assert answer.text == unknown.text.replace(f"{row['id'][:-1]}x", row["id"])


WRITES = (
    ("POST", "AuditEvent"),
    ("PUT", "AuditEvent/1"),
    ("PATCH", "AuditEvent/1"),
    ("DELETE", "AuditEvent/1"),
    ("PUT", "AuditEvent?date=2020"),
    ("DELETE", "AuditEvent?date=2020"),
)


async def test_nobody_writes_an_event(ward: Litestar) -> None:
    async with client_of(ward, "program") as program:
        for method, path in WRITES:
            answer = await program.request(method, path, json={"resourceType": "AuditEvent"})
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET"), (method, path)


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_nobody_writes_an_event_through_a_bundle(ward: Litestar, kind: str) -> None:
    entry = {"resource": {"resourceType": "AuditEvent"}, "request": {"method": "POST", "url": "AuditEvent"}}
    async with client_of(ward, "program") as program:
        answer = await program.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})
    row = answer.json()["entry"][0]["response"]["status"] if kind == "batch" else str(answer.status_code)
    assert row.startswith("405")


async def test_reading_the_audit_is_recorded(ward: Litestar) -> None:
    before = await events(ward, "program", "patient=Patient/7")
    after = await events(ward, "program", "patient=Patient/7")
    assert len(after) == len(before) + 1
    assert asked(after[0]) == "http://127.0.0.1:8000/fhir/AuditEvent?patient=Patient/7"


FOUND: list[tuple[str, set[tuple[str, str]]]] = [
    ("action=R", {("dr-a", "read")}),
    ("action=R,E&agent:identifier=dr-a", {("dr-a", "read")}),
    ("agent=Practitioner/a&subtype=read", {("dr-a", "read")}),
    ("agent:Practitioner=a&subtype=http://hl7.org/fhir/restful-interaction|read", {("dr-a", "read")}),
    ("agent-role=DOCTOR", {("dr-a", "read")}),
    ("subtype=urn:other|read", set()),
    ("entity=Patient/7&agent:identifier=dr-a", {("dr-a", "read")}),
    ("entity=Patient/7/_history/1&subtype=read", {("dr-a", "read")}),
    ("outcome=8", set()),
    ("type=rest&subtype=read", {("dr-a", "read")}),
    ("type=http://dicom.nema.org/resources/ontology/DCM|110114", set()),
    ("date=ge2020&date=lt2099&subtype=read", {("dr-a", "read")}),
    ("date=lt2020", set()),
    ("date=ge2099", set()),
    ("patient=8&subtype=search-type&agent:identifier=nurse-b", {("nurse-b", "search-type")}),
    ("_id=unknown", set()),
]
REFUSED = ("date=ne2020", "date=soon", "_count=x", "_sort=agent", "agent=x y", "agent:missing=true", "action=")


async def test_events_are_found_by_their_parameters(ward: Litestar) -> None:
    for query, expected in FOUND:
        assert told(await events(ward, "program", query)) == expected, query


async def test_what_makes_no_sense_is_refused(ward: Litestar) -> None:
    async with client_of(ward, "program") as program:
        for query in REFUSED:
            assert (await program.get(f"AuditEvent?{query}")).status_code == 400, query


async def test_an_unknown_parameter_is_named_or_refused(ward: Litestar) -> None:
    async with client_of(ward, "program") as program:
        lenient = await program.get("AuditEvent?altid=x")
        strict = await program.get("AuditEvent?altid=x", headers={"prefer": "handling=strict"})
    assert lenient.json()["entry"][-1]["search"]["mode"] == "outcome"
    assert strict.status_code == 400


async def test_pages_follow_each_other_without_gap_while_new_events_come(ward: Litestar) -> None:
    async with client_of(ward, "program") as program:
        everything = await program.get("AuditEvent?_count=500&_total=accurate")
        wanted = [row["resource"]["id"] for row in everything.json()["entry"]]
        assert everything.json()["total"] == len(wanted)
        found, url = [], f"AuditEvent?_count=2&date=le{everything.json()['entry'][0]['resource']['recorded']}"
        while url:
            page = (await program.get(url)).json()
            found += [row["resource"]["id"] for row in page.get("entry", [])]
            url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert found == wanted


async def test_the_oldest_come_first_when_asked(ward: Litestar) -> None:
    rows = await events(ward, "program", "_sort=date&_count=3")
    assert [row["recorded"] for row in rows] == sorted(row["recorded"] for row in rows)


async def test_a_page_link_belongs_to_who_got_it(ward: Litestar) -> None:
    async with client_of(ward, "nurse") as nurse, client_of(ward, "doctor") as doctor:
        page = (await nurse.get("AuditEvent?_count=1")).json()
        link = next(each["url"] for each in page["link"] if each["relation"] == "next")
        assert (await doctor.get(link)).status_code == 400


async def test_the_compartment_of_a_patient_holds_its_events(ward: Litestar) -> None:
    async with client_of(ward, "patient") as patient:
        rows = (await patient.get("Patient/7/AuditEvent?subtype=read")).json()["entry"]
        assert told([row["resource"] for row in rows]) == {("dr-a", "read")}
        assert (await patient.get("Patient/8/AuditEvent")).json().get("entry", []) == []


async def test_a_search_by_post_is_remembered_with_its_form(ward: Litestar) -> None:
    async with client_of(ward, "nurse", **{"content-type": "application/x-www-form-urlencoded"}) as nurse:
        assert (await nurse.post("Patient/_search?_count=3", content="family=Meyer")).status_code == 200
        assert (await nurse.post("AuditEvent/_search", content="subtype=search-type&_count=1")).status_code == 200
    rows = await events(ward, "nurse", "subtype=search-type")
    assert "http://127.0.0.1:8000/fhir/Patient/_search?_count=3&family=Meyer" in [asked(row) for row in rows]


async def test_the_statement_promises_reading_and_searching_and_no_more(ward: Litestar) -> None:
    async with client_of(ward, "program") as program:
        rest = (await program.get("metadata")).json()["rest"][0]["resource"]
    (row,) = [each for each in rest if each["type"] == "AuditEvent"]
    assert [each["code"] for each in row["interaction"]] == ["read", "search-type"]


async def test_an_altered_query_is_not_shown(ward: Litestar, mongo_admin: Any, database: str) -> None:
    audit = mongo_admin[database]["audit"]
    first, second = list(audit.find({"query": {"$exists": True}}).limit(2))
    audit.update_one({"_id": first["_id"]}, {"$set": {"query": second["query"]}})
    async with client_of(ward, "program") as program:
        answer: httpx.Response = await program.get(f"AuditEvent/{first['_id']}")
    assert answer.status_code == 500
    assert "Chalmers" not in answer.text
