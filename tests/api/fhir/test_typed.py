"""Create, search and the conditional forms through HTTP."""

import asyncio

import httpx
import pytest


def patient(identifier: str, **more: object) -> dict[str, object]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": identifier}], **more}


async def ids(fhir: httpx.AsyncClient, query: str) -> list[str]:
    answer = await fhir.get(query)
    assert answer.status_code == 200, answer.text
    return [entry["resource"]["id"] for entry in answer.json().get("entry", []) if entry["search"]["mode"] == "match"]


async def test_a_conditional_create_stores_once(fhir: httpx.AsyncClient) -> None:
    condition = {"if-none-exist": "identifier=urn:mrn|c1"}
    first = await fhir.post("/Patient", json=patient("c1"), headers=condition)
    second = await fhir.post("/Patient", json=patient("c1"), headers=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert len(await ids(fhir, "/Patient?identifier=urn:mrn|c1")) == 1


async def test_fifty_conditional_creates_make_one_resource(fhir: httpx.AsyncClient) -> None:
    posts = (
        fhir.post("/Patient", json=patient("race"), headers={"if-none-exist": "identifier=urn:mrn|race"})
        for _ in range(50)
    )
    answers = await asyncio.gather(*posts)
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
    assert len(await ids(fhir, "/Patient?identifier=urn:mrn|race")) == 1


@pytest.mark.parametrize("condition", ["bogus=1", "", "_count=1", "identifier="])
async def test_a_condition_is_never_lost(fhir: httpx.AsyncClient, condition: str) -> None:
    created = await fhir.post("/Patient", json=patient("x"), headers={"if-none-exist": condition})
    deleted = await fhir.delete(f"/Patient?{condition}")
    assert created.status_code in (400, 412)
    assert deleted.status_code in (400, 405, 412)


async def test_several_matches_are_ambiguous(fhir: httpx.AsyncClient) -> None:
    for _ in range(2):
        await fhir.post("/Patient", json=patient("twin"))
    answers = [
        await fhir.post("/Patient", json=patient("twin"), headers={"if-none-exist": "identifier=urn:mrn|twin"}),
        await fhir.put("/Patient?identifier=urn:mrn|twin", json=patient("twin")),
        await fhir.delete("/Patient?identifier=urn:mrn|twin"),
    ]
    assert [answer.status_code for answer in answers] == [412] * 3
    assert answers[0].json()["issue"][0]["code"] == "multiple-matches"


async def test_a_conditional_update_updates_or_creates(fhir: httpx.AsyncClient) -> None:
    first = await fhir.put("/Patient?identifier=urn:mrn|u1", json=patient("u1"))
    second = await fhir.put("/Patient?identifier=urn:mrn|u1", json=patient("u1", active=False))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    other = await fhir.put("/Patient?identifier=urn:mrn|u1", json={**patient("u1"), "id": "different"})
    assert other.status_code == 400


async def test_a_conditional_patch_and_delete_act_on_the_match(fhir: httpx.AsyncClient) -> None:
    logical_id = (await fhir.post("/Patient", json=patient("p1", active=True))).json()["id"]
    kind = {"content-type": "application/json-patch+json"}
    document = b'[{"op":"replace","path":"/active","value":false}]'
    patched = await fhir.patch("/Patient?identifier=urn:mrn|p1", content=document, headers=kind)
    assert (patched.status_code, patched.json()["id"]) == (200, logical_id)
    assert (await fhir.patch("/Patient?identifier=urn:mrn|none", content=document, headers=kind)).status_code == 404
    assert (await fhir.delete("/Patient?identifier=urn:mrn|p1")).status_code == 204
    assert (await fhir.get(f"/Patient/{logical_id}")).status_code == 410
    assert (await fhir.delete("/Patient?identifier=urn:mrn|p1")).status_code == 404


async def test_pages_of_a_search_hold_everything_once(fhir: httpx.AsyncClient) -> None:
    sent = {(await fhir.post("/Patient", json=patient("page"))).json()["id"] for _ in range(7)}
    url: str | None = "/Patient?identifier=urn:mrn|page&_count=3"
    seen: list[str] = []
    while url is not None:
        bundle = (await fhir.get(url)).json()
        assert bundle["total"] == 7
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    assert sorted(seen) == sorted(sent)
    assert len(seen) == 7


async def test_a_page_link_is_opaque(fhir: httpx.AsyncClient) -> None:
    for _ in range(2):
        await fhir.post("/Patient", json=patient("Okonkwo"))
    bundle = (await fhir.get("/Patient?identifier=urn:mrn|Okonkwo&_count=1")).json()
    url = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    assert "Okonkwo" not in url
    assert (await fhir.get(url[:-4] + "AAAA")).status_code == 400
    assert (await fhir.get(url.replace("/Patient?", "/Observation?"))).status_code == 400


async def test_unknown_parameters_are_named_or_refused(fhir: httpx.AsyncClient) -> None:
    await fhir.post("/Patient", json=patient("k"))
    lenient = (await fhir.get("/Patient?identifier=urn:mrn|k&bogus=1")).json()
    [outcome] = [entry["resource"] for entry in lenient["entry"] if entry["search"]["mode"] == "outcome"]
    assert "bogus" in outcome["issue"][0]["details"]["text"]
    assert "bogus" not in lenient["link"][0]["url"]
    strict = await fhir.get("/Patient?bogus=1", headers={"prefer": "handling=strict"})
    assert strict.status_code == 400


async def test_a_search_may_be_posted(fhir: httpx.AsyncClient) -> None:
    logical_id = (await fhir.post("/Patient", json=patient("posted"))).json()["id"]
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = await fhir.post("/Patient/_search", content="identifier=urn:mrn|posted", headers=form)
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == [logical_id]
    assert (await fhir.post("/Patient/_search", json={})).status_code == 415


async def test_counting_returns_no_entries(fhir: httpx.AsyncClient) -> None:
    for _ in range(3):
        await fhir.post("/Patient", json=patient("count"))
    for query in ("_summary=count", "_count=0"):
        bundle = (await fhir.get(f"/Patient?identifier=urn:mrn|count&{query}")).json()
        assert bundle["total"] == 3
        assert "entry" not in bundle


async def test_a_chain_follows_a_reference(fhir: httpx.AsyncClient) -> None:
    logical_id = (await fhir.post("/Patient", json=patient("chain"))).json()["id"]
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{logical_id}"},
    }
    found = (await fhir.post("/Observation", json=observation)).json()["id"]
    assert await ids(fhir, "/Observation?patient.identifier=urn:mrn|chain") == [found]
    assert await ids(fhir, "/Observation?subject:Patient.identifier=urn:mrn|none") == []


async def test_validation_reports_without_storing(fhir: httpx.AsyncClient) -> None:
    good = await fhir.post("/Patient/$validate", json=patient("v"))
    bad = await fhir.post("/Patient/$validate", json={"resourceType": "Patient", "gender": "x", "nope": 1})
    wrapped = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": {"resourceType": "Patient", "gender": "x"}}],
    }
    inside = await fhir.post("/Patient/$validate", json=wrapped)
    assert (good.status_code, bad.status_code) == (200, 200)
    assert {issue["severity"] for issue in good.json()["issue"]} <= {"information", "warning"}
    assert {issue["expression"][0] for issue in bad.json()["issue"]} == {"Patient.gender", "Patient.nope"}
    assert inside.json()["issue"][0]["expression"] == ["Patient.gender"]
    assert await ids(fhir, "/Patient?identifier=urn:mrn|v") == []


async def test_a_search_that_only_counts_always_counts(
    fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A total over the stated cost is left out of a page, but not where it is all that was asked for."""
    monkeypatch.setattr("storage.mongo.search.BOUNDED_TOTAL", 2)
    for _ in range(4):
        await fhir.post("/Patient", json=patient("bound"))
    page = (await fhir.get("/Patient?identifier=urn:mrn|bound&_count=1")).json()
    assert "total" not in page
    for query in ("_summary=count", "_count=0", "_count=1&_total=accurate"):
        assert (await fhir.get(f"/Patient?identifier=urn:mrn|bound&{query}")).json()["total"] == 4
