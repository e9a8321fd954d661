"""`Patient/$everything`, `Observation/$lastn` and `Patient/$match` through HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.fhir.graph import LOINC, ask, link, load, names, observation

Json = dict[str, Any]


async def record(fhir: httpx.AsyncClient) -> None:
    """Anna's record: observations over some years, one of them changed since."""
    await load(fhir)
    years = [
        observation(f"y{year}", "3333-3", "Patient/anna", effectiveDateTime=str(year)) for year in range(2010, 2020)
    ]
    await load(fhir, years)


def everything_of(bundle: Json) -> list[str]:
    return [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle.get("entry", [])]


async def test_everything_is_the_patient_its_compartment_and_what_that_points_at(fhir: httpx.AsyncClient) -> None:
    await record(fhir)
    found = everything_of(await ask(fhir, "Patient/anna/$everything"))
    assert found[:4] == ["Patient/anna", "Condition/cough", "Encounter/visit", "Observation/a1"]
    assert set(found[-2:]) == {"Organization/low", "Practitioner/dr"}
    assert len(found) == len(set(found)) == 17
    posted = await fhir.post("/Patient/anna/$everything", json={"resourceType": "Parameters"})
    assert everything_of(posted.json()) == found


async def test_pages_of_everything_hold_the_record_once_while_it_is_written(fhir: httpx.AsyncClient) -> None:
    await record(fhir)
    url: str | None = "Patient/anna/$everything?_count=3"
    found: list[str] = []
    while url is not None:
        page = await ask(fhir, url)
        found += [name for name in everything_of(page) if not name.startswith(("Organization", "Practitioner"))]
        await load(fhir, [observation(f"y201{len(found) % 10}", "4444-4", "Patient/anna", effectiveDateTime="2020")])
        url = link(page, "next")
    assert len(found) == len(set(found)) == 15
    assert found == ["Patient/anna", *sorted(found[1:])]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("_type=Observation&start=2012&end=2013-06", {"y2012", "y2013", "a1", "a2"}),
        ("_type=Observation&start=2019", {"y2019", "a1", "a2"}),
        ("_type=Practitioner", set()),
        ("_type=Patient,Organization", {"anna", "low"}),
        ("_since=2999", set()),
        ("_type=Condition&_since=2001", {"cough"}),
    ],
)
async def test_everything_is_narrowed(fhir: httpx.AsyncClient, parameters: str, expected: set[str]) -> None:
    await record(fhir)
    assert set(names(await ask(fhir, f"Patient/anna/$everything?{parameters}"))) == expected


async def test_everything_of_nobody_or_for_nobody(fhir: httpx.AsyncClient, settings: Settings) -> None:
    await record(fhir)
    for url, status in (
        ("Patient/nobody/$everything", 404),
        ("Observation/a1/$everything", 404),
        ("Patient/anna/$everything?bogus=1", 400),
        ("Patient/anna/$everything?_type=Bogus", 400),
        ("Patient/anna/$everything?start=yesterday", 400),
    ):
        assert (url, (await fhir.get(url)).status_code) == (url, status)
    few = f"Bearer {mint(settings, scopes='system/Patient.rs system/Condition.rs', lifetime_seconds=60)}"
    assert names(await ask(fhir, "Patient/anna/$everything", authorization=few)) == ["anna", "cough"]
    none = f"Bearer {mint(settings, scopes='system/Observation.rs', lifetime_seconds=60)}"
    await ask(fhir, "Patient/anna/$everything", 403, authorization=none)


async def test_lastn_gives_the_newest_of_each_kind(fhir: httpx.AsyncClient) -> None:
    await record(fhir)
    both = observation("m1", "3333-3", "Patient/anna", effectiveDateTime="2021-05-01")
    both["code"]["coding"].append({"system": "urn:local", "code": "pulse"})
    local = observation("m2", "x", "Patient/anna", effectiveDateTime="2021-06-01")
    local["code"] = {"coding": [{"system": "urn:local", "code": "pulse"}]}
    await load(fhir, [both, local])
    assert names(await ask(fhir, "Observation/$lastn?patient=anna")) == ["m2", "a1", "a2"]
    assert names(
        await ask(fhir, f"Observation/$lastn?max=3&subject=Patient/anna&code={LOINC}|3333-3,urn:local|pulse")
    ) == [
        "m2",
        "m1",
        "y2019",
    ]
    assert names(await ask(fhir, "Observation/$lastn?patient=nobody")) == []
    for query in ("Observation/$lastn?code=1111-1", "Observation/$lastn?patient=anna&max=0"):
        await ask(fhir, query, 400)
    await ask(fhir, "Patient/$lastn?patient=anna", 404)


PERSON: Json = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:mrn", "value": "77"}],
    "name": [{"family": "Müller", "given": ["Jörg"]}],
    "gender": "male",
    "birthDate": "1970-03-01",
    "telecom": [{"system": "phone", "value": "+41 44 123 45 67"}],
}


async def matched(fhir: httpx.AsyncClient, patient: Json, **more: Any) -> list[tuple[str, float, str]]:
    rows = [{"name": "resource", "resource": {"resourceType": "Patient", **patient}}]
    rows += [{"name": name, "valueBoolean" if isinstance(v, bool) else "valueInteger": v} for name, v in more.items()]
    answer = await fhir.post("/Patient/$match", json={"resourceType": "Parameters", "parameter": rows})
    assert answer.status_code == 200, answer.text
    entries = [(e["resource"]["id"], e["search"]) for e in answer.json().get("entry", [])]
    return [(name, found["score"], found["extension"][0]["valueCode"]) for name, found in entries]


async def test_match_grades_candidates_best_first(fhir: httpx.AsyncClient) -> None:
    twin = {**PERSON, "identifier": [{"system": "urn:mrn", "value": "78"}], "id": "twin"}
    other = {k: v for k, v in PERSON.items() if k not in ("identifier", "telecom")} | {
        "id": "other",
        "birthDate": "1991",
    }
    await load(fhir, [{**PERSON, "id": "jm"}, twin, other])
    same = await matched(fhir, PERSON)
    assert [(name, grade) for name, _, grade in same] == [("jm", "certain"), ("twin", "possible")]
    assert [score for _, score, _ in same] == sorted((score for _, score, _ in same), reverse=True)
    unknown = {k: v for k, v in PERSON.items() if k != "identifier"}
    spelled = {**unknown, "name": [{"family": "MULLER", "given": ["jorg"]}]}
    assert [(name, grade) for name, _, grade in await matched(fhir, spelled)] == [
        ("jm", "probable"),
        ("twin", "probable"),
    ]
    assert await matched(fhir, PERSON, onlyCertainMatches=True) == [("jm", 1.0, "certain")]
    assert await matched(fhir, spelled, onlyCertainMatches=True) == []
    assert len(await matched(fhir, PERSON, count=1)) == 1


async def test_match_refuses_what_finds_nobody(fhir: httpx.AsyncClient) -> None:
    for body in (
        {"resourceType": "Parameters"},
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": {"resourceType": "Patient"}}]},
        {"resourceType": "Parameters", "parameter": [{"name": "bogus", "valueString": "x"}]},
    ):
        answer = await fhir.post("/Patient/$match", json=body)
        assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")


async def test_the_capability_statement_names_the_operations(fhir: httpx.AsyncClient) -> None:
    (rest,) = (await ask(fhir, "metadata"))["rest"]
    by_type = {row["type"]: {op["name"]: op["definition"] for op in row["operation"]} for row in rest["resource"]}
    assert by_type["Patient"]["everything"] == "http://hl7.org/fhir/OperationDefinition/Patient-everything"
    assert by_type["Patient"]["match"] == "http://hl7.org/fhir/OperationDefinition/Patient-match"
    assert by_type["Observation"]["lastn"] == "http://hl7.org/fhir/OperationDefinition/Observation-lastn"
