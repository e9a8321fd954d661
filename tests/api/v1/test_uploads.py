"""Resumable uploads: https://tus.io/protocols/resumable-upload"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from api.wiring import opened
from tests.api.v1.clinic import Clinic

TUS = {"tus-resumable": "1.0.0"}
PART = {**TUS, "content-type": "application/offset+octet-stream"}
BODY = b"%PDF-1.4\n" + random.Random(5).randbytes(700_000)


def metadata(**fields: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())


async def begin(web: httpx.AsyncClient, patient: str, length: int = len(BODY), **fields: str) -> str:
    given = {**TUS, "upload-length": str(length), "upload-metadata": metadata(filetype="application/pdf", **fields)}
    answer = await web.post(f"/api/v1/patients/{patient}/uploads", headers=given)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def offset(web: httpx.AsyncClient, address: str) -> int:
    answer = await web.head(address, headers=TUS)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["upload-offset"])


async def append(web: httpx.AsyncClient, address: str, at: int, content: bytes) -> httpx.Response:
    return await web.patch(address, content=content, headers={**PART, "upload-offset": str(at)})


async def cut(clinic: Clinic, web: httpx.AsyncClient, address: str, at: int, content: bytes) -> None:
    """Send some bytes of a part that was announced longer, and go away."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": content, "more_body": True}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError("nobody is there to be answered")

    headers = {**dict(web.headers), **PART, "upload-offset": str(at), "content-length": str(len(BODY))}
    scope = {
        "type": "http", "method": "PATCH", "path": address, "raw_path": address.encode(), "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("10.0.0.1", 1), "root_path": "", "scheme": "http", "http_version": "1.1", "server": ("x", 80),
    }  # fmt: skip
    await clinic.app(scope, receive, send)  # type: ignore[arg-type]


async def test_an_upload_cut_ten_times_completes_with_the_right_hash(
    clinic: Clinic,
    web: httpx.AsyncClient,
    patient: str,
) -> None:
    address = await begin(web, patient, title="Long", type="imaging")
    rng, at = random.Random(), 0
    for _ in range(10):
        size = rng.randrange(1, (len(BODY) - at) // 3)
        await cut(clinic, web, address, at, BODY[at : at + size])
        at = await offset(web, address)
    assert 0 < at < len(BODY)
    done = await append(web, address, at, BODY[at:])
    assert done.status_code == 204, done.text
    card = (await web.get(done.headers["document-location"])).json()
    assert (card["hash"], card["title"], card["type"]) == (hashlib.sha1(BODY).hexdigest(), "Long", "imaging")
    assert (await web.get(card["links"]["content"])).content == BODY
    assert await offset(web, address) == len(BODY)


async def test_a_wrong_offset_is_409_and_changes_nothing(web: httpx.AsyncClient, patient: str) -> None:
    address = await begin(web, patient)
    assert (await append(web, address, 0, BODY[:1000])).headers["upload-offset"] == "1000"
    assert (await append(web, address, 0, BODY[:1000])).status_code == 409
    assert (await append(web, address, 1001, BODY[1001:])).status_code == 409
    assert await offset(web, address) == 1000


async def test_of_two_parts_for_one_place_one_is_kept(web: httpx.AsyncClient, patient: str) -> None:
    address = await begin(web, patient)
    answers = await asyncio.gather(*(append(web, address, 0, BODY[:5000]) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
    assert await offset(web, address) == 5000


async def test_more_than_was_announced_is_refused(web: httpx.AsyncClient, patient: str) -> None:
    address = await begin(web, patient, length=1000)
    assert (await append(web, address, 0, BODY[:2000])).status_code == 413
    assert await offset(web, address) == 0


async def test_an_upload_that_is_ended_is_gone_with_its_parts(
    clinic: Clinic,
    web: httpx.AsyncClient,
    patient: str,
) -> None:
    address = await begin(web, patient)
    await append(web, address, 0, BODY[:1000])
    assert (await web.delete(address, headers=TUS)).status_code == 204
    assert (await web.head(address, headers=TUS)).status_code == 404
    assert (await web.get(f"/api/v1/patients/{patient}/documents")).json()["items"] == []


async def test_an_abandoned_upload_vanishes_after_its_time(
    clinic: Clinic, web: httpx.AsyncClient, patient: str, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    address = await begin(web, patient)
    await append(web, address, 0, BODY[:1000])
    settings = clinic.app.state.settings
    data, past = mongo_admin[settings.database], datetime.now(UTC) - timedelta(days=3)
    data["vouchers"].update_many({"kind": "upload"}, {"$set": {"expires": past}})
    (part,) = data["blobs"].find({"patient": patient})
    data["blobs"].update_many({"patient": patient}, {"$set": {"at": past}})
    assert (await web.head(address, headers=TUS)).status_code == 404
    assert (await append(web, address, 1000, BODY[1000:])).status_code == 404
    assert list(settings.data_dir.rglob(part["_id"]))
    async with opened(settings) as parts:
        await parts.upkeep.sweep(pending_for=timedelta(days=1), settled_for=timedelta(0))
    assert data["blobs"].count_documents({"patient": patient}) == 0
    assert not list(settings.data_dir.rglob(part["_id"]))


async def test_an_upload_belongs_to_who_began_it(clinic: Clinic, web: httpx.AsyncClient, patient: str) -> None:
    address = await begin(web, patient)
    other = await clinic.token("DOCTOR")
    answer = await web.head(address, headers={**TUS, "authorization": f"Bearer {other}"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"tus-resumable": "0.2.2", "upload-length": "5"}, 412),
        ({"upload-length": "5"}, 412),
        ({**TUS}, 400),
        ({**TUS, "upload-length": "-1"}, 400),
        ({**TUS, "upload-length": "0"}, 422),
        ({**TUS, "upload-length": "9" * 18}, 413),
        ({**TUS, "upload-length": "5", "upload-metadata": "title ***"}, 422),
        ({**TUS, "upload-length": "5", "upload-metadata": metadata(type="novel")}, 422),
    ],
)
async def test_a_bad_beginning_is_refused(
    web: httpx.AsyncClient,
    patient: str,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = await web.post(f"/api/v1/patients/{patient}/uploads", headers=headers)
    assert answer.status_code == status, answer.text


async def test_bytes_that_are_no_document_are_refused_at_the_end(web: httpx.AsyncClient, patient: str) -> None:
    address = await begin(web, patient, length=4)
    assert (await append(web, address, 0, b"MZ\x90\x00")).status_code == 415
    assert (await web.get(f"/api/v1/patients/{patient}/documents")).json()["items"] == []


async def test_what_there_is_of_tus_is_told(web: httpx.AsyncClient) -> None:
    answer = await web.options("/api/v1/uploads")
    assert answer.status_code == 204
    assert set(answer.headers["tus-extension"].split(",")) == {"creation", "expiration", "termination"}
    assert answer.headers["tus-version"] == "1.0.0"
