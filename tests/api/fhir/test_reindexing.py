"""Search parameters of one's own: https://hl7.org/fhir/R4/searchparameter.html, and the jobs that make them usable."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from domain.operations import reindex
from tests.api.fhir.graph import ask, load, names, observation

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reindex, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr("api.background.EVERY_SECONDS", 0.05)
    monkeypatch.setattr(reindex, "STEP", 3)


def parameter(code: str, expression: str, kind: str = "token", base: str = "Observation", **more: Any) -> Json:
    return {
        "resourceType": "SearchParameter",
        "id": f"own-{code}",
        "url": f"urn:own:{code}",
        "name": code,
        "status": "active",
        "description": code,
        "code": code,
        "base": [base],
        "type": kind,
        "expression": expression,
        **more,
    }


async def usable(fhir: httpx.AsyncClient, name: str) -> Json:
    """Wait until the parameter can be searched by."""
    for _ in range(200):
        answer = await fhir.get(f"/SearchParameter/{name}/$reindex")
        rows = {row["name"]: row for row in answer.json().get("parameter", [])}
        if rows.get("status", {}).get("valueCode") == "completed":
            await asyncio.sleep(0.2)
            return rows
        await asyncio.sleep(0.05)
    raise AssertionError(answer.text)


EXTENSION = {"url": "urn:own:colour", "valueCode": "red"}
OWN = (
    ("bodypart", "Observation.bodySite", "token", "Observation?bodypart=arm", ["o1", "o9"]),
    ("remark", "Observation.note.text", "string", "Observation?remark=stran", ["o1", "o9"]),
    ("told", "Observation.issued", "date", "Observation?told=2024-05", ["o1"]),
    ("made", "Observation.effective", "date", "Observation?made=2023", ["o1"]),
    ("seen-by", "Observation.performer", "reference", "Observation?seen-by=Practitioner/dr", ["a1"]),
    ("colour", "Observation.extension('urn:own:colour').value", "token", "Observation?colour=red", ["o1"]),
    ("size", "(Observation.value as Quantity)", "quantity", "Observation?size=gt5", ["o1"]),
)


async def test_a_parameter_of_ones_own_finds_what_was_there_and_what_comes(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    more: Json = {"bodySite": {"coding": [{"code": "arm"}]}, "note": [{"text": "Strange"}]}
    old = observation(
        "o1",
        "5555-5",
        "Patient/anna",
        issued="2024-05-05T10:00:00Z",
        effectiveDateTime="2023-01",
        extension=[EXTENSION],
        **more,
    )
    await load(fhir, [old | {"valueQuantity": {"value": 7}}])
    for code, expression, kind, query, _ in OWN:
        created = await fhir.put(f"/SearchParameter/own-{code}", json=parameter(code, expression, kind))
        assert created.status_code == 201, created.text
        assert code in (await ask(fhir, query))["entry"][-1]["resource"]["issue"][0]["diagnostics"]
        await ask(fhir, query, 400, prefer="handling=strict")
    progress = [await usable(fhir, f"own-{code}") for code, *_ in OWN]
    assert all(rows["done"]["valueUnsignedInt"] >= rows["total"]["valueUnsignedInt"] == 6 for rows in progress)
    await load(fhir, [observation("o9", "5555-5", "Patient/ben", **more)])
    for _, _, _, query, found in OWN:
        assert (query, names(await ask(fhir, query, prefer="handling=strict"))) == (query, found)
    assert names(await ask(fhir, "Patient?_has:Observation:patient:bodypart=arm")) == ["anna", "ben"]
    assert (await fhir.get("/Observation/o1/_history")).json()["total"] == 1


async def test_a_reference_of_ones_own_is_followed_and_sorted_by_like_an_official_one(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    await ask(fhir, "Observation?_include=Observation:seen-by", 400)
    for code, kind in (("seen-by", "Observation.performer"), ("via", "Observation.hasMember")):
        await fhir.put(f"/SearchParameter/own-{code}", json=parameter(code, kind, "reference"))
    told = parameter("told", "Observation.issued", "date")
    await fhir.put("/SearchParameter/own-told", json=told)
    for code in ("seen-by", "via", "told"):
        await usable(fhir, f"own-{code}")
    for name, year in (("a1", "2002"), ("a2", "2001"), ("b1", "2003")):
        stored = (await fhir.get(f"/Observation/{name}")).json()
        await fhir.put(f"/Observation/{name}", json=stored | {"issued": f"{year}-01-01T00:00:00Z"})
    await asyncio.sleep(1.2)  # until the process has looked again
    included = await ask(fhir, "Observation?_id=a1&_include=Observation:seen-by")
    assert names(included, "include") == ["dr"]
    assert names(await ask(fhir, "Practitioner?_id=dr&_revinclude=Observation:seen-by"), "include") == ["a1"]
    assert names(await ask(fhir, "Observation?_id=a2&_include=Observation:via"), "include") == ["a1"]
    assert names(await ask(fhir, "Practitioner?_has:Observation:seen-by:code=1111-1")) == ["dr"]
    assert names(await ask(fhir, "Observation?seen-by:Practitioner.name=careful")) == ["a1"]
    assert names(await ask(fhir, "Observation?_id=a1,a2,b1&_sort=told")) == ["a2", "a1", "b1"]
    assert names(await ask(fhir, "Observation?_id=a1,a2,b1&_sort=-told")) == ["b1", "a1", "a2"]


async def test_a_retired_parameter_has_no_effect_any_more(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    own = parameter("seen-by", "Observation.performer", "reference")
    await fhir.put("/SearchParameter/own-seen-by", json=own)
    await usable(fhir, "own-seen-by")
    assert names(await ask(fhir, "Observation?seen-by=Practitioner/dr")) == ["a1"]
    await fhir.put("/SearchParameter/own-seen-by", json={**own, "status": "retired"})
    await asyncio.sleep(0.3)
    await ask(fhir, "Observation?seen-by=Practitioner/dr", 400, prefer="handling=strict")


async def test_searches_are_right_while_the_index_is_made_and_others_write(fhir: httpx.AsyncClient) -> None:
    site = {"bodySite": {"coding": [{"code": "leg"}]}}
    before = [observation(f"n{number:03d}", "7777-7", "Patient/anna", **site) for number in range(60)]
    await load(fhir)
    await load(fhir, before)
    await fhir.put("/SearchParameter/own-bodypart", json=parameter("bodypart", "Observation.bodySite"))
    for number in range(0, 60, 4):
        changed = observation(f"n{number:03d}", "8888-8", "Patient/anna", **site)
        assert (await fhir.put(f"/Observation/n{number:03d}", json=changed)).status_code == 200
        answer = await fhir.get("/Observation?bodypart=leg&_count=100", headers={"prefer": "handling=strict"})
        assert answer.status_code == 400 or len(names(answer.json())) == 60
    await usable(fhir, "own-bodypart")
    assert len(names(await ask(fhir, "Observation?bodypart=leg&_count=100"))) == 60


@pytest.mark.parametrize(
    "expression", ["Observation.(", "Observation.bogus", "Patient.name", "Observation.note.iif(true, 1)", "%resource.x"]
)
async def test_an_expression_that_cannot_be_evaluated_is_refused(fhir: httpx.AsyncClient, expression: str) -> None:
    answer = await fhir.post("/SearchParameter", json=parameter("x", expression))
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (400, ["SearchParameter.expression"])


async def test_an_official_parameter_is_never_replaced(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    created = await fhir.post("/SearchParameter", json=parameter("code", "Observation.bodySite"))
    assert created.status_code == 201
    await asyncio.sleep(0.3)
    assert len(names(await ask(fhir, "Observation?code=1111-1"))) == 3
    assert (await fhir.get(f"/SearchParameter/{created.json()['id']}/$reindex")).status_code == 404


async def test_everything_can_be_described_again(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    answer = await fhir.post("/$reindex")
    assert answer.status_code == 202
    address = answer.headers["content-location"]
    for _ in range(200):
        told = await fhir.get(address)
        rows = {row["name"]: row for row in told.json()["parameter"]}
        if rows["status"]["valueCode"] == "completed":
            break
        await asyncio.sleep(0.05)
    assert rows["status"]["valueCode"] == "completed"
    assert len(names(await ask(fhir, "Observation?code=1111-1"))) == 3
    assert (await fhir.get("/$reindex/nothing")).status_code == 404
    assert (await fhir.post("/Patient/anna/$reindex")).status_code == 404
