"""Batch and transaction through HTTP: https://hl7.org/fhir/R4/http.html#transaction, #trules."""

import asyncio
from typing import Any

import httpx
import pytest

Entry = dict[str, Any]
ANN, OBS = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"


def bundle(*entries: Entry, kind: str = "transaction") -> dict[str, object]:
    return {"resourceType": "Bundle", "type": kind, **({"entry": list(entries)} if entries else {})}


def entry(method: str, url: str, resource: object = None, full_url: str | None = None, **request: str) -> Entry:
    made: Entry = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url is not None:
        made["fullUrl"] = full_url
    return made


def patient(identifier: str, **more: object) -> Entry:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": identifier}], **more}


def observation(subject: str, **more: object) -> Entry:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "t"},
        "subject": {"reference": subject},
        **more,
    }


async def found(fhir: httpx.AsyncClient, identifier: str) -> list[str]:
    body = (await fhir.get(f"/Patient?identifier=urn:mrn|{identifier}")).json()
    return [row["resource"]["id"] for row in body.get("entry", [])]


def statuses(answer: httpx.Response) -> list[str]:
    return [row["response"]["status"][:3] for row in answer.json()["entry"]]


async def test_references_by_full_url_become_literal(fhir: httpx.AsyncClient) -> None:
    extension = [{"url": "http://x.example/e", "valueReference": {"reference": ANN}}]
    answer = await fhir.post(
        "",
        json=bundle(
            entry("POST", "Observation", observation(ANN, extension=extension), OBS),
            entry("POST", "Patient", patient("t1"), ANN),
        ),
    )
    assert answer.status_code == 200, answer.text
    assert statuses(answer) == ["201", "201"]
    [patient_id] = await found(fhir, "t1")
    location = answer.json()["entry"][0]["response"]["location"]
    stored = (await fhir.get(location)).json()
    assert stored["subject"]["reference"] == f"Patient/{patient_id}"
    assert stored["extension"][0]["valueReference"]["reference"] == f"Patient/{patient_id}"


async def test_one_bad_entry_stores_nothing(fhir: httpx.AsyncClient) -> None:
    answer = await fhir.post(
        "",
        json=bundle(entry("POST", "Patient", patient("bad1")), entry("POST", "Patient", patient("bad2", gender="x"))),
    )
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1].resource.gender"]
    assert await found(fhir, "bad1") == []


async def test_everything_a_failed_transaction_did_is_undone(fhir: httpx.AsyncClient) -> None:
    logical_id = (await fhir.post("/Patient", json=patient("undo"))).json()["id"]
    stale = entry("PUT", f"Patient/{logical_id}", {**patient("undo"), "id": logical_id}, ifMatch='W/"7"')
    answer = await fhir.post("", json=bundle(entry("POST", "Patient", patient("undo2")), stale))
    assert answer.status_code == 412
    assert await found(fhir, "undo2") == []
    assert (await fhir.get(f"/Patient/{logical_id}")).headers["etag"] == 'W/"1"'


async def test_deletes_come_first_and_reads_last(fhir: httpx.AsyncClient) -> None:
    logical_id = (await fhir.post("/Patient", json=patient("order"))).json()["id"]
    answer = await fhir.post(
        "",
        json=bundle(
            entry("GET", "Patient?identifier=urn:mrn|order2"),
            entry("POST", "Patient", patient("order2")),
            entry("DELETE", f"Patient/{logical_id}"),
            entry("GET", f"Patient/{logical_id}"),
        ),
    )
    assert statuses(answer) == ["200", "201", "204", "410"]
    assert answer.json()["entry"][0]["resource"]["total"] == 1


async def test_an_existing_match_is_linked_instead_of_created(fhir: httpx.AsyncClient) -> None:
    logical_id = (await fhir.post("/Patient", json=patient("have"))).json()["id"]
    answer = await fhir.post(
        "",
        json=bundle(
            entry("POST", "Patient", patient("have"), ANN, ifNoneExist="identifier=urn:mrn|have"),
            entry("POST", "Observation", observation(ANN)),
            entry("POST", "Observation", observation("Patient?identifier=urn:mrn|have")),
        ),
    )
    assert statuses(answer) == ["200", "201", "201"]
    body = (await fhir.get(f"/Observation?subject=Patient/{logical_id}")).json()
    assert body["total"] == 2


async def test_one_condition_in_two_entries_creates_once(fhir: httpx.AsyncClient) -> None:
    twice = [
        entry("POST", "Patient", patient("twin"), url, ifNoneExist="identifier=urn:mrn|twin") for url in (ANN, OBS)
    ]
    answer = await fhir.post("", json=bundle(*twice, entry("POST", "Observation", observation(OBS))))
    assert statuses(answer) == ["201", "200", "201"]
    assert len(await found(fhir, "twin")) == 1


@pytest.mark.parametrize(
    "reference", ["Patient?identifier=urn:mrn|several", "Patient?identifier=urn:mrn|none", "Patient?bogus=1"]
)
async def test_a_conditional_reference_must_select_one(fhir: httpx.AsyncClient, reference: str) -> None:
    for _ in range(2):
        await fhir.post("/Patient", json=patient("several"))
    answer = await fhir.post(
        "", json=bundle(entry("POST", "Patient", patient("with")), entry("POST", "Observation", observation(reference)))
    )
    assert answer.status_code in (400, 412)
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert await found(fhir, "with") == []


@pytest.mark.parametrize(
    "entries",
    [
        [entry("PUT", "Patient/d1", {**patient("d"), "id": "d1"})] * 2,
        [entry("PUT", "Patient/d1", {**patient("d"), "id": "d1"}), entry("DELETE", "Patient/d1")],
        [{"resource": patient("no-request")}],
        [entry("POST", "Patient")],
        [entry("FETCH", "Patient/1")],
        [entry("POST", "Patient/1", patient("x"))],
        [entry("PUT", "https://elsewhere.example/fhir/Patient/1", patient("x"))],
        [entry("POST", "Patient", patient("x"), ANN), entry("POST", "Patient", patient("y"), ANN)],
        [entry("POST", "Observation", patient("x"))],
    ],
)
async def test_a_transaction_that_makes_no_sense_is_refused(fhir: httpx.AsyncClient, entries: list[Entry]) -> None:
    answer = await fhir.post("", json=bundle(*entries))
    assert answer.status_code == 400, answer.text
    assert answer.json()["issue"][0]["severity"] == "error"


async def test_patches_work_inside_a_transaction(fhir: httpx.AsyncClient) -> None:
    import base64

    logical_id = (await fhir.post("/Patient", json=patient("patch", active=True))).json()["id"]
    document = base64.b64encode(b'[{"op":"replace","path":"/active","value":false}]').decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": document}
    answer = await fhir.post("", json=bundle(entry("PATCH", f"Patient/{logical_id}", binary)))
    assert statuses(answer) == ["200"]
    assert (await fhir.get(f"/Patient/{logical_id}")).json()["active"] is False


async def test_an_empty_transaction_is_answered(fhir: httpx.AsyncClient) -> None:
    for path in ("", "/"):
        answer = await fhir.post(path, json=bundle())
        assert (answer.status_code, answer.json()["type"]) == (200, "transaction-response")


async def test_what_is_no_bundle_is_refused(fhir: httpx.AsyncClient) -> None:
    assert (await fhir.post("", json={"resourceType": "Patient"})).status_code == 400
    assert (await fhir.post("", json=bundle(kind="collection"))).status_code == 400


async def test_prefer_decides_whether_entries_carry_resources(fhir: httpx.AsyncClient) -> None:
    made = bundle(entry("POST", "Patient", patient("full")))
    minimal = await fhir.post("", json=made)
    full = await fhir.post("", json=made, headers={"prefer": "return=representation"})
    assert "resource" not in minimal.json()["entry"][0]
    assert full.json()["entry"][0]["resource"]["identifier"][0]["value"] == "full"


async def test_sixteen_transactions_that_create_one_resource_create_one(fhir: httpx.AsyncClient) -> None:
    made = bundle(
        entry("POST", "Patient", patient("sixteen"), ANN, ifNoneExist="identifier=urn:mrn|sixteen"),
        entry("POST", "Observation", observation(ANN)),
    )
    answers = await asyncio.gather(*(fhir.post("", json=made) for _ in range(16)))
    assert {answer.status_code for answer in answers} == {200}
    [logical_id] = await found(fhir, "sixteen")
    assert (await fhir.get(f"/Observation?subject=Patient/{logical_id}")).json()["total"] == 16


async def test_a_batch_answers_each_entry_alone(fhir: httpx.AsyncClient) -> None:
    logical_id = (await fhir.post("/Patient", json=patient("batch"))).json()["id"]
    answer = await fhir.post(
        "",
        json=bundle(
            entry("GET", f"Patient/{logical_id}"),
            entry("POST", "Patient", patient("batch2", gender="x")),
            entry("POST", "Patient", patient("batch"), None, ifNoneExist="identifier=urn:mrn|batch"),
            entry("GET", f"http://127.0.0.1:8000/fhir/Patient/{logical_id}/_history/1"),
            entry("GET", "Patient?identifier=urn:mrn|batch"),
            entry("POST", "/", bundle(kind="batch")),
            kind="batch",
        ),
    )
    assert answer.json()["type"] == "batch-response"
    assert statuses(answer) == ["200", "400", "200", "200", "200", "400"]
    rows = answer.json()["entry"]
    assert rows[0]["resource"]["id"] == logical_id
    assert rows[1]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.gender"]
    assert rows[4]["resource"]["total"] == 1


async def test_a_retry_with_one_idempotency_key_writes_once(fhir: httpx.AsyncClient) -> None:
    once = {"idempotency-key": "key-1"}
    first = await fhir.post("/Patient", json=patient("once"), headers=once)
    again = await fhir.post("/Patient", json=patient("once"), headers=once)
    assert (again.status_code, again.content, again.headers["etag"]) == (201, first.content, first.headers["etag"])
    assert len(await found(fhir, "once")) == 1
    other = await fhir.post("/Patient", json=patient("other"), headers=once)
    assert other.status_code == 422


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_a_retried_bundle_writes_once(fhir: httpx.AsyncClient, kind: str) -> None:
    once = {"idempotency-key": f"bundle-{kind}"}
    made = bundle(entry("POST", "Patient", patient(kind), ANN), entry("POST", "Patient", patient(kind)), kind=kind)
    first = await fhir.post("", json=made, headers=once)
    again = await fhir.post("", json=made, headers=once)
    assert statuses(again) == ["201", "201"]
    assert [row["response"]["location"] for row in again.json()["entry"]] == [
        row["response"]["location"] for row in first.json()["entry"]
    ]
    assert len(await found(fhir, kind)) == 2


async def test_many_retries_at_once_write_once(fhir: httpx.AsyncClient) -> None:
    once = {"idempotency-key": "crowd"}
    answers = await asyncio.gather(*(fhir.post("/Patient", json=patient("crowd"), headers=once) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await found(fhir, "crowd")) == 1
