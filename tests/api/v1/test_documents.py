"""Documents over /api/v1: put in, found, shown in whole and in part, replaced, withdrawn."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest

PDF = b"%PDF-1.4 a test\n" + b"x" * 100_000
SAMPLES = {
    "ccda_1.pdf": ("application/pdf", "wishes"),
    "ccda_2.pdf": ("application/pdf", "ganglia"),
    "ccda_0.rtf": ("application/rtf", "ankles"),
    "CT_small.dcm": ("application/dicom", "axial"),
}
"""Real documents, and a word that stands in each only inside."""
Json = dict[str, Any]


async def put(web: httpx.AsyncClient, patient: str, content: bytes = PDF, **fields: str) -> httpx.Response:
    return await web.post(
        f"/api/v1/patients/{patient}/documents",
        data=fields,
        files={"file": ('Würze "1".pdf', content, "application/pdf")},
    )


async def test_a_form_with_a_file_becomes_a_document_and_the_same_again_does_not(
    web: httpx.AsyncClient, patient: str
) -> None:
    answer = await put(web, patient, type="lab-report", title="Blood", date="2026-03-01T10:00:00Z", source="PHP")
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert (made["type"], made["typeLabel"], made["source"]) == ("lab-report", "Laboratory report", {"kind": "PHP"})
    assert (made["size"], made["hash"]) == (len(PDF), hashlib.sha1(PDF).hexdigest())
    assert answer.headers["location"] == f"/api/v1/documents/{made['id']}"
    again = await put(web, patient, type="other")
    assert (again.status_code, again.json()["duplicate"], again.json()["id"]) == (200, True, made["id"])
    as_fhir = (await web.get(f"/fhir/DocumentReference/{made['id']}")).json()
    assert as_fhir["type"]["coding"][0]["code"] == "11502-2"
    assert as_fhir["context"]["period"]["start"] == "2026-03-01T10:00:00Z"


async def test_bytes_come_back_whole_in_part_and_not_at_all_when_known(web: httpx.AsyncClient, patient: str) -> None:
    made = (await put(web, patient)).json()
    address = f"/api/v1/documents/{made['id']}/content"
    whole = await web.get(address)
    assert (whole.status_code, whole.content) == (200, PDF)
    assert whole.headers["content-disposition"].startswith("inline; filename=")
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["x-content-type-options"] == "nosniff"
    tag = whole.headers["etag"]
    for asked, status, content in [
        ("bytes=5-9", 206, PDF[5:10]),
        ("bytes=-4", 206, PDF[-4:]),
        (f"bytes={len(PDF) - 3}-", 206, PDF[-3:]),
        (f"bytes={len(PDF)}-", 416, b""),
        ("bytes=0-1,4-5", 200, PDF),
        ("lines=1-2", 200, PDF),
    ]:
        part = await web.get(address, headers={"range": asked})
        assert (part.status_code, part.content) == (status, content), asked
    old = await web.get(address, headers={"range": "bytes=0-1", "if-range": '"other"'})
    assert (old.status_code, old.content) == (200, PDF)
    assert (await web.get(address, headers={"if-none-match": tag})).status_code == 304
    head = await web.head(address)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PDF)))


async def test_a_text_is_a_document_and_is_found_by_its_words(web: httpx.AsyncClient, patient: str) -> None:
    address = f"/api/v1/patients/{patient}/documents"
    body = {"type": "progress-note", "title": "Visit", "content": {"text": "Complains of xyzzyitis since May."}}
    made = await web.post(address, json=body)
    assert made.status_code == 201, made.text
    await put(web, patient, type="lab-report", title="Kidneys", date="2026-02-01T00:00:00Z", source="LABORATORY")
    for query, count in [
        ({}, 2),
        ({"q": "xyzzyitis"}, 1),
        ({"q": "kidneys"}, 1),
        ({"q": "nothing"}, 0),
        ({"type": "lab-report"}, 1),
        ({"source": "LABORATORY"}, 1),
        ({"source": "PHP"}, 0),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, 1),
        ({"from": "2026-03-01T00:00:00Z"}, 0),
    ]:
        found = await web.get(address, params=query)
        assert (found.status_code, len(found.json().get("items", ()))) == (200, count), (query, found.text)
    grouped = (await web.get(address, params={"groupBy": "type"})).json()
    assert [(group["type"], len(group["items"])) for group in grouped["groups"]] == [
        ("lab-report", 1),
        ("progress-note", 1),
    ]


@pytest.mark.parametrize("name", SAMPLES)
async def test_real_documents_come_back_as_they_were_by_form_and_in_parts(
    web: httpx.AsyncClient, patient: str, shared: Path, name: str
) -> None:
    media_type, word = SAMPLES[name]
    content = (shared / "data" / "blobs" / name).read_bytes()
    form = await web.post(f"/api/v1/patients/{patient}/documents", files={"file": (name, content, media_type)})
    assert form.status_code == 201, form.text
    assert (await web.get(form.json()["links"]["content"])).content == content
    found = (await web.get(f"/api/v1/patients/{patient}/documents", params={"q": word})).json()["items"]
    assert [each["id"] for each in found] == [form.json()["id"]]
    tus = {"tus-resumable": "1.0.0"}
    kind = base64.b64encode(media_type.encode()).decode()
    other = f"{patient}-2"
    await web.put(f"/fhir/Patient/{other}", json={"resourceType": "Patient", "id": other})
    begun = await web.post(
        f"/api/v1/patients/{other}/uploads",
        headers={**tus, "upload-length": str(len(content)), "upload-metadata": f"filetype {kind}"},
    )
    assert begun.status_code == 201, begun.text
    half = len(content) // 2
    for at, piece in ((0, content[:half]), (half, content[half:])):
        part = {**tus, "content-type": "application/offset+octet-stream", "upload-offset": str(at)}
        done = await web.patch(begun.headers["location"], content=piece, headers=part)
        assert done.status_code == 204, done.text
    assert (await web.get(f"{done.headers['document-location']}/content")).content == content


async def test_a_list_goes_on_where_its_page_ends(web: httpx.AsyncClient, patient: str) -> None:
    address = f"/api/v1/patients/{patient}/documents"
    for number in range(5):
        body = {"title": f"Note {number}", "content": {"text": f"Note {number}"}}
        assert (await web.post(address, json=body)).status_code == 201
    titles, cursor = [], None
    while True:
        page = (await web.get(address, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        titles += [each["title"] for each in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(titles) == [f"Note {number}" for number in range(5)]
    other = await web.get(address, params={"limit": 2, "q": "note", "cursor": cursor or "x"})
    assert other.status_code == 400


async def test_a_new_file_supersedes_the_old_one_in_the_same_write(web: httpx.AsyncClient, patient: str) -> None:
    old = (await put(web, patient, title="First")).json()
    answer = await web.put(
        f"/api/v1/documents/{old['id']}",
        data={"title": "Second"},
        files={"file": ("b.pdf", PDF + b"more", "application/pdf")},
        headers={"if-match": 'W/"1"'},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["replaces"] == old["id"]
    assert (await web.get(f"/api/v1/documents/{old['id']}")).json()["status"] == "superseded"
    current = (await web.get(f"/api/v1/patients/{patient}/documents")).json()["items"]
    assert [each["id"] for each in current] == [answer.json()["id"]]
    past = (await web.get(f"/api/v1/documents/{answer.json()['id']}/history")).json()["items"]
    assert [(each["id"], each["version"], each["status"]) for each in past] == [
        (answer.json()["id"], 1, "current"),
        (old["id"], 2, "superseded"),
        (old["id"], 1, "current"),
    ]


async def test_what_is_said_of_a_document_changes_under_its_version(web: httpx.AsyncClient, patient: str) -> None:
    made = (await put(web, patient, title="First")).json()
    address = f"/api/v1/documents/{made['id']}"
    changed = await web.put(address, json={"type": "imaging", "title": "Second"}, headers={"if-match": 'W/"1"'})
    assert (changed.status_code, changed.json()["version"], changed.json()["title"]) == (200, 2, "Second")
    stale = await web.put(address, json={"type": "imaging"}, headers={"if-match": 'W/"1"'})
    assert stale.status_code == 412
    assert (await web.get(f"{address}/content")).content == PDF


async def test_a_withdrawn_document_is_gone_but_its_history_is_not(web: httpx.AsyncClient, patient: str) -> None:
    made = (await put(web, patient)).json()
    address = f"/api/v1/documents/{made['id']}"
    assert (await web.delete(address)).status_code == 204
    assert (await web.get(f"{address}/content")).status_code == 410
    assert (await web.get(address)).json()["status"] == "entered-in-error"
    assert (await web.get(f"/api/v1/patients/{patient}/documents")).json()["items"] == []
    history = (await web.get(f"/fhir/DocumentReference/{made['id']}/_history")).json()
    assert history["total"] == 2
    assert (await put(web, patient)).status_code == 201  # a withdrawn one is no duplicate


@pytest.mark.parametrize(
    ("fields", "status", "path"),
    [({"type": "novel"}, 422, "type"), ({"source": "RUMOUR"}, 422, "source"), ({"colour": "red"}, 422, "colour")],
)
async def test_a_wrong_field_is_named(
    web: httpx.AsyncClient, patient: str, fields: Json, status: int, path: str
) -> None:
    answer = await put(web, patient, **fields)
    assert (answer.status_code, [each["path"] for each in answer.json()["errors"]]) == (status, [path]), answer.text


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 422),
        (b"not json", "application/json", 400),
        (b"abc", "text/plain", 415),
        (b"--x\r\n", "multipart/form-data", 415),
        (b"nonsense", "multipart/form-data; boundary=x", 400),
        (b'--x\r\nContent-Disposition: form-data; name="type"\r\n\r\nother\r\n--x--\r\n', "multipart/form-data; boundary=x", 422),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.4 ends', "multipart/form-data; boundary=x", 400),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.exe"\r\nContent-Type: application/pdf\r\n\r\nMZ\x90\x00\r\n--x--\r\n', "multipart/form-data; boundary=x", 415),
        (b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + b"y" * 5000 + b"\r\n--x--\r\n", "multipart/form-data; boundary=x", 413),
    ],
)  # fmt: skip
async def test_a_bad_body_is_refused_and_leaves_nothing(
    web: httpx.AsyncClient, patient: str, body: bytes, content_type: str, status: int
) -> None:
    address = f"/api/v1/patients/{patient}/documents"
    answer = await web.post(address, content=body, headers={"content-type": content_type})
    assert answer.status_code == status, answer.text
    assert (await web.get(address)).json()["items"] == []


async def test_an_unknown_patient_and_an_unknown_document_are_not_there(web: httpx.AsyncClient) -> None:
    assert (await put(web, "nobody")).status_code == 404
    for address in ("/api/v1/documents/none", "/api/v1/documents/none/content", "/api/v1/patients/nobody/documents"):
        assert (await web.get(address)).status_code == 404
