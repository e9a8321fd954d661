"""From an inquiry to a patient: somebody asks, the dietician follows the link, and finds whether they are in the records.

Through HTTP on the real store; what was written is read back as FHIR, checked and searched.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.v1.clinic import Clinic, bearer
from tests.api.v1.conftest import clinic, installation
from tests.api.v1.ward import Ward

__all__ = ("clinic", "installation")
Json = dict[str, Any]


@pytest.fixture
async def ward(clinic: Clinic, installation: Settings) -> Ward:
    found = Ward(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600))
    await found.fill()
    return found


async def asked(ward: Ward, network: str, **said: str) -> str:
    """Somebody without a login asks to become a patient."""
    async with ward.clinic.elsewhere(network) as stranger:
        answer = await stranger.post("/inquiries", json={"message": "I would like to eat better.", **said})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_an_inquiry_becomes_a_patient_once(ward: Ward) -> None:
    profile = f"Practitioner/{ward.names['DIETICIAN']}"
    person = await ward.clinic.person("DIETICIAN", profiles=(profile,))
    token = (await ward.clinic.login(person))["accessToken"]
    family, mail = f"Berg{secrets.token_hex(4)}", f"{secrets.token_hex(5)}@example.org"
    inquiry = await asked(ward, "10.9.1.1", name=f"Zoë {family}", email=mail, birthDate="1990-05-04")
    letter = (await ward.clinic.mailbox.letter_to(person.email)).get_content()
    link = re.search(r"/patients/new\?inquiry=(\S+)", letter)
    assert (link and link[1], family in letter) == (inquiry, False)

    web = ward.clinic.web
    mine = bearer(token)
    shown = (await web.get(f"/inquiries/{inquiry}", headers=mine)).json()
    body: Json = {
        "fullName": shown["name"],
        "email": shown["email"],
        "dateOfBirth": shown["birthDate"],
        "medicalHistory": "Coeliac disease since 2010.",
        "dietaryPreferences": {"allergies": ["Wheat"], "restrictions": ["gluten-free"]},
    }
    made = await web.post("/patients", json=body, headers=mine)
    assert made.status_code == 201, made.text
    patient = made.json()["id"]
    closed = await web.post(f"/inquiries/{inquiry}/close", json={"patientId": patient}, headers=mine)
    assert closed.json()["status"] == "ACCEPTED"
    for query, kind in [
        (f"Patient?name={family}&birthdate=1990-05-04&email={mail}", "Patient"),
        (f"CareTeam?patient={patient}&participant={profile}", "CareTeam"),
        (f"AllergyIntolerance?patient={patient}&category=food", "AllergyIntolerance"),
        (f"DocumentReference?patient={patient}&type=11348-0&_content=coeliac", "DocumentReference"),
    ]:
        (entry,) = (await ward.fhir.get(f"/{query}")).json()["entry"]
        assert entry["resource"]["resourceType"] == kind
        await ward.valid(entry["resource"])

    # The same person asks again, and writes the name the other way round.
    second = await asked(ward, "10.9.1.2", name=f"{family} Zoe", email=mail.upper(), birthDate="1990-05-04")
    again = {**body, "fullName": f"{family} Zoe"}
    conflict = await web.post("/patients", json=again, headers=mine)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "possible_duplicate")
    assert [each["id"] for each in conflict.json()["candidates"]] == [patient]
    led = await web.post("/patients", json=again, headers=mine, params={"onDuplicate": "redirect"})
    assert (led.status_code, led.headers["location"]) == (303, f"/api/v1/patients/{patient}")
    closed = await web.post(f"/inquiries/{second}/close", json={"patientId": patient}, headers=mine)
    assert closed.json()["patientId"] == patient

    # A brother with the same mailbox is somebody else, and the dietician is told that the address is shared.
    brother = {"fullName": f"Leo {family}", "email": mail, "dateOfBirth": "1994-01-02"}
    taken = await web.post("/patients", json=brother, headers=mine)
    assert (taken.status_code, [each["code"] for each in taken.json()["warnings"]]) == (201, ["shared_email"])
    listed = (await web.get("/patients", headers=mine, params={"q": family, "sort": "name"})).json()["items"]
    assert {each["id"] for each in listed} == {patient, taken.json()["id"]}
