"""Connections with providers over HTTP: who decides, what is never shown, what FHIR says of it, and a real provider tried."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from pymongo import MongoClient

from api.settings import Settings
from domain.access import Role
from tests.api import providers
from tests.api.conftest import started
from tests.api.providers import content, faulty, raw, saying
from tests.api.v1.clinic import ORIGIN, Clinic, Mailbox
from tests.api.v1.test_every_endpoint import ROLES
from tests.api.v1.ward import Ward

Json = dict[str, Any]
SECRET = "correct-horse-battery"
WANTED: Json = {
    "name": "Chalmers Clinic",
    "endpoint": "https://chalmers.example.org/fhir/",
    "remotePatientId": "r1",
    "auth": {"kind": "BASIC", "name": "us", "secret": SECRET},
    "syncIntervalMinutes": 60,
    "types": ["Observation", "DocumentReference", "Observation"],
}
METADATA = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [{"mode": "server", "resource": [{"type": "Observation", "interaction": [{"code": "search-type"}]}]}],
}


@pytest.fixture(scope="module")
async def clinic(installation: Settings) -> AsyncIterator[Clinic]:
    """An application that may call this machine, and one clinic of the world."""
    hosts = "127.0.0.1, chalmers.example.org, tokens.example.org"
    async with started(msgspec.structs.replace(installation, provider_hosts=hosts)) as app:
        clinic = Clinic(app, Mailbox())
        async with clinic.web:
            yield clinic


def path(ward: Ward) -> str:
    return f"/patients/{ward.patient}/provider-connection"


async def put(web: httpx.AsyncClient, ward: Ward, **given: Any) -> httpx.Response:
    """Connect the ward's patient; `if_match` is a version."""
    match = given.pop("if_match", None)
    return await web.put(
        path(ward), json={**WANTED, **given}, headers={} if match is None else {"if-match": f'W/"{match}"'}
    )


async def test_a_connection_is_made_shown_changed_and_forgotten_and_its_secret_never_comes_back(ward: Ward) -> None:
    doctor = await ward.web("DOCTOR")
    assert (await doctor.get(path(ward))).json()["code"] == "not_connected"
    made = await put(doctor, ward)
    assert made.status_code == 200, made.text
    assert made.headers["etag"] == 'W/"1"'
    shown = await doctor.get(path(ward))
    assert shown.json() == made.json()
    found = shown.json()
    assert (found["endpoint"], found["types"]) == (WANTED["endpoint"][:-1], ["Observation", "DocumentReference"])
    assert found["auth"] == {"kind": "BASIC", "name": "us", "tokenUrl": "", "scope": ""}
    for answer in (made, shown):
        assert SECRET not in answer.text
    assert (await put(doctor, ward, if_match=7)).status_code == 412
    again = await put(doctor, ward, if_match=1, syncIntervalMinutes=None, auth={"kind": "BASIC", "name": "us"})
    assert (again.status_code, again.json()["version"], again.json()["id"]) == (200, 2, found["id"])
    kept = await ward.clinic.service.sync.connections.get(ward.patient)
    assert kept is not None
    assert (kept.auth.secret, kept.every) == (SECRET, None)
    assert (await doctor.delete(path(ward), headers={"if-match": 'W/"1"'})).status_code == 412
    assert (await doctor.delete(path(ward))).status_code == 204
    assert (await doctor.delete(path(ward))).status_code == 404
    assert await ward.clinic.service.sync.connections.get(ward.patient) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "https://tokens.example.org/fhir"},
        {"auth": {"kind": "BASIC", "name": "others"}},
        {"auth": {"kind": "BEARER"}},
        {"auth": {"kind": "CLIENT_CREDENTIALS", "name": "us", "tokenUrl": "https://tokens.example.org/token"}},
    ],
)
async def test_a_secret_that_is_left_out_is_never_sent_to_anybody_else_than_before(ward: Ward, changed: Json) -> None:
    doctor = await ward.web("DOCTOR")
    assert (await put(doctor, ward)).status_code == 200
    answer = await put(doctor, ward, **{"auth": {"kind": "BASIC", "name": "us"}, **changed})
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_required")
    kept = await ward.clinic.service.sync.connections.get(ward.patient)
    assert kept is not None
    assert (kept.version, kept.base) == (1, "https://chalmers.example.org/fhir")


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"endpoint": "https://169.254.169.254/fhir"}, "endpoint"),
        ({"endpoint": "https://us:pw@chalmers.example.org/fhir"}, "endpoint"),
        ({"endpoint": "https://chalmers.example.org/fhir?x=1"}, "endpoint"),
        ({"endpoint": "ftp://chalmers.example.org/fhir"}, "endpoint"),
        ({"remotePatientId": "../Practitioner/1"}, "remotePatientId"),
        ({"types": ["Consent"]}, "types[0]"),
        ({"types": []}, "types"),
        ({"name": " "}, "name"),
        ({"syncIntervalMinutes": 1}, "syncIntervalMinutes"),
        ({"auth": {"kind": "BEARER", "secret": "a b"}}, "auth.secret"),
        ({"auth": {"kind": "BASIC", "name": "a:b", "secret": "c"}}, "auth.name"),
        ({"auth": {"kind": "BASIC", "secret": "c"}}, "auth.name"),
        (
            {"auth": {"kind": "CLIENT_CREDENTIALS", "name": "a", "secret": "c", "tokenUrl": "https://10.1.2.3/t"}},
            "auth.tokenUrl",
        ),
        ({"password": "x"}, "password"),
    ],
)
async def test_what_cannot_be_called_or_sent_is_refused_and_named(ward: Ward, changed: Json, where: str) -> None:
    answer = await put(await ward.web("DOCTOR"), ward, **changed)
    assert answer.status_code == 422, answer.text
    assert where in answer.text
    assert await ward.clinic.service.sync.connections.get(ward.patient) is None


async def test_who_treats_or_keeps_the_record_decides_and_patients_see_and_end_their_own(ward: Ward) -> None:
    deciding: set[Role] = {"DOCTOR", "DIETICIAN", "ADMIN"}
    assert (await put(await ward.web("DOCTOR"), ward)).status_code == 200
    for role in ROLES:
        web, stranger = await ward.web(role), await ward.web(role, stranger=True)
        seen = 200 if role in deciding | {"PATIENT"} else {403, 404}
        assert (await web.get(path(ward))).status_code in ([seen] if isinstance(seen, int) else seen), role
        written = await put(web, ward, if_match=99)
        assert written.status_code in ({412} if role in deciding else {403, 404}), role
        assert (await web.post(path(ward) + "/test", json={})).status_code in (
            {200} if role in deciding else {403, 404}
        ), role
        for refused in (
            await stranger.get(path(ward)),
            await put(stranger, ward),
            await stranger.delete(path(ward)),
            await stranger.post(path(ward) + "/test", json={}),
        ):
            assert refused.status_code in (403, 404), role
        if role not in deciding | {"PATIENT"}:
            assert (await web.delete(path(ward))).status_code in (403, 404), role
    assert (await (await ward.web("PATIENT")).delete(path(ward))).status_code == 204


async def test_as_fhir_it_is_an_organization_with_an_endpoint_that_the_patient_names(ward: Ward) -> None:
    doctor = await ward.web("DOCTOR")
    gp = {"reference": f"Practitioner/{ward.names['DOCTOR']}"}
    patient = (await ward.fhir.get(f"/Patient/{ward.patient}")).json()
    assert (await ward.fhir.put(f"/Patient/{ward.patient}", json={**patient, "generalPractitioner": [gp]})).is_success
    provider = (await put(doctor, ward)).json()["provider"]
    organization = (await ward.fhir.get(f"/Organization/{provider['id']}")).json()
    endpoint = (await ward.fhir.get(f"/Endpoint/{provider['id']}")).json()
    for each in (organization, endpoint):
        await ward.valid(each)
        assert ward.patient not in str(each)
        assert SECRET not in str(each)
    assert endpoint["address"] == "https://chalmers.example.org/fhir"
    assert endpoint["connectionType"]["code"] == "hl7-fhir-rest"
    assert endpoint["managingOrganization"] == {"reference": f"Organization/{provider['id']}"}

    async def named() -> list[Json]:
        found: list[Json] = (await ward.fhir.get(f"/Patient/{ward.patient}")).json()["generalPractitioner"]
        return found

    ours = {"reference": f"Organization/{provider['id']}", "display": "Chalmers Clinic"}
    assert await named() == [gp, ours]
    assert (await doctor.get(f"/patients/{ward.patient}")).json()["primaryProvider"]["name"] == "Chalmers Clinic"
    assert (await put(doctor, ward)).status_code == 200
    assert await named() == [gp, ours]
    versions = (await ward.fhir.get(f"/Patient/{ward.patient}/_history")).json()["total"]
    assert versions == 3
    other = (await put(doctor, ward, name="Chalmers Hospital")).json()["provider"]
    assert await named() == [gp, {"reference": f"Organization/{other['id']}", "display": "Chalmers Hospital"}]
    found = await ward.fhir.get(
        "/Patient", params={"organization": ward.organization, "general-practitioner": other["id"]}
    )
    assert found.json()["total"] == 1
    assert (await doctor.delete(path(ward))).status_code == 204
    assert await named() == [gp]


async def test_whatever_order_they_come_in_what_fhir_says_is_the_newest_connection(ward: Ward) -> None:
    """Two who connect at once: one wins, the other hears of it, and Patient and row name the same provider."""
    web = await ward.web("DOCTOR")
    for _ in range(5):
        names = [f"Clinic {secrets.token_hex(4)}" for _ in range(4)]
        answers = await asyncio.gather(*(put(web, ward, name=name) for name in names))
        assert {each.status_code for each in answers} <= {200, 412}
        row = (await web.get(path(ward))).json()
        patient = (await ward.fhir.get(f"/Patient/{ward.patient}")).json()
        assert [each["display"] for each in patient["generalPractitioner"]] == [row["provider"]["name"]]


async def test_nothing_of_the_connection_is_readable_in_the_database_and_the_audit_knows_who_made_it(
    ward: Ward, installation: Settings, mongo_admin: MongoClient[Json]
) -> None:
    assert (await put(await ward.web("DOCTOR"), ward)).status_code == 200
    rows = [str(row) for row in mongo_admin[installation.database]["provider_connections"].find()]
    assert rows
    assert not [row for row in rows if SECRET in row or "halmers" in row]
    about = [
        row["interaction"]
        for row in mongo_admin[installation.database]["audit"].find({"patients": ward.patient})
        if row["interaction"].startswith("provider-connection")
    ]
    assert about == ["provider-connection-update"]


async def test_a_real_provider_is_tried(ward: Ward, settings: Settings) -> None:
    doctor = await ward.web("DOCTOR")
    async with providers.provider(settings) as hospital:
        async with httpx.AsyncClient(
            base_url=hospital.base, headers={"authorization": f"Bearer {hospital.token}"}, trust_env=False
        ) as there:
            assert (await there.put("/Patient/r1", json={"resourceType": "Patient", "id": "r1"})).status_code == 201
        auth = {"kind": "BEARER", "secret": hospital.token}

        async def tried(**given: Any) -> tuple[bool, list[str]]:
            assert (await put(doctor, ward, **{"endpoint": hospital.base, "auth": auth, **given})).status_code == 200
            answer = (await doctor.post(path(ward) + "/test", json={})).json()
            assert all(each["detail"] and each["troubleshooting"] for each in answer["troubles"])
            return answer["ok"], [each["code"] for each in answer["troubles"]]

        assert await tried() == (True, [])
        assert await tried(remotePatientId="nobody") == (False, ["unknown_patient"])
        assert await tried(auth={"kind": "BEARER", "secret": "x" * 20}) == (False, ["unauthorized"])


async def test_a_faulty_provider_is_explained(ward: Ward) -> None:
    doctor = await ward.web("DOCTOR")
    async with faulty({}) as server:

        async def tried(metadata: providers.Talk, patient: providers.Talk) -> Json:
            server.talks = {"/metadata": metadata, "/Patient": patient}
            assert (await put(doctor, ward, endpoint=server.base)).status_code == 200
            answer: Json = (await doctor.post(path(ward) + "/test", json={})).json()
            return answer

        good, patient = content(METADATA), content({"resourceType": "Patient", "id": "r1"})
        found = await tried(good, patient)
        assert (found["ok"], found["missingTypes"]) == (True, ["DocumentReference"])
        for metadata, answered, cause in (
            (content({**METADATA, "fhirVersion": "3.0.2"}), patient, "bad_content"),
            (good, saying("403 Forbidden"), "forbidden"),
            (good, saying("503 Service Unavailable", Retry_After="9"), "throttled"),
            (raw(b"", cut=True), patient, "unreachable"),
            (saying("200 OK", b"<html>"), patient, "bad_content"),
        ):
            found = await tried(metadata, answered)
            assert (found["ok"], [each["code"] for each in found["troubles"]]) == (False, [cause])
    assert ORIGIN not in str(found)
