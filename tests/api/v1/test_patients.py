"""Patients over /api/v1: taken in once, found, shown as far as one may see, changed, removed."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.api.v1.ward import Ward

Json = dict[str, Any]


def somebody(**more: Any) -> Json:
    """A person of a name and birth date nobody else has."""
    name = secrets.token_hex(5)
    return {
        "firstName": f"Jane{name}",
        "lastName": f"Smith{name}",
        "dateOfBirth": f"{1930 + secrets.randbelow(70)}-02-{1 + secrets.randbelow(28):02}",
        **more,
    }


async def test_everything_said_of_a_patient_is_shown_and_is_fhir(ward: Ward) -> None:
    name = secrets.token_hex(4)
    body = somebody(
        gender="female",
        address={"line": ["1 High St"], "city": "Leeds", "postalCode": "LS1", "country": "GB", "state": None},
        contact={
            "phone": "+44 113 496 0000", "email": f"{name}@example.org", "other": [{"system": "fax", "value": "12345"}],
        },
        medicalHistory="Asthma as a child.\nAppendix out in 1999.",
        dietaryPreferences={"allergies": ["Peanut"], "restrictions": ["vegetarian", "no onions"]},
        primaryProvider={"id": ward.organization},
        externalIds=[{"system": "carepatron", "value": "9917"}, {"system": "urn:oid:1.2.3", "value": name}],
        practitioners=[ward.names["DOCTOR"]],
    )  # fmt: skip
    insurance = {"provider": "Acme", "policyNumber": "POL-77", "coverageDetails": "Gold"}
    made = await ward.program.post("/patients", json={**body, "insurance": [insurance]})
    assert made.status_code == 201, made.text
    shown = (await ward.program.get(made.headers["location"].removeprefix("/api/v1"))).json()
    assert shown == made.json()
    expected = {**body, "primaryProvider": {"id": ward.organization, "name": "Ward"}}
    assert {name: shown[name] for name in body} == expected
    assert {name: shown["insurance"][0][name] for name in insurance} == insurance
    assert shown["fullName"] == f"{body['firstName']} {body['lastName']}"
    patient = shown["id"]
    for query in (
        f"Patient?_id={patient}&identifier=urn:oid:1.2.3|{name}",
        f"Coverage?beneficiary=Patient/{patient}&payor:missing=false",
        f"AllergyIntolerance?patient={patient}&category=food",
        f"NutritionOrder?patient={patient}&status=active",
        f"DocumentReference?patient={patient}&type=http://loinc.org|11348-0&_content=appendix",
    ):
        found = (await ward.fhir.get(f"/{query}")).json()
        assert len(found["entry"]) == 1, query
        await ward.valid(found["entry"][0]["resource"])


async def test_the_names_of_older_documents_are_understood(ward: Ward) -> None:
    name = secrets.token_hex(6)
    body = {
        "name": f"Jane {name}",
        "email": f"{name}@example.org",
        "contact_details": "Ring twice",
        "medical_history": "Asthma",
        "dietary_preferences": {"allergies": ["Egg"]},
        "carepatron_patient_id": 9917,
    }
    made = await ward.program.post("/patients", json=body, params={"allowDuplicate": "true"})
    assert (made.status_code, made.json()["errors"][0]["path"]) == (422, "reason")
    made = await ward.program.post("/patients", json={**body, "reason": "A test"}, params={"allowDuplicate": "true"})
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["fullName"], shown["contact"]["email"]) == (f"Jane {name}", f"{name}@example.org")
    assert shown["contact"]["other"] == [{"system": "other", "value": "Ring twice"}]
    assert shown["externalIds"] == [{"system": "carepatron", "value": "9917"}]
    assert (shown["medicalHistory"], shown["dietaryPreferences"]["allergies"]) == ("Asthma", ["Egg"])
    twice = await ward.program.post("/patients", json={"name": "A", "fullName": "B"})
    assert (twice.status_code, twice.json()["errors"][0]["path"]) == (422, "full_name")


async def test_a_change_touches_what_it_says(ward: Ward) -> None:
    body = somebody(
        contact={"phone": "0113 496 0001"},
        medicalHistory="Asthma",
        dietaryPreferences={"allergies": ["Peanut", "Egg"], "restrictions": ["vegan"]},
        insurance=[{"provider": "Acme", "policyNumber": "A"}, {"provider": "Bcme", "policyNumber": "B"}],
    )
    patient = (await ward.program.post("/patients", json=body)).json()["id"]
    address = f"/patients/{patient}"
    await ward.program.post(f"{address}/allergies", json={"substance": "Milk", "category": "food"})
    change: Json = {
        "gender": "other",
        "medicalHistory": "Asthma, gone",
        "dietaryPreferences": {"allergies": ["egg", "Soy"], "restrictions": []},
        "insurance": [{"provider": "Bcme", "policyNumber": "B", "coverageDetails": "Silver"}],
    }
    answer = await ward.program.put(address, json=change, headers={"if-match": 'W/"1"'})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["version"], shown["gender"], shown["lastName"]) == (2, "other", body["lastName"])
    assert shown["contact"]["phone"] == "0113 496 0001"
    assert (shown["medicalHistory"], shown["dietaryPreferences"]["restrictions"]) == ("Asthma, gone", [])
    assert sorted(shown["dietaryPreferences"]["allergies"]) == ["Egg", "Milk", "Soy"], "what was confirmed stays"
    assert [(each["policyNumber"], each["coverageDetails"]) for each in shown["insurance"]] == [("B", "Silver")]
    stale = await ward.program.put(address, json={"gender": "male"}, headers={"if-match": 'W/"1"'})
    assert stale.status_code == 412
    same = await ward.program.put(address, json=change)
    assert (same.status_code, same.json()["version"]) == (200, 2)
    gone = await ward.program.put(address, json={"medicalHistory": None, "contact": None})
    assert (gone.json()["medicalHistory"], gone.json()["contact"]["phone"]) == (None, None)
    back = await ward.program.put(address, json={"medicalHistory": "Asthma"})
    assert back.json()["medicalHistory"] == "Asthma"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"firstName": None, "lastName": None}, "lastName"),
        ({"dateOfBirth": "2999-01-01"}, "dateOfBirth"),
        ({"dateOfBirth": "1980"}, "dateOfBirth"),
        ({"gender": "f"}, "gender"),
        ({"contact": {"email": "nobody"}}, "contact.email"),
        ({"insurance": [{"policyNumber": "1"}]}, "provider"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_field_is_named(ward: Ward, change: Json, where: str) -> None:
    answer = await ward.program.post("/patients", json={**somebody(), **change})
    assert (answer.status_code, [each["path"] for each in answer.json()["errors"]]) == (422, [where]), answer.text


async def test_who_takes_a_patient_in_has_to_do_with_them(ward: Ward) -> None:
    for role in ("ADMIN", "RECEPTIONIST", "DOCTOR", "DIETICIAN"):
        web = await ward.web(role)
        body = somebody(medicalHistory="Asthma", dietaryPreferences={"allergies": ["Egg"]})
        made = await web.post("/patients", json=body)
        if role in ("ADMIN", "RECEPTIONIST"):
            assert (made.status_code, made.json()["code"]) == (403, "clinical_fields"), role
            made = await web.post("/patients", json=somebody(insurance=[{"provider": "A", "policyNumber": "1"}]))
        assert made.status_code == 201, (role, made.text)
        shown = await web.get(f"/patients/{made.json()['id']}")
        assert shown.status_code == 200, role
        seen = shown.json()
        if role in ("DOCTOR", "DIETICIAN"):
            assert (seen["medicalHistory"], seen["dietaryPreferences"]["allergies"]) == ("Asthma", ["Egg"]), role
        else:
            assert (seen["medicalHistory"], seen["dietaryPreferences"]) == (None, None)
            assert len(seen["insurance"]) == 1
        found = (await web.get("/patients", params={"q": made.json()["lastName"]})).json()["items"]
        assert [each["id"] for each in found] == [seen["id"]], role
        changed = await web.put(f"/patients/{seen['id']}", json={"gender": "other"})
        assert changed.status_code == 200, (role, changed.text)
    for role in ("NURSE", "PHARMACIST", "LAB_TECHNICIAN", "PATIENT"):
        refused = await (await ward.web(role)).post("/patients", json=somebody())
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), role


async def test_patients_see_themselves_and_change_how_they_are_reached(ward: Ward) -> None:
    own = await ward.web("PATIENT")
    assert [each["id"] for each in (await own.get("/patients")).json()["items"]] == [ward.patient]
    address = f"/patients/{ward.patient}"
    changed = await own.put(address, json={"contact": {"phone": "0113 496 0002"}})
    assert (changed.status_code, changed.json()["contact"]["phone"]) == (200, "0113 496 0002"), changed.text
    assert (await own.put(address, json={"lastName": "Other"})).status_code == 403
    assert (await own.put(address, json={"medicalHistory": "None"})).json()["code"] == "clinical_fields"
    insured = await own.put(address, json={"insurance": [{"provider": "A", "policyNumber": "1"}]})
    assert insured.status_code == 200, insured.text
    assert (await own.delete(address)).status_code == 403
    stranger = await ward.web("PATIENT", stranger=True)
    assert (await stranger.get("/patients")).json()["items"] == []
    assert {(await stranger.request(method, address, json={})).status_code for method in ("GET", "PUT", "DELETE")} == {
        404
    }


async def test_lists_are_filtered_sorted_and_paged(ward: Ward) -> None:
    web, family = await ward.web("RECEPTIONIST"), f"Zeta{secrets.token_hex(4)}"
    for first in ("Carl", "Anna", "Bea"):
        contact = {"email": f"{first}.{family}@example.org"}
        body = somebody(firstName=first, lastName=family, contact=contact, primaryProvider={"id": ward.organization})
        assert (await web.post("/patients", json=body)).status_code == 201

    async def names(**query: str) -> list[str]:
        answer = await web.get("/patients", params=query)
        assert answer.status_code == 200, answer.text
        return [each["firstName"] for each in answer.json()["items"]]

    assert await names(q=family, sort="name") == ["Anna", "Bea", "Carl"]
    assert await names(q=family, sort="-name") == ["Carl", "Bea", "Anna"]
    assert await names(q=f"bea {family}") == ["Bea"]
    assert await names(email=f"ANNA.{family}@example.org") == ["Anna"]
    assert sorted(await names(provider=ward.organization)) == ["Anna", "Bea", "Carl"]
    first = (await web.get("/patients", params={"q": family, "sort": "name", "limit": "2", "fields": "id"})).json()
    rest = await web.get("/patients", params={"q": family, "sort": "name", "limit": "2", "cursor": first["next"]})
    assert ([set(each) for each in first["items"]], [each["firstName"] for each in rest.json()["items"]]) == (
        [{"id"}, {"id"}],
        ["Carl"],
    )
    assert (await web.get("/patients", params={"sort": "age"})).status_code == 422


async def test_a_patient_is_removed_by_who_made_them_once_nobody_expects_them(ward: Ward) -> None:
    dietician, doctor, admin = [await ward.web(role) for role in ("DIETICIAN", "DOCTOR", "ADMIN")]
    made = (await dietician.post("/patients", json=somebody(practitioners=[ward.names["DOCTOR"]]))).json()
    address = f"/patients/{made['id']}"
    refused = await doctor.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_source")
    appointment: Json = {
        "resourceType": "Appointment",
        "id": f"a{made['id']}",
        "status": "booked",
        "start": "2099-01-01T10:00:00Z",
        "end": "2099-01-01T10:30:00Z",
        "participant": [{"actor": {"reference": f"Patient/{made['id']}"}, "status": "accepted"}],
    }
    await ward.store(appointment)
    expected = await dietician.delete(address)
    assert (expected.status_code, expected.json()["code"]) == (409, "has_open_appointments")
    cancelled = {**appointment, "status": "cancelled"}
    assert (await ward.fhir.put(f"/Appointment/{appointment['id']}", json=cancelled)).status_code == 200
    assert (await dietician.delete(address)).status_code == 204
    assert (await dietician.get(address)).status_code == 410
    assert (await ward.fhir.get(f"/Patient/{made['id']}/_history")).json()["total"] == 2
    other = (await (await ward.web("RECEPTIONIST")).post("/patients", json=somebody())).json()
    assert (await admin.delete(f"/patients/{other['id']}")).status_code == 204
