"""Notifications over HTTP: the list, marks, choices, letters, and events as they come."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.v1 import notification_events
from domain.identity import ResourceKey
from tests.api.v1.clinic import ORIGIN, Clinic, Person, bearer
from tests.api.v1.telling import Stream, caused, notice, while_


class Someone:
    """A patient who has logged in."""

    def __init__(self, clinic: Clinic, person: Person, token: str) -> None:
        self.person = person
        self.token = token
        self.patient = person.account.profiles[0]
        transport = httpx.ASGITransport(clinic.app)  # type: ignore[arg-type]
        self.web = httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers=bearer(token))

    async def list(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.web.get("/notifications", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


async def someone(clinic: Clinic, **given: Any) -> Someone:
    profiles = given.pop("profiles", (f"Patient/p{secrets.token_hex(5)}",))
    person = await clinic.person("PATIENT", profiles=profiles, **given)
    return Someone(clinic, person, (await clinic.login(person))["accessToken"])


@pytest.fixture
async def ana(clinic: Clinic) -> AsyncIterator[Someone]:
    found = await someone(clinic)
    yield found
    await found.web.aclose()


async def test_what_is_told_is_in_the_list_at_once_and_nobody_elses(clinic: Clinic, ana: Someone) -> None:
    other = await someone(clinic)
    await caused(clinic, notice(ana.patient, patient=ana.patient.removeprefix("Patient/")))
    (shown,) = await ana.list()
    assert (shown["kind"], shown["title"], shown["text"]) == ("result-ready", "There is a new result", "Blood count")
    assert (shown["about"], shown["read"]) == (["DiagnosticReport/9"], False)
    assert await other.list() == []
    theirs = await other.web.post(f"/notifications/{shown['id']}/read")
    assert theirs.status_code == 404
    assert [set(each) for each in await ana.list(fields="id,title")] == [{"id", "title"}]


async def test_marks_are_kept_and_the_list_can_show_what_is_unread(clinic: Clinic, ana: Someone) -> None:
    await caused(clinic, *(notice(ana.patient, minutes=-number) for number in (1, 2, 3)))
    newest, *_ = await ana.list()
    marked = await ana.web.post(f"/notifications/{newest['id']}/read")
    assert marked.json()["read"]
    assert len(await ana.list(unread="true")) == 2
    assert (await ana.web.post("/notifications/read-all")).json() == {"marked": 2}
    assert await ana.list(unread="true") == []
    assert [each["read"] for each in await ana.list()] == [True] * 3


async def test_pages_go_on_where_the_cursor_says(clinic: Clinic, ana: Someone) -> None:
    await caused(clinic, *(notice(ana.patient, minutes=-number) for number in range(1, 6)))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (
            await ana.web.get("/notifications", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [each["id"] for each in await ana.list()]
    assert len(set(seen)) == 5


async def test_who_acts_for_a_patient_is_told_what_the_patient_is_told_while_they_do(
    clinic: Clinic, web: httpx.AsyncClient
) -> None:
    child, relative = f"c{secrets.token_hex(5)}", f"r{secrets.token_hex(5)}"
    parent = await someone(clinic, profiles=(f"RelatedPerson/{relative}",))
    await web.put(f"/fhir/Patient/{child}", json={"resourceType": "Patient", "id": child})
    related: dict[str, Any] = {"resourceType": "RelatedPerson", "id": relative, "active": True}
    related["patient"] = {"reference": f"Patient/{child}"}
    assert (await web.put(f"/fhir/RelatedPerson/{relative}", json=related)).status_code == 201
    await caused(clinic, notice(f"Patient/{child}", patient=child))
    assert len(await parent.list()) == 1
    letter = await clinic.mailbox.letter_to(parent.person.email)
    assert letter["Subject"] == "News from your clinic"
    await web.put(f"/fhir/RelatedPerson/{relative}", json={**related, "active": False})
    assert await parent.list() == []


async def test_a_letter_says_that_there_is_something_and_not_what(clinic: Clinic, ana: Someone) -> None:
    await caused(clinic, notice(ana.patient, patient=ana.patient.removeprefix("Patient/")))
    letter = await clinic.mailbox.letter_to(ana.person.email)
    assert letter["Subject"] == "News from your clinic"
    assert "There is a new result" in letter.get_content()
    assert "Blood count" not in letter.get_content()


async def test_who_does_not_like_letters_gets_none_and_is_told_in_the_list(clinic: Clinic, ana: Someone) -> None:
    before = await ana.web.get("/notifications/preferences")
    assert (before.json()["email"], before.json()["version"]) == (True, 0)
    body = {"email": True, "phone": "+46 8 555 0100", "kinds": {"result-ready": {"email": False}}}
    kept = await ana.web.put("/notifications/preferences", json=body)
    assert (kept.status_code, kept.json()["phone"], kept.headers["etag"]) == (200, "+4685550100", 'W/"1"')
    stale = await ana.web.put("/notifications/preferences", json=body, headers={"if-match": 'W/"0"'})
    assert stale.status_code == 412
    wrong = await ana.web.put("/notifications/preferences", json={"kinds": {"made-up": {}}})
    assert wrong.status_code == 422
    await caused(clinic, notice(ana.patient), notice(ana.patient, kind="document-shared"))
    letter = await clinic.mailbox.letter_to(ana.person.email)
    assert "A document was shared with you" in letter.get_content()
    assert len(await ana.list()) == 2


async def test_a_reminder_whose_cause_has_changed_tells_nobody(clinic: Clinic, ana: Someone) -> None:
    kept, changed = (ResourceKey("Basic", secrets.token_hex(6)) for _ in range(2))
    for key in (changed, kept):
        values = {"patient": "Ana", "start": "2026-03-29T01:30:00+00:00" if key == kept else "never"}
        soon = notice(ana.patient, kind="appointment-reminder", minutes=0.01, while_=while_(key, 1), values=values)
        await caused(clinic, soon, key=key)
    await caused(clinic, key=changed)
    async with asyncio.timeout(10):
        while not (shown := await ana.list()):
            await asyncio.sleep(0.05)
    assert [each["text"] for each in shown] == ["Ana with …, 29 Mar 2026, 01:30 UTC."]
    await asyncio.sleep(1.5)
    assert len(await ana.list()) == 1


async def test_a_program_and_an_app_without_the_scope_are_refused(clinic: Clinic, web: httpx.AsyncClient) -> None:
    refused = await web.get("/api/v1/notifications")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_a_person")


async def test_events_come_as_they_are_told_and_go_on_after_the_last_one_seen(clinic: Clinic, ana: Someone) -> None:
    await caused(clinic, notice(ana.patient, values={"title": "before"}))
    await clinic.mailbox.letter_to(ana.person.email)
    async with Stream(clinic.app, ana.token) as stream:
        assert stream.status == 200
        await caused(clinic, notice(ana.patient, values={"title": "one"}), notice("Patient/somebody"))
        (one,) = await stream.events(1)
        assert one["text"] == "one"
    for text in ("two", "three"):
        await caused(clinic, notice(ana.patient, values={"title": text}))
    async with Stream(clinic.app, ana.token, last=one["id"]) as stream:
        assert [each["text"] for each in await stream.events(2)] == ["two", "three"]


async def test_a_stream_ends_with_its_login(clinic: Clinic, ana: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification_events, "AGAIN_SECONDS", 0.2)
    async with Stream(clinic.app, ana.token) as stream:
        assert (await ana.web.post("/auth/logout", json={})).status_code in (200, 204)
        await stream.ended()


async def test_an_idle_stream_is_kept_open_by_a_beat(
    clinic: Clinic, ana: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_events, "BEAT_SECONDS", 0.1)
    async with Stream(clinic.app, ana.token) as stream:
        pieces = [await asyncio.wait_for(stream._pieces.get(), 5) for _ in range(3)]
        assert pieces[1:] == [b": \n\n"] * 2


async def test_an_account_holds_a_bounded_number_of_streams(
    clinic: Clinic, ana: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification_events, "MOST_EACH", 1)
    async with Stream(clinic.app, ana.token) as first:
        assert first.status == 200
        async with Stream(clinic.app, ana.token) as second:
            assert second.status == 429
    async with Stream(clinic.app, ana.token) as third:
        assert third.status == 200


async def test_what_a_stream_shows_of_a_patient_is_in_the_audit(
    clinic: Clinic, ana: Someone, web: httpx.AsyncClient
) -> None:
    patient = ana.patient.removeprefix("Patient/")
    async with Stream(clinic.app, ana.token) as stream:
        await caused(clinic, notice(ana.patient, patient=patient))
        await stream.events(1)
    found = await web.get("/fhir/AuditEvent", params={"patient": patient})
    assert "notification-events" in found.text
