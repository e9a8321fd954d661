"""What is changed here is told to the provider it came from: what is sent, what is not, what becomes of it, who hears of it."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from api.settings import Settings
from domain import outbox
from tests.api import providers
from tests.api.conftest import started
from tests.api.v1.clinic import Clinic, Mailbox
from tests.api.v1.sync_world import Shared

Json = dict[str, Any]
SOON = 15.0


@pytest.fixture(scope="module")
async def clinic(installation: Settings) -> AsyncIterator[Clinic]:
    """Ours: it may call this machine."""
    settings = msgspec.structs.replace(installation, provider_hosts="127.0.0.1", rate_limit_sign_in=0)
    async with started(settings) as app:
        clinic = Clinic(app, Mailbox())
        async with clinic.web:
            yield clinic


@pytest.fixture
def shared(both_sides: Shared) -> Shared:
    return both_sides


async def connected(shared: Shared, **given: Any) -> None:
    """Connect as people do, and wait for what comes."""
    body = {
        "name": "St Erewhon",
        "endpoint": shared.office.provider.base,
        "remotePatientId": shared.office.patient,
        "auth": {"kind": "BEARER", "secret": shared.office.provider.token},
        "types": ["Observation", "Condition", "DocumentReference"],
        **given,
    }
    web = await shared.ward.web("DOCTOR")
    answer = await web.put(f"/patients/{shared.patient}/provider-connection", json=body)
    assert answer.status_code == 200, answer.text
    assert (await shared.over())["status"] == "COMPLETED"


async def pushed(shared: Shared, times: int = 1, **wanted: str) -> Json:
    """The newest line of the log about something that was told to the provider, once there are so many."""
    until = datetime.now(UTC) + timedelta(seconds=SOON)
    while datetime.now(UTC) < until:
        lines = await shared.logs(action="PUSH", **wanted)
        if len(lines) >= times:
            return lines[0]
        await asyncio.sleep(0.05)
    raise AssertionError("nothing was told to the provider")


async def settled(shared: Shared) -> None:
    """Wait until nothing is on its way to a provider any more, tried again or not."""
    rows = shared.ward.clinic.service.telling.outbox._rows  # type: ignore[attr-defined]
    theirs = {"patient": shared.patient, "state": "WAITING"}
    until = datetime.now(UTC) + timedelta(seconds=SOON)
    while datetime.now(UTC) < until:
        waiting = await rows.count_documents({"channel": "provider", **theirs})
        asked = await rows.database["notices"].count_documents({"kind": "provider-push", **theirs})
        if waiting == 0 and asked == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("something stays on its way")


async def told(shared: Shared, kind: str, role: Any = "DOCTOR") -> list[Json]:
    """What somebody is told of this kind, about this patient."""
    web = await shared.ward.web(role)
    for _ in range(20):
        items = (await web.get("/notifications")).json()["items"]
        found = [each for each in items if each["kind"] == kind and f"Patient/{shared.patient}" in str(each)]
        if found:
            return found
        await asyncio.sleep(0.1)
    return []


def client(web: httpx.AsyncClient) -> httpx.AsyncClient:
    """The same person at the FHIR base."""
    headers = {"authorization": web.headers["authorization"], "content-type": "application/fhir+json"}
    return httpx.AsyncClient(transport=web._transport, base_url="http://127.0.0.1:8000/fhir", headers=headers)


async def edit(shared: Shared, resource: Json, **changed: Any) -> Json:
    """The doctor changes a resource, as a FHIR client."""
    web = client(await shared.ward.web("DOCTOR"))
    answer = await web.put(f"/{resource['resourceType']}/{resource['id']}", json={**resource, **changed})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def theirs(shared: Shared, name: str) -> Json:
    found: Json = (await shared.office.web.get(f"/{name}")).json()
    return found


async def test_a_change_of_what_came_from_a_provider_is_told_to_it_and_to_who_made_it(shared: Shared) -> None:
    office = shared.office
    stored = await office.store({**office.observation(0), "performer": [{"reference": "Practitioner/theirs"}]})
    await connected(shared)
    (mine,) = await shared.ours("Observation")
    doctor = {"reference": f"Practitioner/{shared.ward.names['DOCTOR']}"}
    await edit(shared, mine, note=[{"text": "With shoes", "authorReference": doctor}], status="amended")
    line = await pushed(shared)
    assert (line["status"], line["documentId"]) == ("SUCCESS", None)
    there = await theirs(shared, f"Observation/{stored['id']}")
    assert there["meta"]["versionId"] == "2"
    assert {**there, "meta": None} == {
        **stored,
        "meta": None,
        "status": "amended",
        "note": [{"text": "With shoes", "authorReference": {"display": "Practitioner"}}],
    }
    (notice,) = await told(shared, "push-done")
    assert "St Erewhon" in notice["text"]
    run = await shared.synchronised(full=True)
    assert (run["status"], run["errors"]) == ("COMPLETED", [])
    await office.store({**there, "status": "corrected"})
    assert (await shared.synchronised())["summary"]["changed"] == 1
    (mine,) = await shared.ours("Observation")
    assert (mine["status"], mine["note"][0]["text"]) == ("corrected", "With shoes")


async def test_who_a_patient_is_is_told_and_nothing_else_of_the_patient(shared: Shared) -> None:
    office = shared.office
    phone = {"system": "phone", "value": "555-0001"}
    number = [{"system": "urn:theirs", "value": "77"}]
    await office.store({**await theirs(shared, f"Patient/{office.patient}"), "identifier": number})
    await connected(shared)
    web = await shared.ward.web("DOCTOR")
    answer = await web.put(f"/patients/{shared.patient}", json={"contact": {"phone": "555-0001"}})
    assert answer.status_code == 200, answer.text
    line = await pushed(shared)
    assert line["status"] == "SUCCESS"
    there = await theirs(shared, f"Patient/{office.patient}")
    assert there["telecom"] == [phone]
    assert there["identifier"] == number
    assert "generalPractitioner" not in there
    assert "managingOrganization" not in there
    assert there["meta"]["versionId"] == "3"
    (patient,) = (await shared.ward.fhir.get("/Patient", params={"_id": shared.patient})).json()["entry"]
    changed = {**patient["resource"], "active": True}
    assert (await shared.ward.fhir.put(f"/Patient/{shared.patient}", json=changed)).status_code == 200
    await settled(shared)
    assert (await theirs(shared, f"Patient/{office.patient}"))["meta"]["versionId"] == "3"
    assert len(await shared.logs(action="PUSH")) == 1


async def test_it_is_told_however_it_was_changed(shared: Shared) -> None:
    """By the words of the clinic, by a patch, and by a client that forgets where it came from."""
    office = shared.office
    category = {"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item"}
    await office.store(
        {
            "resourceType": "Condition",
            "id": f"c{office.patient}",
            "category": [{"coding": [category]}],
            "code": {"text": "Asthma"},
            "subject": {"reference": f"Patient/{office.patient}"},
        }
    )
    await connected(shared)
    web = await shared.ward.web("DOCTOR")
    (problem,) = (await web.get(f"/patients/{shared.patient}/medical-history")).json()["items"]
    one = f"/patients/{shared.patient}/medical-history/{problem['id']}"
    said = {"text": problem["text"], "note": "Since childhood"}
    answer = await web.put(one, json=said)
    assert answer.status_code == 200, answer.text
    assert (await pushed(shared))["status"] == "SUCCESS"
    there = await theirs(shared, f"Condition/c{office.patient}")
    assert there["note"] == [{"text": "Since childhood"}]
    patch = [{"op": "replace", "path": "/note/0/text", "value": "Since 1990"}]
    headers = {"content-type": "application/json-patch+json"}
    path = f"/Condition/{problem['id']}"
    assert (await shared.ward.fhir.patch(path, json=patch, headers=headers)).status_code == 200
    assert (await pushed(shared, 2))["status"] == "SUCCESS"
    mine = {name: each for name, each in (await shared.ward.fhir.get(path)).json().items() if name != "meta"}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": {**mine, "note": [{"text": "Since 1991"}]}, "request": {"method": "PUT", "url": path[1:]}}
        ],
    }
    assert (await shared.ward.fhir.post("/", json=bundle)).status_code == 200
    assert (await pushed(shared, 3))["status"] == "SUCCESS"
    there = await theirs(shared, f"Condition/c{office.patient}")
    assert there["note"] == [{"text": "Since 1991"}]


async def test_a_connected_provider_stays_named_beside_another_primary_provider(shared: Shared) -> None:
    office = shared.office
    await connected(shared)
    web = await shared.ward.web("DOCTOR")
    other = {"id": shared.ward.organization}
    answer = await web.put(f"/patients/{shared.patient}", json={"primaryProvider": other, "contact": {"phone": "5"}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["primaryProvider"]["id"] == shared.ward.organization
    assert (await pushed(shared))["status"] == "SUCCESS"
    assert (await theirs(shared, f"Patient/{office.patient}"))["telecom"] == [{"system": "phone", "value": "5"}]


async def test_a_change_that_waits_is_not_lost_when_the_connection_is_changed(shared: Shared) -> None:
    """Changing the connection writes a newer version of the Patient, which has nothing to tell by itself."""
    async with providers.relay(shared.office.provider.base) as way:
        await connected(shared, endpoint=way.base)
        way.away = True
        web = await shared.ward.web("DOCTOR")
        answer = await web.put(f"/patients/{shared.patient}", json={"contact": {"phone": "555-0002"}})
        assert answer.status_code == 200, answer.text
        rows = shared.ward.clinic.service.telling.outbox._rows  # type: ignore[attr-defined]
        async with asyncio.timeout(SOON):
            while not await rows.count_documents({"patient": shared.patient, "said": "unreachable"}):
                await asyncio.sleep(0.05)
        way.away = False
        await connected(shared, endpoint=way.base, name="Erewhon General")
        assert (await pushed(shared))["status"] == "SUCCESS"
    phone = {"system": "phone", "value": "555-0002"}
    assert (await theirs(shared, f"Patient/{shared.office.patient}"))["telecom"] == [phone]


async def test_what_was_changed_there_too_is_not_overwritten_and_people_are_told_what_to_do(shared: Shared) -> None:
    office = shared.office
    await office.store(office.observation(0))
    await connected(shared)
    (mine,) = await shared.ours("Observation")
    await office.store(office.observation(0, "75.00"))
    await edit(shared, mine, status="amended")
    line = await pushed(shared)
    assert line["status"] == "FAILED"
    there = await theirs(shared, f"Observation/o{office.patient}-0")
    assert (there["status"], there["valueQuantity"]["value"]) == ("final", 75.0)
    (kept,) = await shared.ours("Observation")
    assert kept["status"] == "amended"
    (notice,) = await told(shared, "push-conflict")
    assert "ompare" in notice["text"]

    name = [{"family": "Erewhon"}]
    await office.store({"resourceType": "Patient", "id": office.patient, "name": name})
    web = await shared.ward.web("DOCTOR")
    assert (await web.put(f"/patients/{shared.patient}", json={"lastName": "Chalmers"})).status_code == 200
    assert (await pushed(shared, 2))["status"] == "FAILED"
    assert (await theirs(shared, f"Patient/{office.patient}"))["name"] == name


async def test_a_provider_that_is_away_is_told_later_and_in_the_end_people_hear_that_it_was_not(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = shared.office
    await office.store(office.observation(0))
    async with providers.relay(office.provider.base) as way:
        await connected(shared, endpoint=way.base)
        (mine,) = await shared.ours("Observation")
        monkeypatch.setattr(outbox, "PAUSES", (timedelta(),) * 2)
        way.away = True
        await edit(shared, mine, status="amended")
        assert (await pushed(shared))["status"] == "FAILED"
        (notice,) = await told(shared, "push-failed")
        assert "contact support" in notice["text"]
        assert "does not answer" in notice["text"]
        way.away = False
        await _again(shared, mine)


async def _again(shared: Shared, mine: Json) -> None:
    """Ask for it once more, and who may not."""
    office = shared.office
    web, path = await shared.ward.web("DOCTOR"), f"/patients/{shared.patient}/provider-connection/push"
    again = await web.post(path, json={"resource": f"Observation/{mine['id']}"})
    assert (again.status_code, again.json()["status"]) == (202, "REQUESTED"), again.text
    assert (await pushed(shared, 2))["status"] == "SUCCESS"
    assert (await theirs(shared, f"Observation/o{office.patient}-0"))["status"] == "amended"
    patient = await shared.ward.web("PATIENT")
    assert (await patient.post(path, json={"resource": f"Observation/{mine['id']}"})).status_code == 403
    stranger = await shared.ward.web("DOCTOR", stranger=True)
    assert (await stranger.post(path, json={"resource": f"Observation/{mine['id']}"})).status_code == 404
    assert (await web.post(path, json={"resource": "Observation/nothing"})).status_code == 404
    await web.delete(f"/patients/{shared.patient}/provider-connection")
    late = await web.post(path, json={"resource": f"Observation/{mine['id']}"})
    assert (late.status_code, late.json()["code"]) == (409, "not_connected")


async def test_many_changes_at_once_end_as_the_last_of_them_and_in_no_conflict(shared: Shared) -> None:
    office = shared.office
    await office.store(office.observation(0))
    await connected(shared)
    (mine,) = await shared.ours("Observation")
    for number in range(6):
        mine = await edit(shared, mine, note=[{"text": f"number {number}"}])
        await asyncio.sleep(0.02 * number)
    until = datetime.now(UTC) + timedelta(seconds=SOON)
    while (await theirs(shared, f"Observation/o{office.patient}-0")).get("note") != [{"text": "number 5"}]:
        assert datetime.now(UTC) < until
        await asyncio.sleep(0.05)
    await settled(shared)
    assert {line["status"] for line in await shared.logs(action="PUSH")} == {"SUCCESS"}


async def test_what_did_not_come_from_the_provider_stays_here(shared: Shared) -> None:
    office = shared.office
    await office.store(office.observation(0))
    await connected(shared)
    name = f"{secrets.token_hex(4)}-0000-8000-8000-{secrets.token_hex(6)}"  # as what comes from providers is called
    own = {**office.observation(9), "id": name, "subject": {"reference": f"Patient/{shared.patient}"}}
    spoofed = {"source": f"{office.provider.base}/Observation/o{office.patient}-0"}
    await shared.ward.store({**own, "meta": spoofed})
    await edit(shared, {**own, "meta": spoofed}, status="amended")
    await office.store(office.observation(0, "99.00"))
    assert (await shared.synchronised())["summary"]["changed"] == 1
    await settled(shared)
    assert await shared.logs(action="PUSH") == []
    assert (await theirs(shared, f"Observation/o{office.patient}-0"))["meta"]["versionId"] == "2"


async def test_a_title_is_told_and_another_file_is_not(shared: Shared) -> None:
    office = shared.office
    stored = await office.store(office.document("a"))
    await connected(shared)
    (mine,) = await shared.ours("DocumentReference")
    titled = {**mine["content"][0]["attachment"], "title": "Discharge"}
    answer = await shared.ward.fhir.put(
        f"/DocumentReference/{mine['id']}", json={**mine, "content": [{"attachment": titled}]}
    )
    assert answer.status_code == 200, answer.text
    assert (await pushed(shared))["documentId"] == mine["id"]
    there = await theirs(shared, f"DocumentReference/{stored['id']}")
    was = stored["content"][0]["attachment"]
    assert there["content"][0]["attachment"] == {**was, "title": "Discharge"}
    assert there.get("category") is None
    other = {"contentType": "text/plain", "title": "Discharge", "data": base64.b64encode(b"other").decode()}
    again = await shared.ward.fhir.put(
        f"/DocumentReference/{mine['id']}", json={**answer.json(), "content": [{"attachment": other}]}
    )
    assert again.status_code == 200, again.text
    assert (await pushed(shared, 2))["status"] == "FAILED"
    assert (await theirs(shared, f"DocumentReference/{stored['id']}"))["meta"]["versionId"] == "2"
