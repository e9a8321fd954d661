"""Documents over the FHIR surface: every way in, every way out, and what is found inside them.

https://hl7.org/fhir/R4/binary.html, IHE MHD (https://profiles.ihe.net/ITI/MHD/): ITI-65, ITI-67, ITI-68, ITI-105.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import bson
import httpx
import pytest
from litestar import Litestar
from litestar.exceptions import LitestarException
from pymongo import MongoClient

from api.settings import Settings
from domain.errors import IntegrityFailure

SAMPLES = {
    "ccda_1.pdf": ("application/pdf", "wishes"),
    "ccda_2.pdf": ("application/pdf", "ganglia"),
    "ccda_0.rtf": ("application/rtf", "ankles"),
    "CT_small.dcm": ("application/dicom", "axial"),
    "reportsi.dcm": ("application/dicom", "container"),
}
PDF = b"%PDF-1.4 test"
UUID = "urn:uuid:00000000-0000-4000-8000-00000000000{}"
Json = dict[str, Any]


@pytest.fixture
def sample(shared: Path, request: pytest.FixtureRequest) -> tuple[bytes, str, str]:
    media_type, word = SAMPLES[request.param]
    return (shared / "data" / "blobs" / request.param).read_bytes(), media_type, word


every_sample = pytest.mark.parametrize("sample", SAMPLES, indirect=True)


def sha1(content: bytes) -> str:
    return base64.b64encode(hashlib.sha1(content).digest()).decode()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def reference(**attachment: Any) -> Json:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "34133-9"}]},
        "subject": {"reference": "Patient/p1"},
        "date": "2026-01-02T03:04:05Z",
        "content": [{"attachment": attachment}],
    }


async def patient(fhir: httpx.AsyncClient, name: str = "p1") -> None:
    answer = await fhir.put(f"/Patient/{name}", json={"resourceType": "Patient", "id": name})
    assert answer.status_code in (200, 201), answer.text


async def raw(fhir: httpx.AsyncClient, content: bytes, media_type: str, **headers: str) -> str:
    answer = await fhir.post("/Binary", content=content, headers={"content-type": media_type, **headers})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"].removeprefix("http://127.0.0.1:8000/fhir").rpartition("/_history/")[0]


async def bytes_at(fhir: httpx.AsyncClient, path: str, **headers: str) -> httpx.Response:
    return await fhir.get(path, headers={"accept": "*/*", **headers})


async def found(fhir: httpx.AsyncClient, query: str) -> list[str]:
    answer = await fhir.get(f"/{query}")
    assert answer.status_code == 200, answer.text
    matches = [row for row in answer.json().get("entry", []) if row["search"]["mode"] == "match"]
    return [f"{row['resource']['resourceType']}/{row['resource']['id']}" for row in matches]


@every_sample
async def test_what_goes_in_as_bytes_comes_out_by_every_route(
    fhir: httpx.AsyncClient, sample: tuple[bytes, str, str]
) -> None:
    content, media_type, word = sample
    path = await raw(fhir, content, media_type)
    answer = await bytes_at(fhir, path)
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-length"] == str(len(content))
    resource = (await fhir.get(path, headers={"accept": "application/fhir+json"})).json()
    assert base64.b64decode(resource["data"]) == content
    assert resource["contentType"] == media_type
    assert "_data" not in resource
    assert (await bytes_at(fhir, f"{path}/_history/1")).content == content
    # Only what a Binary belongs to is found by its words: whoever may see that may know them.
    assert await found(fhir, f"Binary?_content={word}") == []


@every_sample
async def test_simplified_publish_moves_inline_data_out_and_makes_it_retrievable(
    fhir: httpx.AsyncClient, sample: tuple[bytes, str, str]
) -> None:
    """ITI-105, then ITI-67 by GET and POST, then ITI-68."""
    content, media_type, word = sample
    await patient(fhir)
    body = reference(contentType=media_type, data=base64_of(content), title="Ärztlicher Bericht")
    answer = await fhir.post("/DocumentReference", json=body)
    assert answer.status_code == 201, answer.text
    (row,) = answer.json()["content"]
    attachment = row["attachment"]
    assert "data" not in attachment
    assert attachment["size"] == len(content)
    assert attachment["hash"] == sha1(content)
    name = f"DocumentReference/{answer.json()['id']}"
    assert await found(fhir, "DocumentReference?patient=Patient/p1&status=current") == [name]
    form = {"content-type": "application/x-www-form-urlencoded"}
    searched = await fhir.post("/DocumentReference/_search", content=f"patient=p1&_content={word}", headers=form)
    assert [row["resource"]["id"] for row in searched.json()["entry"]] == [answer.json()["id"]]
    assert await found(fhir, f"DocumentReference?_content={word}&patient=p1") == [name]
    assert await found(fhir, "DocumentReference?_content=nowhereinside") == []
    retrieved = await bytes_at(fhir, f"/{attachment['url']}")
    assert retrieved.content == content
    assert sha1(retrieved.content) == attachment["hash"]
    assert "filename*=UTF-8''%C3%84rztlicher%20Bericht" in retrieved.headers["content-disposition"]
    assert retrieved.headers["x-security-context"] == name


@pytest.mark.parametrize(
    ("creation", "count"),
    [("2025-06-01", 1), ("2025-06", 2), ("ge2025-06-02", 1), ("lt2025-06-01T08:00:00Z", 0), ("ge2026", 0)],
)
async def test_documents_are_found_by_when_they_were_created(
    fhir: httpx.AsyncClient, creation: str, count: int
) -> None:
    """ITI-67 `creation`, which is no search parameter of R4."""
    await patient(fhir)
    for day in ("2025-06-01T08:00:00Z", "2025-06-02T08:00:00Z"):
        body = reference(contentType="application/pdf", data=base64_of(PDF + day.encode()), creation=day)
        assert (await fhir.post("/DocumentReference", json=body)).status_code == 201
    for query in (f"creation={creation}", f"patient=Patient/p1&creation={creation}"):
        answer = await fhir.get(f"/DocumentReference?{query}", headers={"prefer": "handling=strict"})
        assert (answer.status_code, answer.json().get("total")) == (200, count), answer.text


@every_sample
async def test_a_document_bundle_is_provided_whole(fhir: httpx.AsyncClient, sample: tuple[bytes, str, str]) -> None:
    """ITI-65: a SubmissionSet List, a DocumentReference and its Binary in one transaction."""
    content, media_type, word = sample
    await patient(fhir)
    bundle = provided(content, media_type)
    answer = await fhir.post("/", json=bundle)
    assert answer.status_code == 200, answer.text
    listed, document, binary = (row["response"]["location"].split("/fhir/")[1] for row in answer.json()["entry"])
    stored = (await fhir.get(f"/{document}")).json()
    attachment = stored["content"][0]["attachment"]
    assert attachment["url"] == binary.rpartition("/_history/")[0]
    assert (await bytes_at(fhir, f"/{attachment['url']}")).content == content
    assert (await fhir.get(f"/{listed}")).json()["entry"][0]["item"]["reference"] == f"DocumentReference/{stored['id']}"
    assert await found(fhir, f"DocumentReference?_content={word}") == [f"DocumentReference/{stored['id']}"]
    assert (await fhir.get(f"/{binary}")).headers["x-security-context"] == f"DocumentReference/{stored['id']}"


def provided(content: bytes, media_type: str, **attachment: Any) -> Json:
    document = reference(
        contentType=media_type, url=UUID.format("b"), **{"size": len(content), "hash": sha1(content), **attachment}
    )
    submission = {
        "resourceType": "List", "status": "current", "mode": "working", "subject": {"reference": "Patient/p1"},
        "entry": [{"item": {"reference": UUID.format("d")}}],
    }  # fmt: skip
    binary = {"resourceType": "Binary", "contentType": media_type, "data": base64_of(content)}
    rows = {"a": submission, "d": document, "b": binary}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": UUID.format(name), "resource": row, "request": {"method": "POST", "url": row["resourceType"]}}
            for name, row in rows.items()
        ],
    }


@pytest.mark.parametrize(
    ("wrong", "element"),
    [({"size": 3}, "size"), ({"hash": sha1(b"other")}, "hash"), ({"hash": "AAAA"}, "hash")],
)
async def test_a_bundle_whose_hash_or_size_is_wrong_stores_nothing(
    fhir: httpx.AsyncClient, wrong: Json, element: str
) -> None:
    await patient(fhir)
    answer = await fhir.post("/", json=provided(PDF, "application/pdf", **wrong))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"][0].endswith(f"attachment.{element}")
    assert await found(fhir, "DocumentReference?patient=p1") == []
    assert await found(fhir, "List?patient=p1") == []


@pytest.mark.parametrize("wrong", [{"size": 3}, {"hash": sha1(b"other")}])
async def test_inline_data_that_is_not_what_its_attachment_says_is_refused(
    fhir: httpx.AsyncClient, wrong: Json
) -> None:
    await patient(fhir)
    body = reference(contentType="application/pdf", data=base64_of(PDF), **wrong)
    assert (await fhir.post("/DocumentReference", json=body)).status_code == 400
    assert await found(fhir, "DocumentReference?patient=p1") == []


async def test_a_replaced_document_is_superseded_in_the_same_transaction(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    data = {"contentType": "text/plain", "data": base64_of(b"the first opinion")}
    first = (await fhir.post("/DocumentReference", json=reference(**data))).json()["id"]
    second = reference(contentType="text/plain", data=base64_of(b"the second"))
    second["relatesTo"] = [{"code": "replaces", "target": {"reference": f"DocumentReference/{first}"}}]
    answer = await fhir.post("/DocumentReference", json=second)
    assert answer.status_code == 201, answer.text
    old = (await fhir.get(f"/DocumentReference/{first}")).json()
    assert (old["status"], old["meta"]["versionId"]) == ("superseded", "2")
    assert await found(fhir, "DocumentReference?patient=p1&status=current") == [
        f"DocumentReference/{answer.json()['id']}"
    ]
    assert await found(fhir, "DocumentReference?_content=opinion") == [f"DocumentReference/{first}"]


async def test_what_cannot_be_marked_as_replaced_is_told(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    bundle = provided(PDF, "application/pdf")
    target = {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}}
    bundle["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": target}]
    answer = await fhir.post("/", json=bundle)
    assert answer.status_code == 200, answer.text
    (issue,) = answer.json()["entry"][1]["response"]["outcome"]["issue"]
    assert issue["severity"] == "warning"
    assert issue["expression"] == ["DocumentReference.relatesTo[0].target"]


async def test_parts_of_a_document_are_served(fhir: httpx.AsyncClient) -> None:
    content = bytes(range(256)) * 400
    path = await raw(fhir, content, "application/octet-stream")
    tag = (await bytes_at(fhir, path)).headers["etag"]
    for asked, start, end in (("0-9", 0, 10), ("50000-", 50_000, None), ("-7", len(content) - 7, None)):
        part = await bytes_at(fhir, path, range=f"bytes={asked}")
        assert part.status_code == 206
        assert part.content == content[start:end]
        assert part.headers["content-range"].endswith(f"/{len(content)}")
    assert (await bytes_at(fhir, path, range="bytes=999999-")).status_code == 416
    assert (await bytes_at(fhir, path, range="bytes=0-1", **{"if-range": '"other"'})).status_code == 200
    assert (await bytes_at(fhir, path, range="bytes=0-1", **{"if-range": tag})).status_code == 206
    assert (await bytes_at(fhir, path, **{"if-none-match": tag})).status_code == 304
    head = await fhir.head(path, headers={"accept": "*/*"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))


@pytest.mark.parametrize(
    ("content", "media_type", "inline"),
    [
        (b"<script>alert(1)</script>", "text/html", False),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>", "image/svg+xml", False),
        (PDF, "application/pdf", True),
        (b"words", "text/plain", True),
    ],
)
async def test_a_browser_is_kept_from_running_documents(
    fhir: httpx.AsyncClient, content: bytes, media_type: str, inline: bool
) -> None:
    answer = await bytes_at(fhir, await raw(fhir, content, media_type), accept="text/html")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["content-disposition"].startswith("inline" if inline else "attachment")


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"<script>alert(1)</script>", "application/pdf", 415),
        (b"\x7fELF\x02\x01\x01", "application/octet-stream", 415),
        (b"a", "text", 415),
    ],
)
async def test_a_document_that_is_something_else_is_refused(
    fhir: httpx.AsyncClient, content: bytes, media_type: str, status: int
) -> None:
    answer = await fhir.post("/Binary", content=content, headers={"content-type": media_type})
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_new_version_by_bytes_keeps_the_old_one_and_its_context(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    path = await raw(fhir, b"one", "text/plain", **{"x-security-context": "Patient/p1"})
    answer = await fhir.put(path, content=b"two", headers={"content-type": "text/plain", "if-match": 'W/"1"'})
    assert answer.status_code == 200, answer.text
    assert (await bytes_at(fhir, path)).content == b"two"
    assert (await bytes_at(fhir, f"{path}/_history/1")).content == b"one"
    assert (await bytes_at(fhir, path)).headers["x-security-context"] == "Patient/p1"
    stale = await fhir.put(path, content=b"three", headers={"content-type": "text/plain", "if-match": 'W/"1"'})
    assert stale.status_code == 412
    document = (await fhir.post("/DocumentReference", json=reference(contentType="text/plain", url=path[1:]))).json()
    assert await found(fhir, "DocumentReference?_content=two") == [f"DocumentReference/{document['id']}"]
    assert await found(fhir, "DocumentReference?_content=one") == []


async def test_the_same_document_again_is_no_new_version(fhir: httpx.AsyncClient) -> None:
    body = {"resourceType": "Binary", "id": "same", "contentType": "text/plain", "data": base64_of(b"as it was")}
    for _ in range(2):
        answer = await fhir.put("/Binary/same", json=body)
    assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"1"'
    await patient(fhir)
    document = {**reference(contentType="text/plain", data=base64_of(b"as it was")), "id": "d"}
    urls = {
        (await fhir.put("/DocumentReference/d", json=document)).json()["content"][0]["attachment"]["url"] for _ in "12"
    }
    assert len(urls) == 1
    assert (await fhir.get("/DocumentReference/d")).headers["etag"] == 'W/"1"'


async def test_a_binary_is_seen_by_who_sees_its_context(fhir: httpx.AsyncClient) -> None:
    """https://hl7.org/fhir/R4/binary.html#security"""
    await patient(fhir)
    answer = await fhir.post("/DocumentReference", json=reference(contentType="application/pdf", data=base64_of(PDF)))
    url = answer.json()["content"][0]["attachment"]["url"]
    assert (await bytes_at(fhir, f"/{url}")).status_code == 200
    await fhir.delete(f"/DocumentReference/{answer.json()['id']}")
    assert (await bytes_at(fhir, f"/{url}")).status_code == 410
    assert (await fhir.get(f"/{url}", headers={"accept": "application/fhir+json"})).status_code == 410


async def test_what_a_client_says_of_our_own_extensions_is_dropped(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    await raw(fhir, b"victim", "text/plain")
    forged = {
        "resourceType": "Binary", "id": "forged", "contentType": "text/plain",
        "_data": {"extension": [{"url": "urn:chartvault:blob", "valueString": "0" * 32}]},
    }  # fmt: skip
    answer = await fhir.put("/Binary/forged", json=forged)
    assert answer.status_code == 201, answer.text
    assert (await bytes_at(fhir, "/Binary/forged")).status_code == 404


async def test_large_photos_move_out_and_small_ones_stay(fhir: httpx.AsyncClient) -> None:
    small, large = b"\xff\xd8\xff" + b"s" * 100, b"\xff\xd8\xff" + b"l" * 100_000
    for name, photo in (("small", small), ("large", large)):
        body = {
            "resourceType": "Patient",
            "id": name,
            "photo": [{"contentType": "image/jpeg", "data": base64_of(photo)}],
        }
        answer = await fhir.put(f"/Patient/{name}", json=body)
        assert answer.status_code == 201, answer.text
        (stored,) = answer.json()["photo"]
        if name == "small":
            assert stored == body["photo"][0]
        else:
            assert (await bytes_at(fhir, f"/{stored['url']}")).content == photo
            assert (await fhir.get(f"/{stored['url']}")).headers["x-security-context"] == "Patient/large"


async def test_moved_data_comes_back_when_asked_for(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    answer = await fhir.post("/DocumentReference", json=reference(contentType="application/pdf", data=base64_of(PDF)))
    path = f"/DocumentReference/{answer.json()['id']}"
    assert "data" not in (await fhir.get(path)).json()["content"][0]["attachment"]
    whole = (await fhir.get(f"{path}?_attachments=inline")).json()["content"][0]["attachment"]
    assert base64.b64decode(whole["data"]) == PDF


async def test_docref_gives_the_patients_documents(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    for year in (2020, 2024):
        body = reference(contentType="text/plain", data=base64_of(str(year).encode()))
        body |= {
            "date": f"{year}-02-01T00:00:00Z",
            "context": {"period": {"start": f"{year}-01-01", "end": f"{year}-01-31"}},
        }
        body["id"] = f"of-{year}"
        assert (await fhir.put(f"/DocumentReference/of-{year}", json=body)).status_code == 201
    assert await found(fhir, "DocumentReference/$docref?patient=p1") == ["DocumentReference/of-2024"]
    assert await found(fhir, "DocumentReference/$docref?patient=p1&start=2019&end=2021") == [
        "DocumentReference/of-2020"
    ]
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "patient", "valueId": "p1"}, {"name": "start", "valueDate": "2019-01-01"}],
    }
    answer = await fhir.post("/DocumentReference/$docref", json=parameters)
    assert len(answer.json()["entry"]) == 2
    assert (await fhir.get("/DocumentReference/$docref")).status_code == 400


async def test_an_upload_that_breaks_off_leaves_no_record(app: Litestar, fhir: httpx.AsyncClient, token: str) -> None:
    messages = [
        {"type": "http.request", "body": b"half of ", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"text/plain")]
    scope = {
        "type": "http", "method": "POST", "path": "/fhir/Binary", "raw_path": b"/fhir/Binary", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 5), "litestar_app": app, "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    await app.state.fhir(scope, receive, send)
    assert sent == []
    assert await found(fhir, "Binary") == []


async def test_every_upload_and_download_is_audited_once(fhir: httpx.AsyncClient) -> None:
    path = await raw(fhir, PDF, "application/pdf")
    await bytes_at(fhir, path)
    events = (await fhir.get(f"/AuditEvent?entity={path[1:]}")).json()
    assert len(events.get("entry", [])) == 2, events


async def test_a_retry_with_the_same_key_and_bytes_stores_once(fhir: httpx.AsyncClient) -> None:
    keyed = {"idempotency-key": "upload-1"}
    paths = {await raw(fhir, b"once", "text/plain", **keyed) for _ in range(2)}
    assert len(paths) == 1
    other = await fhir.post("/Binary", content=b"else", headers={"content-type": "text/plain", **keyed})
    assert other.status_code == 422


async def test_nothing_of_a_document_is_readable_where_it_is_kept(
    fhir: httpx.AsyncClient, settings: Settings, mongo_admin: MongoClient[Json], database: str
) -> None:
    """D2: neither bytes, title nor words, in the database or the store."""
    canaries = ("canarycontent", "canarytitle", "canaryword")
    await patient(fhir)
    letter = f"<p>canarycontent canaryword</p>{'x' * 40_000}".encode()
    body = reference(contentType="text/html", data=base64_of(letter), title="canarytitle.html")
    answer = await fhir.post("/DocumentReference", json=body)
    assert answer.status_code == 201, answer.text
    assert await found(fhir, "DocumentReference?_content=canaryword") == [f"DocumentReference/{answer.json()['id']}"]
    kept = [path.read_bytes() for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()]
    assert kept
    names = " ".join(path.name for path in (settings.data_dir / "blobs").rglob("*"))
    for collection in mongo_admin[database].list_collection_names():
        kept += [bson.encode(row) for row in mongo_admin[database][collection].find()]
    hashes = (hashlib.sha1(letter).digest(), hashlib.sha256(letter).digest(), base64_of(letter)[:40].encode())
    for needle in (*(word.encode() for word in canaries), *hashes):
        assert not any(needle in each for each in kept)
    assert "canary" not in names


async def test_a_document_that_was_altered_is_never_served_as_if_it_were_whole(
    fhir: httpx.AsyncClient, settings: Settings
) -> None:
    content = bytes(range(256)) * 8_000
    path = await raw(fhir, content, "application/octet-stream")
    (kept,) = [each for each in (settings.data_dir / "blobs").rglob("*") if each.is_file()]
    altered = bytearray(kept.read_bytes())
    altered[-40_000] ^= 1
    kept.write_bytes(altered)
    with pytest.raises((IntegrityFailure, LitestarException)):
        await bytes_at(fhir, path)
    assert (await bytes_at(fhir, path, range="bytes=0-99")).content == content[:100]
    altered[300] ^= 1
    kept.write_bytes(altered)
    assert (await bytes_at(fhir, path)).status_code == 500
    kept.unlink()
    assert (await bytes_at(fhir, path)).status_code == 500


async def test_a_batch_reads_and_writes_binaries_as_resources(fhir: httpx.AsyncClient) -> None:
    body = {"resourceType": "Binary", "contentType": "text/plain", "data": base64_of(b"in a batch")}
    rows = [{"resource": body, "request": {"method": "POST", "url": "Binary"}}]
    answer = await fhir.post("/", json={"resourceType": "Bundle", "type": "batch", "entry": rows})
    location = answer.json()["entry"][0]["response"]["location"].split("/fhir/")[1].partition("/_history")[0]
    rows = [{"request": {"method": "GET", "url": location}}]
    answer = await fhir.post("/", json={"resourceType": "Bundle", "type": "batch", "entry": rows})
    assert answer.json()["entry"][0]["resource"]["data"] == base64_of(b"in a batch")


async def test_a_document_can_be_patched_and_keeps_its_bytes(fhir: httpx.AsyncClient) -> None:
    await patient(fhir)
    answer = await fhir.post(
        "/DocumentReference", json=reference(contentType="text/plain", data=base64_of(b"lasting words"))
    )
    path = f"/DocumentReference/{answer.json()['id']}"
    patch = [{"op": "replace", "path": "/status", "value": "entered-in-error"}]
    patched = await fhir.patch(path, json=patch, headers={"content-type": "application/json-patch+json"})
    assert patched.status_code == 200, patched.text
    assert (await bytes_at(fhir, f"/{patched.json()['content'][0]['attachment']['url']}")).content == b"lasting words"
    assert await found(fhir, "DocumentReference?_content=lasting") == [path[1:]]
