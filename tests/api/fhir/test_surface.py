"""What holds on every path: authentication, audit before bytes, bounds, and no 500 for bad input."""

import json
from typing import Any

import httpx
import pytest
from litestar import Litestar
from pymongo import MongoClient

from api.settings import Settings
from api.tokens import mint
from domain.errors import AuditUnavailable

PATIENT = {"resourceType": "Patient", "name": [{"family": "Canarywood"}]}


@pytest.fixture
def audit(mongo_admin: MongoClient[dict[str, Any]], database: str) -> Any:
    return mongo_admin[database]["audit"]


async def test_nobody_is_answered_without_a_token(fhir: httpx.AsyncClient) -> None:
    for path in ("/Patient/1", "/Patient?name=x", "/_history"):
        answer = await fhir.get(path, headers={"authorization": ""})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_what_the_server_can_do_is_public(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.get("/metadata", headers={"authorization": ""})
    body = answer.json()
    assert (answer.status_code, body["kind"], body["fhirVersion"]) == (200, "instance", "4.0.1")
    [patient] = [row for row in body["rest"][0]["resource"] if row["type"] == "Patient"]
    assert "read" in {row["code"] for row in patient["interaction"]}


async def test_a_token_grants_what_its_scopes_say(fhir: httpx.AsyncClient, settings: Settings) -> None:
    reading = mint(settings, scopes="system/Patient.r", lifetime_seconds=60)
    headers = {"authorization": f"Bearer {reading}"}
    logical_id = (await fhir.post("/Patient", json=PATIENT)).json()["id"]
    assert (await fhir.get(f"/Patient/{logical_id}", headers=headers)).status_code == 200
    assert (await fhir.post("/Patient", json=PATIENT, headers=headers)).status_code == 403
    assert (await fhir.get("/Patient", headers=headers)).status_code == 403
    assert (await fhir.get("/Observation/1", headers=headers)).status_code == 403
    made = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "POST", "url": "Patient"}, "resource": PATIENT}],
    }
    assert (await fhir.post("", json=made, headers=headers)).status_code == 403


async def test_every_request_is_recorded_once(fhir: httpx.AsyncClient, audit: Any) -> None:
    logical_id = (await fhir.post("/Patient", json=PATIENT)).json()["id"]
    requests = [
        fhir.get(f"/Patient/{logical_id}"),
        fhir.get("/Patient/none"),
        fhir.get("/Patient?identifier=a|b"),
        fhir.get(f"/Patient/{logical_id}/_history"),
        fhir.get(f"/Patient/{logical_id}", headers={"authorization": "Bearer x"}),
        fhir.put(f"/Patient/{logical_id}", json={"resourceType": "Patient"}),
        fhir.delete(f"/Patient/{logical_id}"),
        fhir.post("", json={"resourceType": "Bundle", "type": "transaction"}),
    ]
    for request in requests:
        await request
    rows = list(audit.find())
    assert len(rows) == 1 + len(requests)
    assert {row["interaction"] for row in rows} >= {
        "create",
        "read",
        "search-type",
        "history-instance",
        "update",
        "delete",
    }
    assert {row["status"] for row in rows} >= {200, 201, 204, 400, 401, 404}
    [read] = [row for row in rows if row["interaction"] == "read" and row["status"] == 200]
    assert read["targets"] == [f"Patient/{logical_id}/1"]
    assert read["patients"] == [logical_id]


async def test_no_protected_byte_without_an_audit_record(
    fhir: httpx.AsyncClient, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    logical_id = (await fhir.post("/Patient", json=PATIENT)).json()["id"]
    trail = app.state.fhir._service.parts.trail

    async def broken(_: object) -> None:
        raise AuditUnavailable("The audit cannot be stored")

    monkeypatch.setattr(trail, "record", broken)
    for path in (f"/Patient/{logical_id}", "/Patient", f"/Patient/{logical_id}/_history", "/Patient/none"):
        answer = await fhir.get(path)
        assert answer.status_code == 503
        assert "Canarywood" not in answer.text


async def test_a_query_is_not_readable_in_the_audit(fhir: httpx.AsyncClient, audit: Any) -> None:
    await fhir.get("/Patient?name=Canarywood")
    assert "Canarywood" not in str(list(audit.find()))


BAD_BODIES = [
    b"",
    b'"Patient"',
    b"null",
    b"[]",
    b"{",
    b'{"\xff\xfe":1}',
    b'{"resourceType":"Patient","gender":"male","gender":"female"}',
    b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}',
    b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}',
    b'{"resourceType":"Patient","multipleBirthInteger":1e400}',
    b'{"resourceType":"Patient","multipleBirthInteger":NaN}',
    b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 5000 + b"}",
    b'{"resourceType":"Patient","contained":' + b"[" * 200 + b"]" * 200 + b"}",
    b"[" * 100_000,
    b'{"resourceType":"Patient","__proto__":{"active":true}}',
    b'{"resourceType":"Patient","$where":"1"}',
    b'{"resourceType":"Patient","name.family":"x"}',
    b'{"resourceType":"Patient","name":[]}',
    b'{"resourceType":"Patient","name":[{}]}',
    b'{"resourceType":"Patient","gender":null}',
    b'{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><script>1</script></div>"}}',
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_a_bad_body_is_refused_precisely_and_changes_nothing(fhir: httpx.AsyncClient, body: bytes) -> None:
    for method, path in (("POST", "/Patient"), ("PUT", "/Patient/bad"), ("POST", "")):
        answer = await fhir.request(method, path, content=body)
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
    assert (await fhir.get("/Patient?_summary=count")).json()["total"] == 0


async def test_a_body_over_the_limit_is_refused(fhir: httpx.AsyncClient) -> None:
    huge = json.dumps({**PATIENT, "name": [{"family": "x" * 16_000_000}]})
    assert (await fhir.post("/Patient", content=huge)).status_code == 413


@pytest.mark.parametrize(
    "query", ["a=%ff", "name=%00", "&".join(f"p{n}=1" for n in range(101)), "x=" + "y" * 9000, "_count=-1", "_count=x"]
)
async def test_a_bad_query_is_refused(fhir: httpx.AsyncClient, query: str) -> None:
    answer = await fhir.get(f"/Patient?{query}")
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("name", ["_id[$regex]=.*", "identifier[$gt]=", "gender[$exists]=true"])
async def test_operator_keys_are_not_parameters(fhir: httpx.AsyncClient, name: str) -> None:
    answer = await fhir.get(f"/Patient?{name}", headers={"prefer": "handling=strict"})
    assert answer.status_code == 400


async def test_an_unforeseen_failure_says_nothing_but_its_request_id(
    fhir: httpx.AsyncClient, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("Canarywood")

    monkeypatch.setattr(app.state.fhir._service.parts.store, "newest", broken)
    answer = await fhir.get("/Patient/1", headers={"x-request-id": "r-1"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "r-1")
    assert "r-1" in answer.text
    assert "Canarywood" not in answer.text
    assert "RuntimeError" not in answer.text


async def test_answers_are_compressed_when_asked(fhir: httpx.AsyncClient) -> None:
    long = await fhir.post("/Patient", json={**PATIENT, "name": [{"family": f"Name {n}"} for n in range(200)]})
    url = f"/Patient/{long.json()['id']}"
    packed = await fhir.get(url, headers={"accept-encoding": "gzip"})
    plain = await fhir.get(url, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < len(plain.content) / 3


async def test_xml_is_neither_read_nor_written(fhir: httpx.AsyncClient) -> None:
    assert (
        await fhir.post("/Patient", content="<Patient/>", headers={"content-type": "application/fhir+xml"})
    ).status_code == 415
    assert (await fhir.get("/Patient/1", headers={"accept": "application/fhir+xml"})).status_code == 406
    assert (await fhir.get("/Patient/1?_format=xml")).status_code == 406


async def test_probes_metrics_and_documentation_need_no_token(app: Litestar, fhir: httpx.AsyncClient) -> None:
    await fhir.get("/Patient/none")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as anyone:  # type: ignore[arg-type]
        assert (await anyone.get("/healthz")).json() == {"status": "ok"}
        assert (await anyone.get("/readyz")).json() == {"status": "ok"}
        assert 'chartvault_requests_total{interaction="read",status="404"}' in (await anyone.get("/metrics")).text
        page = await anyone.get("/api/docs")
        assert "//" not in page.text.replace("<!--", "")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for asset in ("swagger-ui.css", "swagger-ui-bundle.js"):
            assert (await anyone.get(f"/api/docs/assets/{asset}")).status_code == 200
        assert (await anyone.get("/api/docs/assets/nothing.js")).status_code == 404
        described = (await anyone.get("/api/openapi.json")).json()
        assert "/fhir/{type}/{id}/_history/{version}" in described["paths"]
