"""D8: erasing a patient makes every document of theirs unreadable, by every route, on every worker, whatever is restored.

The delay is the setting `key_cache_seconds` (https://eur-lex.europa.eu/eli/reg/2016/679/oj#art_17): the objects themselves
may lie in copies of the bucket for years.
"""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from PIL import Image

from storage.embedded import EmbeddedMongo
from tests.journeys.accounts import add_account, log_in, origin_of
from tests.journeys.conftest import Serve
from tests.journeys.evidence import Admin
from tests.journeys.processes import Served

KEY_CACHE_SECONDS = 2.0
GRACE_SECONDS = 0.5
WORD = "okapitherapy"
TUS = {"tus-resumable": "1.0.0"}
RAW = {"accept": "*/*"}
FHIR = {"accept": "application/fhir+json", "content-type": "application/fhir+json"}

Json = dict[str, Any]


def text(way: str) -> bytes:
    """A document in which only the patient's own word is the same as in others."""
    return f"{WORD} by {way}. ".encode() * 400


class Chart:
    """A patient with documents of every way in, and who looks at them: a program, the patient, a doctor it was shared with.

    `contents` are the bytes by name; `documents` and `binaries` name where each is.
    """

    def __init__(self, served: Served, patient: str) -> None:
        self.served, self.patient = served, patient
        self.documents: list[str] = []
        self.binaries: list[str] = []
        self.contents: set[bytes] = set()
        self.program = self.web(served.headers()["authorization"])

    def web(self, authorization: str | None) -> httpx.AsyncClient:
        """A client whose every request is a connection of its own, so that both workers get some."""
        headers = {"authorization": authorization} if authorization else {}
        limits = httpx.Limits(max_keepalive_connections=0)
        origin = origin_of(self.served)
        return httpx.AsyncClient(base_url=origin, headers=headers, limits=limits, timeout=60, trust_env=False)

    async def fill(self) -> None:
        written = await self.program.put(
            f"/fhir/Patient/{self.patient}", json={"resourceType": "Patient", "id": self.patient}, headers=FHIR
        )
        assert written.status_code == 201, written.text
        for put in (
            self._by_form,
            self._by_parts,
            self._as_raw_binary,
            self._as_inline_data,
            self._as_nobodys_binary,
        ):
            document, content = await put()
            self.documents.append(document)
            self.contents.add(content)
            shown = (await self.program.get(f"/fhir/DocumentReference/{document}", headers=FHIR)).json()
            self.binaries.append(shown["content"][0]["attachment"]["url"])

    async def _by_form(self) -> tuple[str, bytes]:
        """A picture, which has a thumbnail."""
        picture = io.BytesIO()
        Image.effect_noise((300, 200), 80).save(picture, "PNG")
        files = {"file": ("x.png", picture.getvalue(), "image/png")}
        made = await self.program.post(f"/api/v1/patients/{self.patient}/documents", files=files)
        assert made.status_code == 201, made.text
        return made.json()["id"], picture.getvalue()

    async def _by_parts(self) -> tuple[str, bytes]:
        content = text("parts")
        address = await self.begin(len(content))
        for start, end in ((0, 1000), (1000, len(content))):
            answer = await self.append(address, start, content[start:end])
            assert answer.status_code == 204, answer.text
        return answer.headers["document-location"].rpartition("/")[2], content

    async def begin(self, length: int) -> str:
        kind = base64.b64encode(b"text/plain").decode()
        headers = {**TUS, "upload-length": str(length), "upload-metadata": f"filetype {kind}"}
        answer = await self.program.post(f"/api/v1/patients/{self.patient}/uploads", headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["location"])

    async def append(self, address: str, offset: int, content: bytes) -> httpx.Response:
        headers = {**TUS, "content-type": "application/offset+octet-stream", "upload-offset": str(offset)}
        return await self.program.patch(address, content=content, headers=headers)

    async def _as_raw_binary(self) -> tuple[str, bytes]:
        return await self._raw(text("raw"), {"x-security-context": f"Patient/{self.patient}"})

    async def _as_nobodys_binary(self) -> tuple[str, bytes]:
        """The patient's from the reference on, its first version too."""
        return await self._raw(text("nobody"), {})

    async def _raw(self, content: bytes, context: dict[str, str]) -> tuple[str, bytes]:
        headers = {"content-type": "text/plain", **context}
        binary = await self.program.post("/fhir/Binary", content=content, headers=headers)
        assert binary.status_code == 201, binary.text
        return await self._refer({"url": f"Binary/{binary.json()['id']}"}), content

    async def _as_inline_data(self) -> tuple[str, bytes]:
        content = text("data")
        return await self._refer({"data": base64.b64encode(content).decode()}), content

    async def _refer(self, attachment: Json) -> str:
        reference = {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": {"reference": f"Patient/{self.patient}"},
            "content": [{"attachment": {"contentType": "text/plain", **attachment}}],
        }
        made = await self.program.post("/fhir/DocumentReference", json=reference, headers=FHIR)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def readings(self) -> list[tuple[str, Json]]:
        """Every address at which one document can be read, with its headers."""
        found: list[tuple[str, Json]] = []
        for binary in self.binaries:
            for path in (binary, f"{binary}/_history/1"):
                found += [(f"/fhir/{path}", RAW), (f"/fhir/{path}", FHIR)]
            found += [(f"/fhir/{binary}", {**RAW, "range": "bytes=3-9"}), (f"/fhir/{binary}/_history", FHIR)]
        for document in self.documents:
            name = f"/fhir/DocumentReference/{document}"
            found += [(f"{name}{rest}", FHIR) for rest in ("", "/_history/1", "/_history", "?_attachments=inline")]
            own = f"/api/v1/documents/{document}"
            found += [(f"{own}{rest}", {}) for rest in ("", "/content", "/history")]
            found += [(f"{own}/content", {"range": "bytes=3-9"})]
        return [*found, (f"/api/v1/documents/{self.documents[0]}/thumbnail", {})]

    def lists(self) -> list[str]:
        """Every address at which documents are found."""
        of = f"patient=Patient/{self.patient}"
        return [
            *(f"/fhir/{query}" for query in (f"DocumentReference?{of}", f"DocumentReference?_content={WORD}")),
            *(f"/fhir/{query}" for query in (f"Binary?_content={WORD}", f"DocumentReference/$docref?{of}&start=2020")),
            f"/fhir/Patient/{self.patient}/$everything",
            f"/fhir/Patient?_id={self.patient}&_revinclude=DocumentReference:patient",
            *(f"/api/v1/patients/{self.patient}/{rest}" for rest in ("documents", f"documents?q={WORD}")),
            f"/api/v1/patients/{self.patient}/shared-documents",
        ]


class Readers:
    """The others who may read: the patient, a doctor with a share, and whoever has the links they made."""

    def __init__(self, chart: Chart, patient: httpx.AsyncClient, doctor: httpx.AsyncClient) -> None:
        self.chart, self.patient, self.doctor = chart, patient, doctor
        self.nobody = chart.web(None)
        self.links: list[str] = []

    async def share(self) -> None:
        """Share the first document with the doctor, and let both make links to it."""
        address = f"/api/v1/documents/{self.chart.documents[0]}"
        shared = await self.patient.post(f"{address}/share", json={"practitionerId": "second"})
        assert shared.status_code == 201, shared.text
        for person in (self.patient, self.doctor):
            link = await person.post(f"{address}/signed-url", json={"ttl": 3600})
            assert link.status_code == 201, link.text
            self.links.append(link.json()["url"])

    def readings(self) -> list[tuple[httpx.AsyncClient, str, Json]]:
        """Who reads what: the program everything, the patient all but histories, the doctor what was shared."""
        everything = self.chart.readings()
        present = [(url, given) for url, given in everything if not url.endswith("history")]
        first = (self.chart.documents[0], self.chart.binaries[0])
        shared = [(url, given) for url, given in present if any(name in url for name in first)]
        whose = ((self.chart.program, everything), (self.patient, present), (self.doctor, shared))
        found = [(who, url, given) for who, readings in whose for url, given in readings]
        return found + [(self.nobody, url, {}) for url in self.links]


@pytest.fixture
async def readers(serve_two: Serve, embedded_mongo: EmbeddedMongo) -> AsyncIterator[Readers]:
    unlimited = {"rate_limit": "0", "rate_limit_network": "0", "rate_limit_sign_in": "0"}
    served = await asyncio.to_thread(
        serve_two, key_cache_seconds=str(KEY_CACHE_SECONDS), log_level="error", **unlimited
    )
    chart = Chart(served, "erased")
    await chart.fill()
    second = {"resourceType": "Practitioner", "id": "second"}
    assert (await chart.program.put("/fhir/Practitioner/second", json=second, headers=FHIR)).status_code == 201
    secret = pyotp.random_base32()
    people = [
        await log_in(served, await add_account(served, embedded_mongo.uri, "PATIENT", "Patient/erased")),
        await log_in(
            served,
            await add_account(served, embedded_mongo.uri, "DOCTOR", "Practitioner/second", secret=secret),
            secret,
        ),
    ]
    found = Readers(chart, *(chart.web(f"Bearer {each['accessToken']}") for each in people))
    await found.share()
    yield found
    for web in (chart.program, found.patient, found.doctor, found.nobody):
        await web.aclose()


async def read(readers: Readers, times: int) -> list[httpx.Response]:
    """Everything that can be read, as often as it takes to meet both workers."""
    turn = asyncio.Semaphore(8)

    async def one(who: httpx.AsyncClient, url: str, given: Json) -> httpx.Response:
        async with turn:
            return await who.get(url, headers=given)

    return await asyncio.gather(*(one(*each) for each in readers.readings() for _ in range(times)))


async def require_readable(readers: Readers) -> None:
    """What is about to be gone is there, by every route."""
    answers = await read(readers, 1)
    assert {str(each.url): each.status_code for each in answers if each.status_code not in (200, 206)} == {}
    bodies = {each.content for each in answers}
    assert readers.chart.contents <= bodies
    for url in readers.chart.lists():
        found = await readers.chart.program.get(url)
        assert found.status_code == 200, found.text


async def require_gone(readers: Readers) -> None:
    """No route gives anything, on either worker; nothing new is made of it either."""
    chart = readers.chart
    answers = await read(readers, 3)
    theirs = readers.patient.headers["authorization"]  # their account goes with them, a little later
    statuses = Counter(
        answer.status_code
        for answer in answers
        if not (answer.status_code == 401 and answer.request.headers.get("authorization") == theirs)
    )
    assert set(statuses) <= {404, 410}, {str(each.url): each.status_code for each in answers}
    assert statuses[410], "an erased document is gone, not merely unknown"
    for url in chart.lists():
        for _ in range(3):
            answers.append(await chart.program.get(url))
            assert answers[-1].status_code in (200, 404, 410), (url, answers[-1].text)
    for person in (chart.program, readers.patient, readers.doctor):
        address = f"/api/v1/documents/{chart.documents[0]}"
        for path, body in (("/signed-url", {}), ("/share", {"practitionerId": "second"})):
            assert (await person.post(f"{address}{path}", json=body)).status_code in (401, 403, 404, 410)
    for answer in answers:
        assert not any(content in answer.content for content in chart.contents)
        assert WORD not in answer.text.replace(str(answer.url), "").replace(f"_content={WORD}", "")
        assert "image/png" not in answer.headers.get("content-type", "")


def objects(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
async def test_an_erased_patients_documents_are_gone_by_every_route_and_no_backup_of_the_bucket_brings_them_back(
    readers: Readers, mongo_admin: Admin, tmp_path: Path
) -> None:
    chart, served = readers.chart, readers.chart.served
    await require_readable(readers)
    begun = await chart.begin(9000)
    assert (await chart.append(begun, 0, text("begun")[:3000])).status_code == 204
    bucket, backup = served.data_dir / "blobs", tmp_path / "backup"
    await asyncio.to_thread(shutil.copytree, bucket, backup)
    records = list(mongo_admin[served.database]["blobs"].find({"patient": chart.patient}))
    assert len(records) >= 5
    assert {record["_id"] for record in records} <= objects(backup)

    erasing = asyncio.create_task(
        asyncio.to_thread(served.command, "erase", chart.patient, "--reason", "asked for", "--yes")
    )
    keys = mongo_admin[f"{served.database}_keys"]["patient_keys"]
    while not keys.find_one({"_id": f"Patient/{chart.patient}", "erased": {"$ne": None}}):
        await asyncio.sleep(0.05)
    destroyed = time.monotonic()
    await asyncio.sleep(KEY_CACHE_SECONDS + GRACE_SECONDS)
    await require_gone(readers)
    print(f"all gone {time.monotonic() - destroyed:.1f} s after the key")
    erased = await erasing
    assert erased.returncode == 0, erased.stderr
    await require_gone(readers)
    for path in (f"/api/v1/patients/{chart.patient}/documents", "/fhir/Binary"):
        again = {"x-security-context": f"Patient/{chart.patient}", "content-type": "text/plain"}
        body = {"files": {"file": ("x", b"again")}} if "v1" in path else {"content": b"again", "headers": again}
        assert (await chart.program.post(path, **body)).status_code == 410  # type: ignore[arg-type]
    assert (await chart.append(begun, 3000, text("begun")[3000:])).status_code in (404, 410)

    # A record of an upload that was not finished may stay for an hour, its object does not.
    assert not {record["_id"] for record in records} & objects(bucket)
    await asyncio.to_thread(shutil.copytree, backup, bucket, dirs_exist_ok=True)
    assert {record["_id"] for record in records} <= objects(bucket)
    await require_gone(readers)
    for record in records:
        mongo_admin[served.database]["blobs"].replace_one({"_id": record["_id"]}, record, upsert=True)
    await require_gone(readers)
