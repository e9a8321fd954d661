"""Synchronisation with a real provider: what comes, what comes again, what was changed here and there, and what never comes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from api.settings import Settings
from tests.api.conftest import started
from tests.api.v1.clinic import Clinic, Mailbox
from tests.api.v1.sync_world import LETTER, Shared

Json = dict[str, Any]


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


async def test_what_a_provider_has_comes_by_itself_when_a_patient_is_connected(shared: Shared) -> None:
    office = shared.office
    await office.store(office.allergy())
    for number in range(3):
        await office.store(office.observation(number))
    await office.store(office.document("a"))
    await shared.connect(due=True)
    run = await shared.over()
    assert (run["status"], run["trigger"], run["errors"]) == ("COMPLETED", "AUTOMATIC", [])
    assert run["progress"] == {"total": 5, "successful": 5, "errors": 0, "percent": 100}
    assert run["summary"] == {
        "byType": {"Observation": 3, "AllergyIntolerance": 1, "DocumentReference": 1},
        "new": 5,
        "changed": 0,
    }
    (document,) = run["documents"]
    assert (document["title"], document["change"]) == ("Letter a", "NEW")

    web = await shared.ward.web("DIETICIAN")
    shown = (await web.get(document["link"].removeprefix("/api/v1"))).json()
    assert shown["source"] == {"kind": "PHP"}
    assert shown["type"] == "discharge-summary"
    file = await web.get(f"/documents/{shown['id']}/content")
    assert file.content == LETTER
    observations = await shared.ours("Observation")
    assert {each["subject"]["reference"] for each in observations} == {f"Patient/{shared.patient}"}
    sources = {each["meta"]["source"] for each in observations}
    assert sources == {f"{office.provider.base}/Observation/o{office.patient}-{number}" for number in range(3)}


async def test_a_run_is_a_task_and_says_where_what_came_is_from(shared: Shared) -> None:
    office = shared.office
    await office.store(office.observation(0))
    await office.store(office.document("a"))
    await shared.connect()
    run = await shared.synchronised()
    (task,) = await shared.ours("Task", code="provider-sync")
    assert (task["id"], task["status"], task["for"]) == (
        run["id"],
        "completed",
        {"reference": f"Patient/{shared.patient}"},
    )
    outputs = {each["type"]["coding"][0]["code"]: each for each in task["output"]}
    assert outputs["total"]["valueInteger"] == 2
    assert outputs["document"]["valueReference"] == {"reference": f"DocumentReference/{run['documents'][0]['id']}"}
    assert set(task["executionPeriod"]) == {"start", "end"}
    (provenance,) = await shared.ours("Provenance")
    assert len(provenance["target"]) == 3
    assert provenance["entity"][0]["what"]["reference"] == f"{office.provider.base}/Patient/{office.patient}"
    await shared.ward.valid(task)
    await shared.ward.valid(provenance)


async def test_a_second_run_brings_what_was_changed_and_nothing_else(shared: Shared) -> None:
    office = shared.office
    for number in range(3):
        await office.store(office.observation(number))
    await office.store(office.document("a"))
    await shared.connect()
    await shared.synchronised()
    before = {each["id"]: each["meta"]["versionId"] for each in await shared.ours("Observation")}
    await office.store(office.observation(1, "73.00"))
    run = await shared.synchronised()
    assert run["summary"] == {"byType": {"Observation": 1}, "new": 0, "changed": 1}
    after = {each["id"]: each["meta"]["versionId"] for each in await shared.ours("Observation")}
    assert sorted(after.values()) == ["1", "1", "2"]
    assert before.keys() == after.keys()

    again = await shared.synchronised(full=True)
    assert again["progress"]["total"] == 4
    assert again["summary"] == {"byType": {}, "new": 0, "changed": 0}
    assert {each["id"]: each["meta"]["versionId"] for each in await shared.ours("Observation")} == after


async def test_a_document_that_was_described_anew_keeps_its_file(
    shared: Shared, mongo_admin: MongoClient[Json], installation: Settings
) -> None:
    office, blobs = shared.office, mongo_admin[installation.database]["blobs"]
    stored = await office.store(office.document("a"))
    await shared.connect()
    run = await shared.synchronised()
    mine = {"patient": shared.patient, "state": "ready"}
    assert blobs.count_documents(mine) == 1
    await office.store({**stored, "description": "Corrected"})
    assert (await shared.synchronised())["summary"]["changed"] == 1
    assert blobs.count_documents({"patient": shared.patient}) == 1
    (document,) = await shared.ours("DocumentReference")
    assert document["description"] == "Corrected"
    file = await (await shared.ward.web("NURSE")).get(f"/documents/{run['documents'][0]['id']}/content")
    assert file.content == LETTER
    assert len(await shared.ours("DocumentReference", _content="letter")) == 1  # its words are still known


async def test_what_was_changed_here_and_there_stays_as_it_is_here_and_people_are_told(shared: Shared) -> None:
    office = shared.office
    await office.store(office.observation(0))
    await shared.connect()
    await shared.synchronised()
    (mine,) = await shared.ours("Observation")
    edited = {**mine, "note": [{"text": "Measured with shoes"}]}
    await office.store(office.observation(0, "75.00"))
    answer = await shared.ward.fhir.put(f"/Observation/{mine['id']}", json=edited)
    assert answer.status_code == 200, answer.text
    run = await shared.synchronised()
    assert run["status"] == "PARTIAL"
    (error,) = run["errors"]
    assert (error["code"], error["item"]) == ("conflict", f"Observation/o{office.patient}-0")
    (kept,) = await shared.ours("Observation")
    assert (kept["meta"]["versionId"], kept["note"]) == ("2", edited["note"])
    told = await notices(shared, "sync-conflict")
    assert len(told) == 1

    assert (await shared.synchronised())["errors"] == []  # told once for each change of theirs
    (kept,) = await shared.ours("Observation")
    assert kept["meta"]["versionId"] == "2"


async def test_what_was_removed_here_does_not_come_back_and_what_is_missing_there_stays(shared: Shared) -> None:
    office = shared.office
    for number in range(2):
        await office.store(office.observation(number))
    await shared.connect()
    await shared.synchronised()
    first, second = sorted(await shared.ours("Observation"), key=lambda each: str(each["meta"]["source"]))
    assert (await shared.ward.fhir.delete(f"/Observation/{first['id']}")).status_code == 204
    assert (await office.web.delete(f"/Observation/o{office.patient}-1")).status_code == 204
    await office.store(office.observation(0, "75.00"))
    run = await shared.synchronised(full=True)
    assert [each["code"] for each in run["errors"]] == ["conflict"]
    assert [each["id"] for each in await shared.ours("Observation")] == [second["id"]]


async def test_an_important_change_is_told_of_and_the_first_import_is_not(shared: Shared) -> None:
    office = shared.office
    await office.store(office.allergy("Peanut"))
    await shared.connect()
    await shared.synchronised()
    assert await notices(shared, "sync-news") == []
    await office.store(office.allergy("Penicillin"))
    await shared.synchronised()
    (told,) = await notices(shared, "sync-news")
    assert "Penicillin" in told["text"]
    assert "Penicillin" not in told["title"]


async def notices(shared: Shared, kind: str) -> list[Json]:
    """What the dietician is told, once it was told."""
    web = await shared.ward.web("DIETICIAN")
    for _ in range(10):
        answer = await web.get("/notifications")
        found = [each for each in answer.json()["items"] if each["kind"] == kind]
        if found:
            return found
        await asyncio.sleep(0.02)
    return []


async def test_references_lead_to_what_has_come_and_to_the_provider_for_the_rest(shared: Shared) -> None:
    office = shared.office
    await office.store(
        {
            "resourceType": "Condition",
            "id": f"c{office.patient}",
            "code": {"text": "Asthma"},
            "subject": {"reference": f"Patient/{office.patient}"},
        }
    )
    about = {"reference": f"{office.provider.base}/Condition/c{office.patient}"}
    document = office.document("a", author=[{"reference": "Practitioner/d9"}], context={"related": [about]})
    await office.store(document)
    await shared.connect()
    await shared.synchronised()
    (condition,), (mine,) = await shared.ours("Condition"), await shared.ours("DocumentReference")
    assert mine["context"]["related"] == [{"reference": f"Condition/{condition['id']}"}]
    assert mine["author"] == [{"reference": f"{office.provider.base}/Practitioner/d9"}]


async def test_a_provider_cannot_write_into_another_record_or_let_anybody_in(shared: Shared) -> None:
    """A fixed answer of a provider that lies: search results about somebody else, and relations between people."""
    office = shared.office
    source = f"{office.provider.base}"
    entries = shared.sync.entries
    lie = {**office.observation(0), "subject": {"reference": f"Patient/x{secrets.token_hex(4)}"}}
    assert entries.name(lie) == f"Observation/{lie['id']}"
    member = {"member": {"reference": f"http://127.0.0.1:8000/fhir/Practitioner/{shared.ward.names['NURSE']}"}}
    team = {
        "resourceType": "CareTeam",
        "id": f"t{office.patient}",
        "status": "active",
        "subject": {"reference": f"Patient/{office.patient}"},
        "participant": [member],
    }
    await office.store(team)
    await office.store(office.observation(1))
    await shared.connect(types=("CareTeam", "Observation"))
    before = await shared.ours("CareTeam")
    run = await shared.synchronised()
    assert [(each["code"], each["type"]) for each in run["errors"]] == [("bad_content", "CareTeam")]
    assert await shared.ours("CareTeam") == before
    assert len(await shared.ours("Observation")) == 1
    assert source in (await shared.ours("Observation"))[0]["meta"]["source"]


async def test_the_log_tells_of_everything_and_is_narrowed_by_every_filter(shared: Shared) -> None:
    office = shared.office
    await office.store(office.observation(0))
    await office.store(office.document("a"))
    await shared.connect()
    run = await shared.synchronised()
    lines = await shared.logs()
    assert [each["action"] for each in lines] == ["MANUAL_SYNC"] * 3
    assert {each["runId"] for each in lines} == {run["id"]}
    document = run["documents"][0]["id"]
    (line,) = await shared.logs(documentId=document)
    assert (line["documentId"], line["status"], line["patientId"]) == (document, "SUCCESS", shared.patient)
    assert "Letter a" in line["details"]
    assert [each["id"] for each in await shared.logs(q="letter A")] == [line["id"]]
    assert await shared.logs(q="penicillin") == []
    assert await shared.logs(action="PUSH") == []
    assert await shared.logs(status="FAILED") == []
    assert len(await shared.logs(**{"from": line["timestamp"]})) >= 1
    assert await shared.logs(to="2026-01-01T00:00:00Z") == []
    one = await (await shared.ward.web("PATIENT")).get(f"/logs/{line['id']}")
    assert (one.status_code, one.json()) == (200, line)
    stranger = await shared.ward.web("DOCTOR", stranger=True)
    assert (await stranger.get(f"/logs/{line['id']}")).status_code == 404
    assert (await stranger.get(f"/patients/{shared.patient}/logs")).status_code == 404
    assert (await stranger.get(f"/sync/{run['id']}")).status_code == 404


async def test_the_log_comes_page_by_page(shared: Shared) -> None:
    office = shared.office
    for number in range(5):
        await office.store(office.observation(number))
    await shared.connect()
    await shared.synchronised()
    web, found, cursor = await shared.ward.web("DOCTOR"), list[str](), dict[str, str]()
    while True:
        answer = await web.get(f"/patients/{shared.patient}/logs", params={"limit": "2", **cursor})
        found += [each["id"] for each in answer.json()["items"]]
        if answer.json()["next"] is None:
            break
        cursor = {"cursor": answer.json()["next"]}
    assert len(found) == len(set(found)) == 6


async def test_a_file_that_is_not_what_was_said_of_it_is_not_taken_and_asked_for_again(shared: Shared) -> None:
    office = shared.office
    await office.store(office.document("good"))
    wrong = office.document("bad")
    attachment = wrong["content"][0]["attachment"]
    await office.web.put(f"/Binary/b{office.patient}", content=LETTER, headers={"content-type": "text/plain"})
    del attachment["data"]
    hashed = base64.b64encode(hashlib.sha1(b"other", usedforsecurity=False).digest()).decode()
    elsewhere = {"url": f"{office.provider.base}/Binary/b{office.patient}?", "hash": hashed}
    wrong["content"][0]["attachment"] = {**attachment, **elsewhere}
    await office.store(wrong)
    await shared.connect()
    run = await shared.synchronised()
    assert run["status"] == "PARTIAL"
    assert [(each["code"], each["item"]) for each in run["errors"]] == [
        ("hash_mismatch", f"DocumentReference/{wrong['id']}")
    ]
    assert len(await shared.ours("DocumentReference")) == 1
    del wrong["content"][0]["attachment"]["hash"]
    await office.store(wrong)
    assert (await shared.synchronised())["status"] == "COMPLETED"
    assert len(await shared.ours("DocumentReference")) == 2


async def test_a_run_whose_process_died_is_finished_by_the_next_and_nothing_comes_twice(shared: Shared) -> None:
    office, sync = shared.office, shared.sync
    for number in range(3):
        await office.store(office.observation(number))
    await shared.connect()
    web = await shared.ward.web("DIETICIAN")
    first = (await web.post(f"/patients/{shared.patient}/sync")).json()
    second = await web.post(f"/patients/{shared.patient}/sync")
    if second.status_code == 200:
        assert second.json()["id"] == first["id"]
    await shared.over(first["id"])
    run = await sync.runs.get(first["id"])
    assert run is not None
    # What a process leaves behind that dies after the first page: the run is open, its lease is over, entries are here.
    rows = sync.runs._rows  # type: ignore[attr-defined]
    torn = msgspec.structs.replace(run, state="RUNNING", progress=type(run.progress)(stage="Observation"), ended=None)
    fields = await sync.runs._fields(torn)  # type: ignore[attr-defined]
    await rows.update_one({"_id": run.id}, {"$set": {**fields, "until": run.created}, "$unset": {"gone": 1}})
    ended = await shared.over(first["id"])
    assert ended["status"] == "COMPLETED"
    assert ended["summary"]["new"] == 3
    assert {each["meta"]["versionId"] for each in await shared.ours("Observation")} == {"1"}
    assert len(await shared.logs()) == 4
    again = await sync.runs.get(first["id"])
    assert again is not None
    assert again.fence == run.fence + 1


async def test_only_dieticians_and_doctors_who_treat_the_patient_start_it(shared: Shared) -> None:
    await shared.connect()
    for role in ("NURSE", "PATIENT", "ADMIN"):
        answer = await (await shared.ward.web(role)).post(f"/patients/{shared.patient}/sync")
        assert (answer.status_code, answer.json()["code"]) == (403, "role_required")
    stranger = await shared.ward.web("DIETICIAN", stranger=True)
    assert (await stranger.post(f"/patients/{shared.patient}/sync")).status_code == 404
    web = await shared.ward.web("DOCTOR")
    assert (await web.post(f"/patients/{shared.patient}/sync", json={"types": ["Claim"]})).status_code == 422
    assert (await web.post(f"/patients/{shared.patient}/sync", json={"types": ["Observation"]})).status_code == 202
    assert (await shared.over())["status"] == "COMPLETED"


async def test_nothing_is_started_without_a_connection(shared: Shared) -> None:
    web = await shared.ward.web("DIETICIAN")
    answer = await web.post(f"/patients/{shared.patient}/sync")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_connected")
    assert (await web.get(f"/patients/{shared.patient}/sync")).status_code == 404
    body = {"types": ["lab-report"], "message": "Please"}
    asked = await web.post(f"/patients/{shared.patient}/request-documents", json=body)
    assert (asked.status_code, asked.json()["code"]) == (409, "not_connected")


async def test_documents_are_asked_for_at_a_provider_that_takes_requests(shared: Shared) -> None:
    await shared.connect()
    web = await shared.ward.web("DIETICIAN")
    body = {"types": ["lab-report"], "from": "2026-01-01", "to": "2026-06-30", "message": "Results of spring, please"}
    answer = await web.post(f"/patients/{shared.patient}/request-documents", json=body)
    assert answer.status_code == 202, answer.text
    card = answer.json()
    assert (card["status"], card["types"], card["from"], card["note"]) == (
        "ACCEPTED",
        ["lab-report"],
        "2026-01-01",
        None,
    )
    there = (await shared.office.web.get(f"/{card['remote']}")).json()
    assert there["for"] == {"reference": f"Patient/{shared.office.patient}"}
    assert there["description"] == body["message"]
    shown = await web.get(answer.headers["location"].removeprefix("/api/v1"))
    assert shown.json() == card
    assert {each["action"] for each in await shared.logs()} == {"REQUEST"}
    nurse = await shared.ward.web("NURSE")
    assert (await nurse.post(f"/patients/{shared.patient}/request-documents", json=body)).status_code == 403
    backwards = {**body, "to": "2025-01-01"}
    refused = await web.post(f"/patients/{shared.patient}/request-documents", json=backwards)
    assert refused.status_code == 422
