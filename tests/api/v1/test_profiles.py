"""Which record somebody who registered is linked to: `domain/accounts/DECISIONS.md`."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from domain.errors import Unavailable
from tests.api.v1.clinic import ORIGIN, PASSWORD, Clinic, bearer


@pytest.fixture
async def fhir_as(clinic: Clinic, installation: Settings) -> Any:
    token = mint(installation, scopes="system/*.cruds", lifetime_seconds=600)

    async def create(email: str, **content: Any) -> str:
        body = {"resourceType": "Patient", "telecom": [{"system": "email", "value": email}], **content}
        answer = await clinic.web.post(f"{ORIGIN}/fhir/Patient", json=body, headers=bearer(token))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    return create


async def me_after_registering(clinic: Clinic, email: str, **more: Any) -> dict[str, Any]:
    form = {"email": email, "password": PASSWORD, "firstName": "Zoë", "lastName": "Berg", **more}
    assert (await clinic.post("/auth/register", form)).status_code == 202
    verified = await clinic.post("/auth/verify-email", {"token": await clinic.mailbox.token_to(email)})
    assert verified.status_code == 204
    token = (await clinic.post("/auth/login", {"email": email, "password": PASSWORD})).json()["accessToken"]
    answer: httpx.Response = await clinic.web.get("/users/me", headers=bearer(token))
    found: dict[str, Any] = answer.json()
    return found


NAME = [{"family": "Berg", "given": ["Zoe"]}]


async def test_who_is_in_no_record_gets_one(clinic: Clinic, installation: Settings) -> None:
    me = await me_after_registering(clinic, "first@example.org", birthDate="1980-02-03")
    token = mint(installation, scopes="system/*.cruds", lifetime_seconds=600)
    patient = (await clinic.web.get(f"{ORIGIN}/fhir/Patient/{me['patientId']}", headers=bearer(token))).json()
    assert (patient["name"], patient["birthDate"]) == ([{"family": "Berg", "given": ["Zoë"]}], "1980-02-03")


async def test_the_one_record_with_the_address_the_name_and_the_birth_date_is_linked(
    clinic: Clinic, fhir_as: Any
) -> None:
    record = await fhir_as("same@example.org", name=NAME, birthDate="1980-02-03")
    me = await me_after_registering(clinic, "same@example.org", birthDate="1980-02-03")
    assert me["patientId"] == record


@pytest.mark.parametrize(
    ("number", "record", "given"),
    [
        (1, {"name": NAME, "birthDate": "1980-02-03"}, {}),
        (2, {"name": NAME, "birthDate": "1980-02-03"}, {"birthDate": "1980-02-04"}),
        (3, {"name": [{"family": "Berg", "given": ["Tim"]}], "birthDate": "1980-02-03"}, {"birthDate": "1980-02-03"}),
        (4, {"name": NAME}, {"birthDate": "1980-02-03"}),
        (5, {"birthDate": "1980-02-03"}, {"birthDate": "1980-02-03"}),
    ],
)
async def test_a_record_that_might_be_somebody_elses_is_left_to_an_administrator(
    clinic: Clinic, fhir_as: Any, number: int, record: dict[str, Any], given: dict[str, Any]
) -> None:
    email = f"unsure{number}@example.org"
    await fhir_as(email, **record)
    assert (await me_after_registering(clinic, email, **given))["patientId"] is None


async def test_of_two_records_none_is_linked_and_one_record_belongs_to_one_account(
    clinic: Clinic, fhir_as: Any
) -> None:
    for _ in range(2):
        await fhir_as("two@example.org", name=NAME, birthDate="1980-02-03")
    assert (await me_after_registering(clinic, "two@example.org", birthDate="1980-02-03"))["patientId"] is None
    record = await fhir_as("owned@example.org", name=NAME, birthDate="1980-02-03")
    await clinic.person("PATIENT", profiles=(f"Patient/{record}",))
    assert (await me_after_registering(clinic, "owned@example.org", birthDate="1980-02-03"))["patientId"] is None


async def test_a_confirmation_that_failed_half_way_can_be_tried_again(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = "again@example.org"
    form = {"email": email, "password": PASSWORD, "firstName": "Zoë", "lastName": "Berg"}
    await clinic.post("/auth/register", form)
    token = await clinic.mailbox.token_to(email)

    async def fail(*_: Any) -> None:
        raise Unavailable("The database does not answer")

    with monkeypatch.context() as patch:
        patch.setattr("api.v1.auth.give_patient", fail)
        assert (await clinic.post("/auth/verify-email", {"token": token})).status_code == 503
    assert (await clinic.post("/auth/verify-email", {"token": token})).status_code == 204
    assert (await clinic.post("/auth/verify-email", {"token": token})).status_code == 410
    account = await clinic.people.accounts.by_email(email)
    assert account is not None
    assert [each.partition("/")[0] for each in account.profiles] == ["Patient"]
