"""What comes along with the matches: https://hl7.org/fhir/R4/search.html#revinclude"""

from __future__ import annotations

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from domain.interactions import including
from tests.api.fhir.graph import ask, link, load, names

QUERIES = (
    ("Observation?code=1111-1&_include=Observation:subject", "a1 b1 d1", "anna ben pump"),
    ("Observation?code=1111-1&_include=Observation:subject:Device", "a1 b1 d1", "pump"),
    ("Observation?code=1111-1&_include=Observation:patient", "a1 b1 d1", "anna ben"),
    ("Patient?_id=anna&_revinclude=Observation:patient", "anna", "a1 a2"),
    ("Patient?_id=anna&_revinclude=Observation:*", "anna", "a1 a2"),
    ("Patient?_id=ben&_revinclude=Observation:performer&_revinclude=List:item", "ben", "d1 watch"),
    ("Observation?_id=a1&_include=*", "a1", "anna dr"),
    ("Observation?_id=a1&_include=Observation:*", "a1", "anna dr"),
    ("Observation?_id=a1,a2&_include=Observation:has-member", "a1 a2", ""),
    ("Organization?_id=low&_include=Organization:partof", "low", "mid"),
    ("Organization?_id=low&_include:iterate=Organization:partof", "low", "mid top"),
    (
        "Observation?_id=a1&_include=Observation:patient&_include:iterate=Patient:organization",
        "a1",
        "anna low",
    ),
    ("Practitioner?_id=dr&_revinclude=Patient:general-practitioner&_revinclude=Provenance:agent", "dr", "anna p1"),
    (
        "Patient?_id=anna&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target",
        "anna",
        "a1 a2 p1",
    ),
    ("Patient?_id=anna&_include=Observation:subject", "anna", ""),
)


async def test_each_comes_once_and_is_marked(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    for query, matched, included in QUERIES:
        bundle = await ask(fhir, query)
        assert (query, sorted(names(bundle))) == (query, matched.split())
        assert (query, sorted(names(bundle, "include"))) == (query, included.split())
        assert bundle["total"] == len(matched.split())
        assert query.partition("&")[2].partition("=")[0] in (link(bundle, "self") or "")


async def test_pages_bring_along_what_their_own_matches_need(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    page = await ask(fhir, "Observation?code=1111-1&_include=Observation:subject&_count=2")
    assert (names(page), sorted(names(page, "include"))) == (["a1", "b1"], ["anna", "ben"])
    page = await ask(fhir, link(page, "next") or "")
    assert (names(page), names(page, "include")) == (["d1"], ["pump"])


async def test_a_count_brings_nothing_along(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    bundle = await ask(fhir, "Patient?_id=anna&_revinclude=Observation:patient&_summary=count")
    assert (bundle["total"], "entry" in bundle) == (1, False)


async def test_parts_are_taken_of_what_comes_along_too(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    bundle = await ask(fhir, "Observation?_id=a1&_include=Observation:patient&_elements=status,name")
    observation, patient = (entry["resource"] for entry in bundle["entry"])
    assert ("subject" in observation, "name" in patient, "birthDate" in patient) == (False, True, False)
    refused = await ask(fhir, "Observation?_id=a1&_include=Observation:patient&_summary=text", 400)
    assert refused["issue"][0]["expression"] == ["_summary"]


async def test_what_the_caller_may_not_search_does_not_come_along(fhir: httpx.AsyncClient, settings: Settings) -> None:
    await load(fhir)
    narrow = f"Bearer {mint(settings, scopes='system/Observation.rs system/Practitioner.rs', lifetime_seconds=60)}"
    bundle = await ask(fhir, "Observation?_id=a1&_include=*&_revinclude=Provenance:target", authorization=narrow)
    assert (names(bundle), names(bundle, "include")) == (["a1"], ["dr"])


async def test_more_than_a_page_can_carry_is_said(fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await load(fhir)
    monkeypatch.setattr(including, "INCLUDE_LIMIT", 1)
    bundle = await ask(fhir, "Patient?_id=anna&_revinclude=Observation:patient")
    assert len(names(bundle, "include")) == 1
    (remark,) = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "outcome"]
    assert remark["issue"][0]["code"] == "too-costly"


async def test_a_deleted_resource_does_not_come_along(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    assert (await fhir.delete("/Practitioner/dr")).status_code == 204
    assert names(await ask(fhir, "Observation?_id=a1&_include=*"), "include") == ["anna"]
