"""Searches in a compartment and in the whole system: https://hl7.org/fhir/R4/http.html#search"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.fhir.graph import ask, link, load, names

FORM = {"content-type": "application/x-www-form-urlencoded"}
FOUND = (
    ("Patient/anna/Observation", "a1 a2"),
    ("Patient/anna/Observation?code=1111-1", "a1"),
    ("Patient/ben/Observation", "b1 d1"),
    ("Patient/nobody/Observation", ""),
    ("Patient/anna/Patient", "anna"),
    ("Patient/anna/Condition?code:missing=true", ""),
    ("Encounter/visit/Condition", "cough"),
    ("Encounter/visit/Encounter", "visit"),
    ("Practitioner/dr/Observation", "a1"),
    ("Practitioner/dr/Patient", "anna"),
    ("Device/pump/Observation", "d1"),
    ("Patient/anna/*", "a1 a2 anna cough visit"),
    ("Device/pump/*?_lastUpdated=gt2000", "d1 pump"),
    ("Patient/anna/*?_id=a1", "a1"),
    ("?_type=Patient,Device", "anna ben cat pump"),
    ("?_type=Patient,Practitioner&name=careful", "dr"),
    ("?_type=Patient,Device&identifier=same", "cat pump"),
    ("?_type=Organization&name=gastro&_include=Organization:partof", "low"),
)


async def test_only_what_belongs_there_is_found(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    for query, expected in FOUND:
        bundle = await ask(fhir, query)
        assert (query, sorted(names(bundle))) == (query, expected.split())
        assert (query, bundle["total"]) == (query, len(expected.split()))
        path, _, pairs = query.partition("?")
        posted = await fhir.post(f"/{path}/_search" if path else "/_search", content=pairs, headers=FORM)
        assert (query, names(posted.json())) == (query, names(bundle))


@pytest.mark.parametrize("sort", ["", "&_sort=_lastUpdated", "&_sort=-_lastUpdated"])
async def test_pages_over_several_types_hold_everything_once_and_in_order(fhir: httpx.AsyncClient, sort: str) -> None:
    await load(fhir)
    await fhir.put("/Patient/ben", json={"resourceType": "Patient", "id": "ben", "active": True})
    whole = await ask(fhir, f"?_type=Patient,Observation,Device,Slot&_count=100{sort}")
    for count in (1, 3, 9):
        page: dict[str, Any] = await ask(fhir, f"?_type=Patient,Observation,Device,Slot&_count={count}{sort}")
        found, pages = names(page), 1
        assert page["total"] == 9
        while (following := link(page, "next")) is not None:
            page = await ask(fhir, following)
            assert len(names(page)) in range(1, count + 1)
            found, pages = found + names(page), pages + 1
        assert (found, pages) == (names(whole), -(-9 // count))
    if sort:
        position = names(whole).index("ben")
        assert position == (0 if "-" in sort else 8)


async def test_what_has_no_one_meaning_for_all_types_is_refused(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    for query, status in (
        ("?name=x", 400),
        ("?_type=Nothing", 400),
        ("?_type=Patient,Device&birthdate:missing=true", 400),
        ("Patient/anna/Organization", 400),
        ("Organization/low/Patient", 404),
        ("Patient/anna/Nothing", 404),
        ("Patient/a b/Observation", 400),
    ):
        assert (query, (await fhir.get(query)).status_code) == (query, status)


async def test_a_batch_searches_in_every_way(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    urls = [
        "Patient/anna/Observation",
        "Patient/anna/*?_count=2",
        "?_type=Device",
        "Observation?subject.identifier=same",
    ]
    urls += ["Patient?_has:Observation:patient:code=2222-2&_revinclude=Condition:patient"]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    for kind in ("batch", "transaction"):
        answer = await fhir.post("/", json={"resourceType": "Bundle", "type": kind, "entry": entries})
        assert answer.status_code == 200, answer.text
        rows = [entry["resource"] for entry in answer.json()["entry"]]
        assert [len(row["entry"]) for row in rows] == [2, 2, 1, 2, 3]


async def test_types_the_caller_may_not_search_are_left_out(fhir: httpx.AsyncClient, settings: Settings) -> None:
    await load(fhir)
    narrow = f"Bearer {mint(settings, scopes='system/Observation.rs', lifetime_seconds=60)}"
    assert names(await ask(fhir, "Patient/anna/*", authorization=narrow)) == ["a1", "a2"]
    await ask(fhir, "?_type=Patient,Device", 403, authorization=narrow)
    await ask(fhir, "Patient/anna/Condition", 403, authorization=narrow)


async def test_a_page_link_works_only_where_it_was_written(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    following = link(await ask(fhir, "Patient/anna/Observation?_count=1"), "next") or ""
    assert names(await ask(fhir, following)) == ["a2"]
    await ask(fhir, following.replace("anna", "ben"), 400)
    await ask(fhir, following.replace("Patient/anna/Observation", "Observation"), 400)
