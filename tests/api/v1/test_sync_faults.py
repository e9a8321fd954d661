"""Synchronisation with providers that answer wrongly, or not at all: each fault has its words, and a run can be ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest

from api.settings import Settings
from domain.clinic import sync_pulling
from domain.clinic.provider_ports import Auth, Cause
from domain.clinic.sync_troubles import ADVICE
from domain.clinic.syncing import new_run
from tests.api.conftest import started
from tests.api.providers import Faulty, Talk, bundle, content, faulty, raw, saying
from tests.api.v1.clinic import Clinic, Mailbox
from tests.api.v1.sync_world import Shared
from tests.api.v1.telling import Stream
from tests.api.v1.ward import Ward

Json = dict[str, Any]
PATIENT = content({"resourceType": "Patient", "id": "r1"})
OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"reference": "Patient/r1"},
}


def able(*types: str, **given: Any) -> Talk:
    """What a server says of itself that knows these types."""
    rows = [
        {
            "type": each,
            "interaction": [{"code": "search-type"}, {"code": "read"}],
            "searchParam": [{"name": "patient", "type": "reference"}, {"name": "_lastUpdated", "type": "date"}],
        }
        for each in types
    ]
    rest = [{"mode": "server", "resource": rows}]
    return content({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest, **given})


WORKING: Mapping[str, Talk] = {
    "/metadata": able("Observation", "DocumentReference"),
    "/Patient/": PATIENT,
    "/Observation?": bundle(OBSERVATION),
    "/DocumentReference?": bundle(),
}


@pytest.fixture(scope="module")
async def clinic(installation: Settings) -> AsyncIterator[Clinic]:
    """Ours: it may call this machine."""
    settings = msgspec.structs.replace(installation, provider_hosts="127.0.0.1", rate_limit_sign_in=0)
    async with started(settings) as app:
        clinic = Clinic(app, Mailbox())
        async with clinic.web:
            yield clinic


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_pulling, "PAUSE_SECONDS", 0.01)


@asynccontextmanager
async def connected(ward: Ward, talks: Mapping[str, Talk], **given: Any) -> AsyncIterator[tuple[Shared, Faulty]]:
    """A patient who is connected with a server that talks like a working one but for `talks`."""
    async with faulty({**talks, **{path: talk for path, talk in WORKING.items() if path not in talks}}) as server:
        shared = Shared(ward)
        told = {
            "base": server.base,
            "remote_patient": "r1",
            "auth": Auth(),
            "types": ("Observation", "DocumentReference"),
        }
        await shared.connect(**{**told, **given})
        yield shared, server


DOCUMENT: Json = {
    "resourceType": "DocumentReference",
    "id": "d1",
    "status": "current",
    "subject": {"reference": "Patient/r1"},
    "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/b1"}}],
}
HASHED = {**DOCUMENT, "content": [{"attachment": {**DOCUMENT["content"][0]["attachment"], "size": 3}}]}
OTHERS = {**OBSERVATION, "subject": {"reference": "Patient/somebody"}}
ABROAD = bundle(OBSERVATION, following="http://127.0.0.2/fhir/Observation?page=2")
FAULTS: tuple[tuple[Cause, str, Mapping[str, Talk]], ...] = (
    ("unauthorized", "FAILED", {"/metadata": saying("401 Unauthorized")}),
    ("forbidden", "PARTIAL", {"/Observation?": saying("403 Forbidden")}),
    ("unknown_patient", "FAILED", {"/Patient/": saying("404 Not Found")}),
    ("throttled", "FAILED", {"/Observation?": saying("429 Too Many Requests", Retry_After="3600")}),
    ("provider_error", "PARTIAL", {"/Observation?": saying("500 Internal Server Error")}),
    ("unreachable", "FAILED", {"/metadata": raw(b"", cut=True)}),
    ("bad_content", "PARTIAL", {"/Observation?": saying("200 OK", b"<html>")}),
    ("bad_content", "PARTIAL", {"/Observation?": bundle(OTHERS)}),
    ("bad_content", "PARTIAL", {"/Observation?": bundle({**OBSERVATION, "status": 7})}),
    ("bad_content", "PARTIAL", {"/Observation?": bundle({"resourceType": "Encounter", "id": "e1"})}),
    ("bad_content", "FAILED", {"/metadata": able("Observation", fhirVersion="3.0.2")}),
    ("not_allowed", "PARTIAL", {"/Observation?": ABROAD}),
    ("gone", "PARTIAL", {"/DocumentReference?": bundle(DOCUMENT)}),
    (
        "hash_mismatch",
        "PARTIAL",
        {"/DocumentReference?": bundle(HASHED), "/Binary/": saying("200 OK", b"four", Content_Type="text/plain")},
    ),
)


@pytest.mark.parametrize(("cause", "status", "talks"), FAULTS, ids=lambda each: each if isinstance(each, str) else "")
async def test_each_fault_is_told_with_what_to_do(
    cause: Cause, status: str, talks: Mapping[str, Talk], ward: Ward
) -> None:
    async with connected(ward, talks) as (shared, _):
        run = await shared.synchronised()
    assert run["status"] == status
    (error,) = run["errors"]
    assert error["code"] == cause
    assert error["troubleshooting"] == list(ADVICE[cause].steps)
    assert error["retryable"] is ADVICE[cause].retryable
    lines = await shared.logs(status="FAILED" if status == "FAILED" else "PARTIAL")
    assert [ADVICE[cause].detail in each["details"] for each in lines] == [True]


def test_every_cause_is_tried_somewhere() -> None:
    elsewhere = {"conflict", "tls", "timeout"}  # in `test_syncs.py` and `test_provider_calls.py`
    assert {cause for cause, _, _ in FAULTS} | elsewhere == set(get_args(Cause))


async def test_nothing_is_asked_for_with_credentials_that_were_refused_until_they_are_replaced(ward: Ward) -> None:
    async with connected(ward, {"/metadata": saying("401 Unauthorized")}) as (shared, server):
        assert (await shared.synchronised())["status"] == "FAILED"
        web = await ward.web("DIETICIAN")
        answer = await web.post(f"/patients/{ward.patient}/sync")
        assert (answer.status_code, answer.json()["code"]) == (424, "credentials_expired")
        server.talks["/metadata"] = WORKING["/metadata"]
        await shared.connect(
            base=server.base, remote_patient="r1", auth=Auth(kind="BEARER", secret="new"), types=("Observation",)
        )
        assert (await shared.synchronised())["status"] == "COMPLETED"
        assert "Authorization: Bearer new" in server.heads("/Observation")[-1]


async def test_who_has_asked_is_told_that_it_failed_and_what_to_do(ward: Ward) -> None:
    async with connected(ward, {"/Patient/": saying("404 Not Found")}) as (shared, _):
        await shared.synchronised()
    web = await ward.web("DIETICIAN")
    async with asyncio.timeout(5):
        while not (items := (await web.get("/notifications")).json()["items"]):
            await asyncio.sleep(0.05)
    (told,) = items
    assert told["kind"] == "sync-failed"
    assert all(step in told["text"] for step in ADVICE["unknown_patient"].steps)


async def test_an_incomplete_type_is_asked_for_from_where_it_was_complete(ward: Ward) -> None:
    date = {"Date": "Fri, 20 Nov 2026 10:00:00 GMT"}
    later = {"Date": "Fri, 20 Nov 2026 11:00:00 GMT"}
    page = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": OBSERVATION}]}
    async with connected(ward, {"/Observation?": content(page, **date)}) as (shared, server):
        await shared.synchronised()
        more = {**page, "link": [{"relation": "next", "url": f"{server.base}/Observation/next"}]}
        server.talks["/Observation?"] = content(more, **later)
        server.talks["/Observation/next"] = saying("500 Internal Server Error")
        assert (await shared.synchronised())["status"] == "PARTIAL"
        broken = [{"resource": {**OBSERVATION, "id": "o2", "status": 7}}]
        server.talks["/Observation?"] = content({**page, "entry": broken}, **later)
        assert (await shared.synchronised())["status"] == "PARTIAL"
        await shared.synchronised()
    asked = [head.split(" ")[1] for head in server.heads("/Observation?")]
    assert "_lastUpdated" not in asked[0]
    assert all("_lastUpdated=ge2026-11-20T09:55:00" in each for each in asked[1:])


async def test_a_provider_that_takes_no_requests_is_to_be_asked_otherwise(ward: Ward) -> None:
    async with connected(ward, {}) as (shared, server):
        web = await ward.web("DIETICIAN")
        body = {"types": ["lab-report"], "message": "Results, please"}
        answer = await web.post(f"/patients/{ward.patient}/request-documents", json=body)
        assert (answer.status_code, answer.json()["status"]) == (202, "REQUESTED")
        assert "telephone" in answer.json()["note"]
        server.talks["/metadata"] = able("Observation", "Task")
        server.talks["/Task"] = saying("201 Created", Location=f"{server.base}/Task/t9")
        rest = [{"mode": "server", "resource": [{"type": "Task", "interaction": [{"code": "create"}]}]}]
        server.talks["/metadata"] = able(rest=rest)
        await shared.synchronised()
        shown = await web.get(f"/document-requests/{answer.json()['id']}")
    assert (shown.json()["status"], shown.json()["remote"]) == ("ACCEPTED", "Task/t9")


async def test_a_run_is_watched_as_it_goes_on_joined_by_who_comes_late_and_cancelled(ward: Ward) -> None:
    slow = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", hang=True)
    async with connected(ward, {"/DocumentReference?": slow}) as (shared, server):
        first = await shared.started()
        async with asyncio.timeout(10):
            while not server.heads("/DocumentReference?"):
                await asyncio.sleep(0.02)
        web = await ward.web("DOCTOR")
        joined = await web.post(f"/patients/{ward.patient}/sync")
        assert (joined.status_code, joined.json()["id"]) == (200, first["id"])
        token = web.headers["authorization"].removeprefix("Bearer ")
        async with Stream(ward.clinic.app, token, path=f"/api/v1/sync/{first['id']}/events") as stream:
            (event,) = await stream.events(1)
            assert (event["status"], event["stage"], event["summary"]["new"]) == ("RUNNING", "DocumentReference", 1)
            assert event["progress"]["percent"] == 50
            nurse = await ward.web("NURSE")
            assert (await nurse.post(f"/sync/{first['id']}/cancel")).status_code == 403
            assert (await web.post(f"/sync/{first['id']}/cancel")).status_code == 202
            (event,) = await stream.events(1)
            assert (event["status"], event["progress"]["percent"]) == ("CANCELLED", 100)
            await stream.ended()
    again = await web.post(f"/sync/{first['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "already_over")
    assert len(await shared.ours("Observation")) == 1


async def test_what_failed_is_asked_for_once_more(ward: Ward) -> None:
    async with connected(ward, {"/Observation?": saying("500 Internal Server Error")}) as (shared, server):
        failed = await shared.synchronised()
        server.talks["/Observation?"] = WORKING["/Observation?"]
        web = await ward.web("DIETICIAN")
        answer = await web.post(f"/sync/{failed['id']}/retry")
        assert answer.status_code == 202, answer.text
        assert answer.json()["id"] != failed["id"]
        assert (await shared.over(answer.json()["id"]))["status"] == "COMPLETED"
        refused = await web.post(f"/sync/{answer.json()['id']}/retry")
        assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_retry")


async def test_automatic_runs_follow_each_other_and_stay_away_as_long_as_a_provider_asks(ward: Ward) -> None:
    busy = saying("429 Too Many Requests", Retry_After="7200")
    async with connected(ward, {"/metadata": busy}, every=timedelta(hours=1), due=True) as (shared, _):
        run = await shared.over()
        assert (run["status"], run["trigger"]) == ("FAILED", "AUTOMATIC")
        soon = datetime.now(UTC) + timedelta(minutes=119)
        async with asyncio.timeout(5):
            while ward.patient in await shared.sync.connections.due(soon, 1_000):
                await asyncio.sleep(0.05)
        later = datetime.now(UTC) + timedelta(minutes=121)
        assert ward.patient in await shared.sync.connections.due(later, 1_000)


HANGING = {"/DocumentReference?": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", hang=True)}


async def hung(shared: Shared, server: Faulty) -> str:
    """A run that waits for a provider that hangs."""
    run = str((await shared.started())["id"])
    async with asyncio.timeout(10):
        while not server.heads("/DocumentReference?"):
            await asyncio.sleep(0.02)
    return run


async def test_who_ends_the_connection_ends_the_run(ward: Ward) -> None:
    async with connected(ward, HANGING) as (shared, server):
        run = await hung(shared, server)
        assert await shared.sync.connections.remove(ward.patient)
        assert (await shared.over(run))["status"] == "CANCELLED"


async def test_what_is_agreed_anew_ends_the_run_by_what_was_agreed_before_and_is_followed_at_once(ward: Ward) -> None:
    async with connected(ward, HANGING) as (shared, server):
        run = await hung(shared, server)
        await shared.connect(base=server.base, remote_patient="r1", auth=Auth(), types=("Observation",), due=True)
        assert (await shared.over(run))["status"] == "CANCELLED"
        async with asyncio.timeout(10):
            while (newest := await shared.over())["id"] == run:
                await asyncio.sleep(0.05)
    assert (newest["status"], newest["trigger"]) == ("COMPLETED", "AUTOMATIC")


async def test_nothing_comes_for_a_patient_who_was_removed(ward: Ward) -> None:
    async with connected(ward, {}) as (shared, server):
        connection = await shared.sync.connections.get(ward.patient)
        assert connection is not None
        assert (await ward.fhir.delete(f"/Patient/{ward.patient}")).status_code == 204
        await shared.sync.runs.enqueue(new_run(shared.sync, connection, None, trigger="MANUAL"))
        async with asyncio.timeout(10):
            while (run := await shared.sync.runs.newest(ward.patient)) is None or run.open:
                await asyncio.sleep(0.05)
        assert run.state == "CANCELLED"
        assert await shared.ours("Observation") == []
        assert server.asked == []


async def test_an_entry_that_stands_on_two_pages_counts_once(ward: Ward) -> None:
    async with connected(ward, {}) as (shared, server):
        server.talks["/Observation?"] = bundle(OBSERVATION, following=f"{server.base}/Observation/next")
        server.talks["/Observation/next"] = bundle(OBSERVATION)
        run = await shared.synchronised()
    assert (run["progress"]["total"], run["summary"]["new"]) == (1, 1)
    assert len(await shared.logs(q="Observation")) == 1
