"""The duplicate rule over HTTP: who is found, who is only warned about, and who learns nothing."""

from __future__ import annotations

import asyncio
import os
import secrets
from typing import Any

import pytest

from tests.api.v1.test_patients import somebody
from tests.api.v1.ward import Ward

Json = dict[str, Any]
ROUNDS = int(os.environ.get("CHARTVAULT_ROUNDS", "2"))


def jane() -> Json:
    """Somebody with every fact the rule looks at."""
    mail, digits = secrets.token_hex(5), secrets.randbelow(10**7)
    return somebody(contact={"email": f"{mail}@example.org", "phone": f"+44 113 {digits:07}"})


def without(body: Json, *names: str, **more: Any) -> Json:
    return {name: value for name, value in {**body, **more}.items() if name not in names}


def changed(body: Json, case: str) -> Json:
    """The same person, or somebody else, described again."""
    first, last, contact = body["firstName"], body["lastName"], body["contact"]
    return {
        "everything": body,
        "mail and name": without(body, "dateOfBirth", contact={"email": contact["email"].upper()}),
        "name and birth date": without(body, "contact"),
        "name and phone": without(body, "dateOfBirth", contact={"phone": contact["phone"].replace(" ", "-")}),
        "mistyped": without(body, "contact", lastName=f"{last[:-2]}{last[-1]}{last[-2]}"),
        "other way round": without(body, "contact", "firstName", "lastName", fullName=f"{last.upper()} {first}"),
        "name only": without(body, "contact", "dateOfBirth"),
        "birth date only": without(body, "contact", firstName="Other", lastName=secrets.token_hex(5)),
        "phone only": without(body, "dateOfBirth", firstName="Other", lastName=secrets.token_hex(5)),
        "a child with the mother's mail": {
            **body, "firstName": "Leo", "lastName": secrets.token_hex(6), "dateOfBirth": "2020-01-01",
            "contact": {"email": contact["email"]},
        },
        "a namesake with the same mail": {**body, "dateOfBirth": "2020-01-01", "contact": {"email": contact["email"]}},
    }[case]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "matched"),
    [
        ("everything", ["email", "name", "dateOfBirth", "phone"]),
        ("mail and name", ["email", "name"]),
        ("name and birth date", ["name", "dateOfBirth"]),
        ("name and phone", ["name", "phone"]),
        ("mistyped", ["name", "dateOfBirth"]),
        ("other way round", ["name", "dateOfBirth"]),
        ("name only", None),
        ("birth date only", None),
        ("phone only", None),
        ("a child with the mother's mail", None),
        ("a namesake with the same mail", None),
    ],
)
async def test_the_rule_says_who_is_the_same(ward: Ward, case: str, matched: list[str] | None) -> None:
    body = jane()
    one, other = (body, changed(body, case)) if secrets.randbelow(2) else (changed(body, case), body)
    known = (await ward.program.post("/patients", json=one)).json()["id"]
    answer = await ward.program.post("/patients", json=other)
    if matched is None:
        assert answer.status_code == 201, answer.text
        shared = [each["code"] for each in answer.json().get("warnings", ())]
        assert shared == (["shared_email"] if "mail" in case or case == "phone only" else [])
        return
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "possible_duplicate")
    (candidate,) = problem["candidates"]
    assert (candidate["id"], candidate["matchedOn"]) == (known, matched)
    assert candidate["grade"] in ("probable", "possible")
    assert 0.5 < candidate["score"] <= 1
    assert candidate["url"] == f"/api/v1/patients/{known}"
    assert set(candidate) == {"id", "score", "grade", "matchedOn", "url"}


async def test_the_same_number_of_another_system_is_the_same_person(ward: Ward) -> None:
    number = [{"system": "urn:oid:1.2.3", "value": secrets.token_hex(6)}]
    await ward.program.post("/patients", json=somebody(externalIds=number))
    answer = await ward.program.post("/patients", json=somebody(externalIds=number))
    assert (answer.status_code, answer.json()["candidates"][0]["matchedOn"]) == (409, ["externalId"])


async def test_a_duplicate_is_allowed_with_a_reason_that_is_kept(ward: Ward) -> None:
    body = jane()
    web = await ward.web("RECEPTIONIST")
    assert (await web.post("/patients", json=body)).status_code == 201
    assert (await web.post("/patients", json={**body, "reason": "Twins"})).status_code == 409
    made = await web.post("/patients", json={**body, "reason": "Twins"}, params={"allowDuplicate": "true"})
    assert made.status_code == 201, made.text
    kept = (await ward.fhir.get(f"/Provenance?target=Patient/{made.json()['id']}")).json()["entry"]
    assert [entry["resource"]["reason"] for entry in kept] == [[{"text": "Twins"}]]
    await ward.valid(kept[0]["resource"])


async def test_a_duplicate_leads_to_who_is_there_when_asked(ward: Ward) -> None:
    body = jane()
    known = (await ward.program.post("/patients", json=body)).json()["id"]
    answer = await ward.program.post("/patients", json=body, params={"onDuplicate": "redirect"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/api/v1/patients/{known}")
    assert not answer.content


async def test_a_change_that_makes_a_duplicate_is_refused_and_any_other_is_not(ward: Ward) -> None:
    body = jane()
    await ward.program.post("/patients", json=body)
    other = (await ward.program.post("/patients", json=somebody())).json()["id"]
    same = without(body, "contact")
    refused = await ward.program.put(f"/patients/{other}", json=same)
    assert (refused.status_code, refused.json()["code"]) == (409, "possible_duplicate")
    allowed = await ward.program.put(
        f"/patients/{other}", json={**same, "reason": "Twins"}, params={"allowDuplicate": "true"}
    )
    assert allowed.status_code == 200, allowed.text
    kept = (await ward.fhir.get(f"/Provenance?target=Patient/{other}")).json()["entry"]
    assert len(kept) == 1
    unrelated = await ward.program.put(f"/patients/{other}", json={"gender": "other"})
    assert unrelated.status_code == 200, "what the rule does not look at asks nobody"


async def test_nobody_learns_of_a_patient_they_may_not_see(ward: Ward) -> None:
    body = jane()
    assert (await ward.program.post("/patients", json=body)).status_code == 201
    stranger = await ward.web("DIETICIAN", stranger=True)
    made = await stranger.post("/patients", json=body)
    assert made.status_code == 201
    assert "warnings" not in made.json()
    again = await stranger.post("/patients", json=body)
    assert [each["id"] for each in again.json()["candidates"]] == [made.json()["id"]]


async def test_of_many_who_write_one_person_at_once_one_does(ward: Ward) -> None:
    for _ in range(ROUNDS):
        body = jane()
        shapes = [body, changed(body, "name and birth date"), changed(body, "mail and name")]
        answers = await asyncio.gather(*(ward.program.post("/patients", json=shapes[n % 3]) for n in range(9)))
        codes = sorted(answer.status_code for answer in answers)
        # Two who have no fact in common ("name and birth date", "mail and name") are both there when they come first.
        assert codes.count(201) in (1, 2), codes
        assert set(codes) == {201, 409}
        alike = await asyncio.gather(*(ward.program.post("/patients", json=body) for _ in range(3)))
        assert [answer.status_code for answer in alike] == [409] * 3
