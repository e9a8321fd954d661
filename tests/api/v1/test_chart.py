"""Entries of a chart: each noun is written, found, changed and taken back in friendly words, and is FHIR all along."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import pytest

from domain.access import Role
from tests.api.v1.ward import Ward

Json = dict[str, Any]
NUTS = {"system": "http://snomed.info/sct", "code": "91935009"}


class Sample(NamedTuple):
    """An entry, what becomes different in it, the type it is in FHIR and a search that finds it, and who may do what."""

    path: str
    body: Json
    change: Json
    type: str
    query: str
    writers: tuple[Role, ...]
    readers: tuple[Role, ...]
    deleted: bool = True


SAMPLES = [
    Sample(
        "allergies",
        {
            "substance": "Peanut", "code": NUTS, "category": "food", "criticality": "high", "onset": "2019-05-01",
            "reactions": [{"manifestation": "Hives", "severity": "moderate"}], "note": "Since school.",
        },
        {"status": "resolved"},
        "AllergyIntolerance", "category=food&code=91935009&clinical-status=active",
        ("DOCTOR", "NURSE"), ("PATIENT", "DIETICIAN"),
    ),
    Sample(
        "immunizations",
        {
            "vaccine": "Influenza", "code": {"system": "http://hl7.org/fhir/sid/cvx", "code": "140"},
            "date": "2026-10-01", "lot": "AB-1", "manufacturer": "Acme", "dose": 2, "site": "Left arm", "note": "Well",
        },
        {"lot": "AB-2"},
        "Immunization", "vaccine-code=140&date=2026-10&lot-number=AB-1",
        ("DOCTOR", "NURSE"), ("PATIENT", "DIETICIAN"),
    ),
    Sample(
        "medical-history",
        {
            "text": "Hypertension", "code": {"system": "http://snomed.info/sct", "code": "38341003"},
            "severity": "moderate", "onset": "2020-01-05", "note": "Treated",
        },
        {"status": "resolved", "abatement": "2026-01-01"},
        "Condition", "category=problem-list-item&code=38341003&clinical-status=active&onset-date=2020-01-05",
        ("DOCTOR", "NURSE"), ("PATIENT", "DIETICIAN"),
    ),
    Sample(
        "vital-signs",
        {"type": "body-weight", "value": 72.5, "unit": "kg", "takenAt": "2026-11-01T08:00:00Z", "note": "Clothed"},
        {"value": 71},
        "Observation", "category=vital-signs&code=29463-7&value-quantity=72.5||kg&date=2026-11-01",
        ("DOCTOR", "NURSE", "DIETICIAN", "PATIENT"), (),
    ),
    Sample(
        "insurance",
        {
            "provider": "Acme", "policyNumber": "POL-77", "coverageDetails": "Gold", "group": "Staff",
            "relationship": "self", "validFrom": "2026-01-01", "validTo": "2026-12-31",
        },
        {"coverageDetails": "Silver"},
        "Coverage", "status=active&class-type=plan&class-value=Gold",
        ("PATIENT", "ADMIN", "RECEPTIONIST"), ("DOCTOR",), deleted=False,
    ),
]  # fmt: skip
BY_PATH = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.path)


@BY_PATH
async def test_an_entry_is_written_found_changed_and_taken_back(ward: Ward, sample: Sample) -> None:
    address = f"/patients/{ward.patient}/{sample.path}"
    made = await ward.program.post(address, json=sample.body)
    assert made.status_code == 201, made.text
    card = made.json()
    assert card.items() >= sample.body.items()
    assert (card["version"], card["patientId"], made.headers["etag"]) == (1, ward.patient, 'W/"1"')
    one = made.headers["location"].removeprefix("/api/v1")
    assert one == f"{address}/{card['id']}"
    assert (await ward.program.get(one)).json() == card
    listed = await ward.program.get(address, params={"fields": "id,version"})
    assert listed.json() == {"items": [{"id": card["id"], "version": 1}], "next": None}
    as_fhir = (await ward.fhir.get(f"/{sample.type}/{card['id']}")).json()
    await ward.valid(as_fhir)
    found = (await ward.fhir.get(f"/{sample.type}?patient={ward.patient}&{sample.query}")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [card["id"]], found

    changed = await ward.program.put(one, json={**sample.body, **sample.change}, headers={"if-match": 'W/"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.json().items() >= {**sample.body, **sample.change, "version": 2}.items()
    await ward.valid((await ward.fhir.get(f"/{sample.type}/{card['id']}")).json())
    stale = await ward.program.put(one, json=sample.body, headers={"if-match": 'W/"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")

    assert (await ward.program.delete(one)).status_code == 204
    assert (await ward.program.get(address)).json()["items"] == []
    assert (await ward.program.get(one)).status_code == (410 if sample.deleted else 200)
    versions = (await ward.fhir.get(f"/{sample.type}/{card['id']}/_history")).json()["entry"]
    assert len(versions) == 3


@BY_PATH
async def test_what_a_fhir_client_added_to_an_entry_stays(ward: Ward, sample: Sample) -> None:
    address = f"/patients/{ward.patient}/{sample.path}"
    card = (await ward.program.post(address, json=sample.body)).json()
    stored = (await ward.fhir.get(f"/{sample.type}/{card['id']}")).json()
    ours = {"url": "urn:test:kept", "valueString": "kept"}
    assert (
        await ward.fhir.put(f"/{sample.type}/{card['id']}", json={**stored, "extension": [ours]})
    ).status_code == 200
    changed = await ward.program.put(f"{address}/{card['id']}", json={**sample.body, **sample.change})
    assert changed.status_code == 200, changed.text
    assert (await ward.fhir.get(f"/{sample.type}/{card['id']}")).json()["extension"] == [ours]


@BY_PATH
async def test_roles_write_and_read_as_the_matrix_says(ward: Ward, sample: Sample) -> None:
    address = f"/patients/{ward.patient}/{sample.path}"
    for role in sample.writers:
        made = await (await ward.web(role)).post(address, json=sample.body)
        assert made.status_code == 201, (role, made.text)
    for role in sample.readers:
        web = await ward.web(role)
        refused = await web.post(address, json=sample.body)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), role
        assert (await web.get(f"{address}/{made.json()['id']}")).status_code == 200, role
    stranger = await ward.web("DOCTOR", stranger=True)
    for method, where, body in [
        ("GET", address, None),
        ("POST", address, sample.body),
        ("GET", f"{address}/{made.json()['id']}", None),
        ("PUT", f"{address}/{made.json()['id']}", sample.body),
        ("DELETE", f"{address}/{made.json()['id']}", None),
    ]:
        answer = await stranger.request(method, where, json=body)
        assert answer.status_code in (403, 404), (method, where, answer.text)
        if method == "GET" and sample.path != "insurance":
            assert answer.status_code == 404, answer.text


@BY_PATH
async def test_an_entry_of_another_chart_is_not_found(ward: Ward, sample: Sample) -> None:
    other = f"q{secrets.token_hex(4)}"
    await ward.store({"resourceType": "Patient", "id": other})
    card = (await ward.program.post(f"/patients/{ward.patient}/{sample.path}", json=sample.body)).json()
    address = f"/patients/{other}/{sample.path}/{card['id']}"
    answers = [
        await ward.program.get(address),
        await ward.program.put(address, json=sample.body),
        await ward.program.delete(address),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert (await ward.program.get(f"/patients/nobody/{sample.path}")).status_code == 404
    assert (await ward.program.post(f"/patients/nobody/{sample.path}", json=sample.body)).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("vital-signs", {"type": "heart-rate", "value": 72, "unit": "bpm"}, "unit"),
        ("vital-signs", {"type": "body-weight", "value": 180, "unit": "cm"}, "unit"),
        ("vital-signs", {"type": "heart-rate"}, "value"),
        ("vital-signs", {"type": "blood-pressure", "systolic": 120}, "diastolic"),
        ("vital-signs", {"type": "blood-pressure", "value": 120}, "value"),
        ("vital-signs", {"type": "heart-rate", "value": 1, "systolic": 1}, "systolic"),
        ("vital-signs", {"type": "pulse", "value": 1}, "type"),
        ("medical-history", {"text": "Flu", "abatement": "2026-01-01"}, "abatement"),
        ("insurance", {"policyNumber": "1"}, "provider"),
        ("insurance", {"provider": "A", "providerId": "1", "policyNumber": "1"}, "provider"),
        ("insurance", {"provider": "A", "policyNumber": "1", "validFrom": "2026-02-01", "validTo": "2026-01-01"}, "validTo"),
        ("allergies", {"substance": " "}, "substance"),
        ("allergies", {"substance": "Nuts", "code": {"system": "snomed", "code": "1"}}, "code.system"),
        ("allergies", {"substance": "Nuts", "colour": "red"}, "colour"),
        ("immunizations", {"vaccine": "Influenza"}, "date"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(ward: Ward, path: str, body: Json, where: str) -> None:
    if path == "vital-signs":
        body = {"takenAt": "2026-11-01T08:00:00Z", **body}
    answer = await ward.program.post(f"/patients/{ward.patient}/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert [each["path"] for each in answer.json()["errors"]] == [where], answer.text


async def test_a_blood_pressure_is_two_measurements_and_keeps_its_digits(ward: Ward) -> None:
    address = f"/patients/{ward.patient}/vital-signs"
    body = {"type": "blood-pressure", "systolic": 120, "diastolic": 80.50, "takenAt": "2026-11-01T08:00:00+01:00"}
    text = '{"type":"blood-pressure","systolic":120,"diastolic":80.50,"takenAt":"2026-11-01T08:00:00+01:00"}'
    made = await ward.program.post(address, content=text, headers={"content-type": "application/json"})
    assert made.status_code == 201, made.text
    card = made.json()
    assert (card["systolic"], card["diastolic"], card["unit"]) == (body["systolic"], body["diastolic"], "mm[Hg]")
    assert card["takenAt"] == "2026-11-01T07:00:00Z"
    assert '"value":80.50' in (await ward.fhir.get(f"/Observation/{card['id']}")).text
    found = (await ward.program.get(address, params={"type": "blood-pressure", "from": "2026-11-01T00:00:00Z"})).json()
    assert [each["id"] for each in found["items"]] == [card["id"]]
    assert (await ward.program.get(address, params={"to": "2026-11-01T00:00:00Z"})).json()["items"] == []


async def test_a_patient_changes_nothing_that_others_measured(ward: Ward) -> None:
    address = f"/patients/{ward.patient}/vital-signs"
    body = {"type": "heart-rate", "value": 72, "takenAt": "2026-11-01T08:00:00Z"}
    made = (await (await ward.web("NURSE")).post(address, json=body)).json()
    own = await ward.web("PATIENT")
    mine = await own.post(address, json=body)
    assert (mine.status_code, mine.json()["author"]) == (201, f"Patient/{ward.patient}")
    assert (await own.put(f"{address}/{made['id']}", json=body)).status_code == 403
    assert (await own.delete(f"{address}/{made['id']}")).status_code == 403


async def test_a_repeated_key_writes_once(ward: Ward) -> None:
    address = f"/patients/{ward.patient}/allergies"
    keyed = {"idempotency-key": secrets.token_hex(8)}
    answers = [await ward.program.post(address, json={"substance": "Nuts"}, headers=keyed) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    other = await ward.program.post(address, json={"substance": "Milk"}, headers=keyed)
    assert other.status_code == 422
    assert len((await ward.program.get(address)).json()["items"]) == 1


async def test_a_list_goes_on_where_its_page_ends(ward: Ward) -> None:
    address = f"/patients/{ward.patient}/immunizations"
    for month in range(1, 6):
        answer = await ward.program.post(address, json={"vaccine": "Influenza", "date": f"2026-{month:02}-01"})
        assert answer.status_code == 201
    days, cursor = [], None
    while True:
        page = (await ward.program.get(address, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        days += [each["date"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert days == [f"2026-{month:02}-01" for month in range(5, 0, -1)]
