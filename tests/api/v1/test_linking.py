"""An account opens the records of whoever it is linked to: administrators link the people of their own organisation only."""

from __future__ import annotations

import secrets

import httpx

from tests.api.v1.clinic import Clinic
from tests.api.v1.practice import Practice


async def somebody_of(practice: Practice) -> list[str]:
    """A patient, who acts for them, a doctor, and the doctor's role."""
    patient, relative, doctor = await practice.patient(), f"r{secrets.token_hex(5)}", await practice.doctor()
    subject = {"reference": f"Patient/{patient}"}
    await practice.store({"resourceType": "RelatedPerson", "id": relative, "patient": subject})
    return [f"Patient/{patient}", f"RelatedPerson/{relative}", f"Practitioner/{doctor}", f"PractitionerRole/{doctor}"]


async def invited(admin: httpx.AsyncClient, profile: str, role: str = "DOCTOR") -> httpx.Response:
    body = {"email": f"{secrets.token_hex(6)}@clinic.example", "firstName": "A", "lastName": "B"}
    return await admin.post("/users", json={**body, "role": role, "profiles": [profile]})


async def test_administrators_link_accounts_to_the_people_of_their_organisation_and_to_no_others(
    practice: Practice, program: str
) -> None:
    elsewhere = Practice(practice.clinic, program)
    await elsewhere.fill()
    ours, theirs = await somebody_of(practice), await somebody_of(elsewhere)
    admin, top = await practice.as_admin(), practice.web(await practice.clinic.token("SUPER_ADMIN"))
    account = (await invited(admin, ours[0], "PATIENT")).json()["id"]
    for profile in ours:
        assert (await invited(admin, profile)).status_code == 201
        linked = await admin.put(f"/users/{account}", json={"profiles": [profile]})
        assert (linked.status_code, linked.json()["profiles"]) == (200, [profile])
    for profile in (*theirs, "Patient/nobody", "Practitioner/nobody", "RelatedPerson/nobody"):
        for answer in (
            await invited(admin, profile),
            await invited(admin, profile, "PATIENT"),
            await admin.put(f"/users/{account}", json={"profiles": [ours[0], profile]}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_profile"), profile
        assert (await invited(top, profile)).status_code == 201
    assert (await admin.get(f"/users/{account}")).json()["profiles"] == [ours[-1]]


async def test_what_somebody_else_has_linked_stays_and_may_be_taken_away(practice: Practice, clinic: Clinic) -> None:
    person = await clinic.person(
        "NURSE", profiles=("Practitioner/far", "Patient/far"), organizations=(f"Organization/{practice.organization}",)
    )
    admin = await practice.as_admin()
    left = await admin.put(f"/users/{person.account.id}", json={"profiles": ["Patient/far"]})
    assert (left.status_code, left.json()["profiles"]) == (200, ["Patient/far"])
    again = await admin.put(f"/users/{person.account.id}", json={"profiles": ["Practitioner/far"]})
    assert again.status_code == 403
