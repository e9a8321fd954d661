"""Searches by what is linked: https://hl7.org/fhir/R4/search.html#chaining, #has, #list"""

from __future__ import annotations

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from domain.interactions import links
from storage.mongo import planning
from tests.api.fhir.graph import ask, load, names, observation

QUERIES = (
    ("Observation?patient.gender=female", "a1 a2"),
    ("Observation?patient.gender:not=female", "b1 c1"),
    ("Observation?subject:Patient.name=brook", "b1"),
    ("Observation?subject.identifier=same", "c1 d1"),
    ("Observation?subject.identifier=same&code=1111-1", "d1"),
    ("Observation?patient.organization.name=gastro", "a1 a2"),
    ("Observation?patient.organization.partof.name=middle", "a1 a2"),
    ("Observation?patient._id=ben", "b1"),
    ("Observation?patient._has:Encounter:patient:status=finished", "a1 a2"),
    ("Observation?patient.name=nobody", ""),
    ("Patient?_has:Observation:patient:code=1111-1", "anna ben"),
    ("Patient?_has:Observation:subject:code=http://loinc.org|1111-1&gender=male", "ben"),
    ("Patient?_has:Observation:performer:code=1111-1", "ben"),
    ("Patient?_has:Observation:patient:_has:Provenance:target:_id=p1", "anna"),
    ("Patient?_has:Observation:patient:code=1111-1&_has:Observation:patient:code=2222-2", "anna"),
    ("Patient?_has:Observation:patient:performer.name=careful", "anna"),
    ("Practitioner?_has:Patient:general-practitioner:gender=female", "dr"),
    ("Organization?_has:Organization:partof:name=gastro", "mid"),
    ("Patient?_list=watch", "ben cat"),
    ("Patient?_list=watch&gender=male", "ben"),
    ("Observation?_list=watch", "b1"),
    ("Patient?_list=nothing", ""),
)


async def test_what_is_linked_selects(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    for query, expected in QUERIES:
        bundle = await ask(fhir, query, prefer="handling=strict")
        assert (query, sorted(names(bundle))) == (query, expected.split())
        assert bundle["total"] == len(expected.split())


async def test_what_leads_through_thousands_finds_the_same(
    fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(fhir)
    monkeypatch.setattr(links, "OPENED_LIMIT", 1)
    monkeypatch.setattr(planning, "MOST_MERGED", 1)
    for query, expected in QUERIES:
        assert (query, sorted(names(await ask(fhir, query)))) == (query, expected.split())


async def test_a_performer_is_not_taken_for_the_patient_a_foreign_record_is_about(fhir: httpx.AsyncClient) -> None:
    foreign = observation(
        "f1", "9999-9", "https://other.example/fhir/Patient/x", performer=[{"reference": "Patient/ben"}]
    )
    await load(fhir)
    await load(fhir, [foreign])
    assert names(await ask(fhir, "Patient?_has:Observation:patient:code=9999-9")) == []
    assert names(await ask(fhir, "Patient?_has:Observation:performer:code=9999-9")) == ["ben"]


async def test_a_chain_that_leads_through_too_much_is_refused_by_name(
    fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(fhir)
    monkeypatch.setattr(links, "CHAIN_LIMIT", 1)
    for query in ("Observation?patient.name:missing=false", "Patient?_has:Observation:patient:code=1111-1"):
        outcome = await ask(fhir, query, 400)
        assert outcome["issue"][0]["code"] == "too-costly"
        assert outcome["issue"][0]["expression"] in (["patient"], ["_has"])


async def test_nobody_asks_through_a_chain_about_what_they_may_not_search(
    fhir: httpx.AsyncClient, settings: Settings
) -> None:
    await load(fhir)
    narrow = f"Bearer {mint(settings, scopes='system/Observation.rs system/Device.rs', lifetime_seconds=60)}"
    await ask(fhir, "Observation?patient.gender=female", 403, authorization=narrow)
    await ask(fhir, "Device?_has:Patient:link:gender=female", 400, authorization=narrow)
    found = await ask(fhir, "Observation?subject.identifier=same", authorization=narrow)
    assert names(found) == ["d1"]
    await ask(fhir, "Observation?_list=watch", 403, authorization=narrow)


async def test_a_conditional_write_may_use_a_chain(fhir: httpx.AsyncClient) -> None:
    await load(fhir)
    answer = await fhir.delete("/Observation?patient.identifier=urn:mrn|A1&code=2222-2")
    assert answer.status_code == 204
    assert sorted(names(await ask(fhir, "Observation?patient=anna"))) == ["a1"]
