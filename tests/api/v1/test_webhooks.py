"""Webhooks over HTTP: who may have them, what is sent, how it is signed, and where it may not go."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from api.settings import Settings
from api.tokens import mint
from domain import outbox
from tests.api.conftest import started
from tests.api.v1.clinic import ORIGIN, Clinic, Mailbox, bearer
from tests.api.v1.telling import caused, notice

Call = tuple[dict[str, str], bytes]


class Receiver:
    """A server that is called: answers with `statuses` in turn, then with 200."""

    def __init__(self, statuses: list[str]) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self._statuses = statuses
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        given = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.calls.put_nowait((given, body))
        status = self._statuses.pop(0) if self._statuses else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async def call(self) -> Call:
        return await asyncio.wait_for(self.calls.get(), 10)


@asynccontextmanager
async def receiver(*statuses: str) -> AsyncIterator[Receiver]:
    found = Receiver(list(statuses))
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1"
    yield found
    server.close()


@pytest.fixture(scope="module")
async def clinic(installation: Settings) -> AsyncIterator[Clinic]:
    """An application that may call this machine."""
    async with started(msgspec.structs.replace(installation, webhook_hosts="127.0.0.1, localhost")) as app:
        clinic = Clinic(app, Mailbox())
        async with clinic.web:
            yield clinic


def partner(clinic: Clinic, settings: Settings, scopes: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(clinic.app)  # type: ignore[arg-type]
    token = mint(settings, scopes=scopes, lifetime_seconds=600, client=f"c{secrets.token_hex(4)}")
    return httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers=bearer(token))


@pytest.fixture
def program_of_a_partner(clinic: Clinic, installation: Settings) -> httpx.AsyncClient:
    return partner(clinic, installation, "system/Appointment.rs system/DiagnosticReport.rs")


async def made(web: httpx.AsyncClient, url: str, **given: Any) -> dict[str, Any]:
    answer = await web.post("/webhooks", json={"url": url, **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_event_is_posted_with_ids_only_and_a_signature_over_time_and_body(
    clinic: Clinic, program_of_a_partner: httpx.AsyncClient
) -> None:
    web = program_of_a_partner
    async with receiver() as server:
        hook = await made(web, server.url, events=["result-ready"])
        told = notice("Patient/1", patient="1", values={"title": "Chalmers"})
        await caused(clinic, told, notice("Patient/1", kind="document-shared", about=("Appointment/1",)))
        headers, body = await server.call()
        event = msgspec.json.decode(body)
        assert (event["type"], event["about"], event["patient"]) == (
            "result-ready",
            ["DiagnosticReport/9"],
            "Patient/1",
        )
        assert b"Chalmers" not in body
        assert headers["Chartvault-Event"] == event["eventId"]
        time, digest = (part.split("=", 1)[1] for part in headers["Chartvault-Signature"].split(","))
        expected = hmac.new(hook["secret"].encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
        assert digest == expected
        assert server.calls.empty()
    shown = (await web.get(f"/webhooks/{hook['id']}")).json()
    assert (shown["secret"], shown["url"]) == (None, server.url)
    async with asyncio.timeout(5):
        while (listed := (await web.get(f"/webhooks/{hook['id']}/deliveries")).json()["items"])[0]["status"] != "SENT":
            await asyncio.sleep(0.05)
    assert [(each["eventId"], each["said"]) for each in listed] == [(event["eventId"], "200")]


async def test_a_program_is_told_of_what_it_may_read_only(clinic: Clinic, installation: Settings) -> None:
    async with receiver() as server:
        await made(partner(clinic, installation, "system/Appointment.rs"), server.url)
        await caused(clinic, notice("Patient/1"), notice("Patient/1", about=("Appointment/7",)))
        _, body = await server.call()
        assert msgspec.json.decode(body)["about"] == ["Appointment/7"]
        await asyncio.sleep(0.3)
        assert server.calls.empty()


async def test_a_call_that_fails_is_tried_again_with_the_same_event_and_a_new_signature(
    clinic: Clinic, program_of_a_partner: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PAUSES", (timedelta(),) * 2)
    web = program_of_a_partner
    async with receiver("500 Oops", "302 Found", "503 Later") as server:
        hook = await made(web, server.url)
        await caused(clinic, notice("Patient/1"))
        events = [msgspec.json.decode((await server.call())[1])["eventId"] for _ in range(3)]
        assert len(set(events)) == 1
        path = f"/webhooks/{hook['id']}"
        async with asyncio.timeout(5):
            while (given_up := (await web.get(f"{path}/deliveries")).json()["items"][0])["status"] != "FAILED":
                await asyncio.sleep(0.05)
        assert (given_up["attempts"], given_up["said"]) == (3, "503")
        assert (await web.post(f"{path}/retry", json={"deliveryId": given_up["id"]})).status_code == 202
        assert msgspec.json.decode((await server.call())[1])["eventId"] == events[0]
        again = await web.post(f"{path}/retry", json={"deliveryId": given_up["id"]})
        assert (again.status_code, again.json()["code"]) == (409, "not_failed")


async def test_a_try_says_how_it_went(program_of_a_partner: httpx.AsyncClient) -> None:
    web = program_of_a_partner
    async with receiver("200 OK", "302 Found") as server:
        hook = await made(web, server.url)
        path = f"/webhooks/{hook['id']}/test"
        assert (await web.post(path)).json() == {"delivered": True, "said": "200"}
        assert msgspec.json.decode((await server.call())[1])["type"] == "ping"
        assert (await web.post(path)).json() == {"delivered": False, "said": "302"}
    assert (await web.post(path)).json() == {"delivered": False, "said": "no connection"}


async def test_a_webhook_is_its_owners_and_the_administrators(
    clinic: Clinic, installation: Settings, program_of_a_partner: httpx.AsyncClient
) -> None:
    hook = await made(program_of_a_partner, "http://127.0.0.1:1/")
    other = partner(clinic, installation, "system/Appointment.rs")
    assert (await other.get(f"/webhooks/{hook['id']}")).status_code == 404
    assert (await other.get("/webhooks")).json()["items"] == []
    token = await clinic.token("ADMIN")
    seen = (await clinic.web.get("/webhooks", headers=bearer(token))).json()["items"]
    assert hook["id"] in [each["id"] for each in seen]
    for role in ("DOCTOR", "PATIENT"):
        refused = await clinic.post("/webhooks", {"url": "http://127.0.0.1:1/"}, await clinic.token(role))
        assert (refused.status_code, refused.json()["code"]) == (403, "role_required")
    assert (await program_of_a_partner.delete(f"/webhooks/{hook['id']}")).status_code == 204
    assert (await program_of_a_partner.get(f"/webhooks/{hook['id']}")).status_code == 404


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1/", "https://example.org/", "ftp://127.0.0.1/", "http://a@127.0.0.1/", "http://127.0.0.1/#x"],
)
async def test_an_address_outside_the_list_is_refused(program_of_a_partner: httpx.AsyncClient, url: str) -> None:
    answer = await program_of_a_partner.post("/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "url_not_allowed")


async def test_a_secret_is_made_once_for_one_idempotency_key(program_of_a_partner: httpx.AsyncClient) -> None:
    headers, body = {"idempotency-key": secrets.token_hex(8)}, {"url": "http://127.0.0.1:1/"}
    first = await program_of_a_partner.post("/webhooks", json=body, headers=headers)
    second = await program_of_a_partner.post("/webhooks", json=body, headers=headers)
    assert first.json()["secret"] == second.json()["secret"]
    assert len((await program_of_a_partner.get("/webhooks")).json()["items"]) == 1
