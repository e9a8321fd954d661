"""D4 for uploads in parts: kill -9 between every two steps, and each upload goes on to one document, the right one."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from api.environment import environment_of
from api.settings import Settings
from api.surfaces import Documents
from api.wiring import Opened, opened
from domain.clinic import joining_parts, uploads
from domain.clinic.document_cards import DocumentForm
from domain.clinic.documents import bytes_behind
from domain.clinic.joining_parts import Known, Upload, change
from domain.errors import Conflict
from domain.identity import ResourceKey
from domain.interactions.binaries import bytes_of
from domain.interactions.update import update
from tests.parts_killed import FIRST, content_of, occasion, stream

PROJECT = Path(__file__).parents[3]
NOW = timedelta(0)


@pytest.fixture
def settings(tmp_path: Path, mongo_uri: str, database: str) -> Settings:
    return Settings(
        data_dir=tmp_path, mongodb_uri=mongo_uri, database=database, keys_database=f"{database}_keys", log_level="error"
    )


@pytest.fixture
async def here(settings: Settings) -> AsyncIterator[Opened]:
    async with opened(settings) as here:
        yield here


@pytest.fixture
async def patient(here: Opened) -> str:
    key = ResourceKey("Patient", f"p{secrets.token_hex(4)}")
    await update(here.parts, occasion("update"), key, {"resourceType": "Patient", "id": key.id})
    return key.id


async def add(here: Opened, upload_id: str, at: int, content: bytes) -> Upload:
    """Send the rest of an upload from `at` on."""
    asked = occasion("upload-append")
    rest = stream(content[at:])
    return (await uploads.add(here.parts, Documents(), here.vouchers, asked, upload_id, at, rest))[0]


async def state(here: Opened, upload_id: str) -> Upload:
    return await uploads.state(here.vouchers, occasion("upload-read"), upload_id)


async def go_on(here: Opened, upload_id: str, content: bytes) -> str:
    """What a client does after a break: ask how far it came, go on there; the id of the document in the end."""
    until = time.monotonic() + 2 * joining_parts.TURN.total_seconds()
    while (known := await state(here, upload_id)).told < len(content):
        try:
            await add(here, upload_id, known.told, content)
        except Conflict:  # until the turn of the dead is over
            assert time.monotonic() < until, "nobody may go on with it"
            await asyncio.sleep(0.5)
    assert known.document is not None
    return known.document


async def content_at(here: Opened, document: str) -> bytes:
    key = ResourceKey("DocumentReference", document)
    found = await bytes_behind(here.parts, Documents(), occasion("document-content"), key)
    return b"".join([piece async for piece in await bytes_of(here.parts, found)])


@pytest.mark.slow
async def test_an_upload_killed_at_any_step_goes_on_to_one_document_and_leaves_nothing(
    here: Opened, settings: Settings, patient: str, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    environment = msgspec.json.encode(environment_of(settings)).decode()
    command = [sys.executable, "-m", "tests.parts_killed", environment, patient]
    run = await asyncio.to_thread(subprocess.run, command, cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2_000:]
    begun = run.stdout.split()
    assert len(begun) > 40
    offsets = [(await state(here, upload_id)).told for upload_id in begun]
    size = len(content_of(1))
    assert {0, FIRST, size - 1, size} <= set(offsets), "some break was not met"
    documents = [await go_on(here, upload_id, content_of(n)) for n, upload_id in enumerate(begun, 1)]
    for number, document in enumerate(documents, 1):
        found, sent = await content_at(here, document), content_of(number)
        assert hashlib.sha256(found).digest() == hashlib.sha256(sent).digest()
    data = mongo_admin[settings.database]
    assert data["resources"].count_documents({"type": "DocumentReference"}) == len(begun)
    await here.upkeep.sweep(pending_for=NOW, settled_for=NOW)
    names = {record["_id"] for record in data["blobs"].find({"state": "ready"})}
    assert len(names) == len(begun)
    assert names == {path.name for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()}
    assert [finding async for finding in here.upkeep.findings()] == []
    print(f"{len(begun) - 1} steps")


async def begun(here: Opened, patient: str, content: bytes) -> str:
    """An upload whose every byte has arrived, and that somebody has the turn to join."""
    asked, form = occasion("upload-create"), DocumentForm()
    upload = await uploads.begin(
        here.parts, Documents(), here.vouchers, asked, ResourceKey("Patient", patient), len(content), form, None
    )
    blob = await here.parts.blobs.receive(
        stream(content), patient=patient, content_type=uploads.PART, limit=len(content)
    )
    whole = msgspec.structs.replace(
        upload, offset=len(content), parts=(blob.id,), joining=here.parts.clock() + joining_parts.TURN
    )
    assert await change(here.vouchers, Known(upload, 1), whole)
    return upload.id


async def test_while_somebody_joins_the_parts_nobody_else_does(here: Opened, patient: str) -> None:
    upload_id = await begun(here, patient, b"%PDF-1.4 one")
    known = await state(here, upload_id)
    assert known.told == known.length - 1
    with pytest.raises(Conflict) as busy:
        await add(here, upload_id, known.told, b"%PDF-1.4 one")
    assert busy.value.reason == "joining"


async def test_who_joins_longer_than_a_turn_keeps_it(
    here: Opened, patient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn is renewed while it is needed: here it is short, and the work takes four of it."""
    monkeypatch.setattr(joining_parts, "TURN", timedelta(seconds=0.5))
    monkeypatch.setattr(joining_parts, "RENEWED_SECONDS", 0.1)
    content = b"%PDF-1.4 slow"
    upload_id = await begun(here, patient, content)
    await asyncio.sleep(0.6)
    renewed: list[bool] = []
    async with joining_parts._turn(here.parts, here.vouchers, Known(await state(here, upload_id), 2)) as turn:
        for _ in range(4):
            await asyncio.sleep(0.5)
            with pytest.raises(Conflict):
                await add(here, upload_id, len(content) - 1, content)
            renewed.append(True)
        await turn.end("made-elsewhere")
    assert len(renewed) == 4
    assert (await state(here, upload_id)).document == "made-elsewhere"


async def test_who_fails_gives_the_turn_back(here: Opened, patient: str) -> None:
    content = b"%PDF-1.4 again"
    upload_id = await begun(here, patient, content)
    read = await here.vouchers.read("upload", upload_id)
    assert read is not None
    free = Known(msgspec.structs.replace(await state(here, upload_id), joining=None), read.turn)
    with pytest.raises(RuntimeError, match="broken"):
        async with joining_parts._turn(here.parts, here.vouchers, free):
            raise RuntimeError("broken")
    document = await go_on(here, upload_id, content)
    assert await content_at(here, document) == content
