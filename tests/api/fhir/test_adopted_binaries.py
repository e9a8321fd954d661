"""A Binary that was nobody's becomes a patient's: with all its versions, and with nothing left outside of the record.

https://hl7.org/fhir/R4/binary.html#security
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from litestar import Litestar
from pymongo import MongoClient

from api.settings import Settings
from tests.api.fhir.callers import admit, client_of
from tests.api.fhir.test_documents import base64_of, bytes_at, found, patient, raw, reference, sha1
from tests.api.fhir.ward import Json, build, callers

WORDS = b"unowned words"
RESOURCE = {"accept": "application/fhir+json"}


async def adopt(fhir: httpx.AsyncClient, path: str, subject: str = "p1") -> Json:
    body = {**reference(contentType="text/plain", url=path[1:]), "subject": {"reference": f"Patient/{subject}"}}
    answer = await fhir.post("/DocumentReference", json=body)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def by_reference(fhir: httpx.AsyncClient, path: str) -> None:
    await adopt(fhir, path)


async def by_bytes(fhir: httpx.AsyncClient, path: str) -> None:
    headers = {"content-type": "text/plain", "x-security-context": "Patient/p1"}
    assert (await fhir.put(path, content=b"other words", headers=headers)).status_code == 200


async def by_context(fhir: httpx.AsyncClient, path: str) -> None:
    context = {"securityContext": {"reference": "Patient/p1"}}
    binary = {"resourceType": "Binary", "id": path.rpartition("/")[2], "contentType": "text/plain", **context}
    assert (await fhir.put(path, json=binary)).status_code == 200
    assert (await bytes_at(fhir, path)).content == WORDS


async def by_data(fhir: httpx.AsyncClient, path: str) -> None:
    context = {"securityContext": {"reference": "Patient/p1"}, "data": base64_of(b"other words")}
    binary = {"resourceType": "Binary", "id": path.rpartition("/")[2], "contentType": "text/plain", **context}
    assert (await fhir.put(path, json=binary)).status_code == 200


async def test_a_document_reference_makes_it_the_patients(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    path = await raw(fhir, WORDS, "text/plain")
    made = await adopt(fhir, path)
    attachment = made["content"][0]["attachment"]
    assert (attachment["size"], attachment["hash"]) == (13, sha1(WORDS))
    now = await bytes_at(fhir, path)
    assert now.content == WORDS
    assert now.headers["x-security-context"] == f"DocumentReference/{made['id']}"
    assert await found(fhir, "DocumentReference?_content=unowned") == [f"DocumentReference/{made['id']}"]


@pytest.mark.parametrize("way", [by_reference, by_bytes, by_context, by_data])
async def test_every_version_leads_to_its_bytes_and_none_is_left_under_the_key_of_the_directory(
    fhir: httpx.AsyncClient, settings: Settings, mongo_admin: MongoClient[dict[str, Any]], way: Any
) -> None:
    await patient(fhir)
    path = await raw(fhir, b"first words", "text/plain")
    written = await fhir.put(path, content=WORDS, headers={"content-type": "text/plain"})
    assert written.status_code == 200, written.text
    await way(fhir, path)
    versions = [(await bytes_at(fhir, f"{path}/_history/{number}")).content for number in (1, 2)]
    assert versions == [b"first words", WORDS]
    older = (await fhir.get(f"{path}/_history/1", headers=RESOURCE)).json()
    assert (older["data"], older["meta"]["versionId"]) == (base64_of(b"first words"), "1")
    data = mongo_admin[settings.database]
    left = list(data["blobs"].find({"patient": None}))
    assert [record["state"] for record in left] == ["doomed"] * 2
    assert not any({"key", "wrapped", "details", "same"} & record.keys() for record in left)
    audited = [entry["patients"] for entry in data["audit"].find({"interaction": "vread"})]
    assert audited == [["p1"]] * 3


async def test_who_may_not_see_the_patient_sees_no_version_of_it_any_more(app: Litestar) -> None:
    admit(app, callers())
    async with client_of(app, "program") as program, client_of(app, "DOCTOR") as doctor:
        await build(program)
        path = await raw(program, WORDS, "text/plain")
        version = f"{path}/_history/1"
        await adopt(program, path, "foreign")
        for address in (path, version):
            for headers in ({"accept": "*/*"}, RESOURCE):
                assert (await doctor.get(address, headers=headers)).status_code == 404
        mine = await raw(program, WORDS, "text/plain")
        await adopt(program, mine, "team")
        assert (await bytes_at(doctor, mine)).content == WORDS
        assert (await bytes_at(program, version)).content == WORDS
        assert (await program.delete(path)).status_code == 204
        assert (await bytes_at(doctor, version)).status_code == 404
        assert (await bytes_at(program, version)).content == WORDS
