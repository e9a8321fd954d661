"""Whose versions a person finds in the history of a type: https://hl7.org/fhir/R4/http.html#history, ACCESS rules on top."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar

from tests.api.fhir.access_oracle import Cell, allowed
from tests.api.fhir.callers import admit, client_of
from tests.api.fhir.test_histories import walk
from tests.api.fhir.ward import PATIENTS, Json, build, callers, labelled, of_type

EVERYTHING = "user/*.cruds"


@pytest.fixture
async def ward(app: Litestar) -> AsyncIterator[tuple[Litestar, httpx.AsyncClient]]:
    admit(app, callers())
    async with client_of(app, "program") as program:
        await build(program)
        yield app, program


async def two_versions(program: httpx.AsyncClient, first: Json, second: Json) -> str:
    made = await program.post("Condition", json={**first, "id": "ignored"})
    assert made.status_code == 201, made.text
    name: str = made.json()["id"]
    answer = await program.put(f"Condition/{name}", json={**second, "id": name, "language": "de"})
    assert answer.status_code == 200, answer.text
    return name


def seen(rows: list[Json]) -> list[str]:
    return sorted(f"{row['resource']['id']}/{row['resource']['meta']['versionId']}" for row in rows)


@pytest.mark.parametrize("role", ["DOCTOR", "PATIENT"])
async def test_the_history_of_a_type_has_what_the_person_may_see_and_counts_nothing_else(
    ward: tuple[Litestar, httpx.AsyncClient], role: str
) -> None:
    app, program = ward
    expected: list[str] = []
    for patient in PATIENTS:
        for label in ("", "V"):
            body = labelled(of_type("Condition", patient), *filter(None, (label,)))
            name = await two_versions(program, body, body)
            if allowed(Cell(role, "Condition", "h", patient, label, EVERYTHING)):
                expected += [f"{name}/1", f"{name}/2"]
    assert 0 < len(expected) < 4 * len(PATIENTS)
    async with client_of(app, role) as person:
        whole = await person.get("Condition/_history?_count=100")
        assert whole.json()["total"] == len(expected)
        assert seen(whole.json()["entry"]) == sorted(expected)
        assert seen(await walk(person, "Condition/_history?_count=3")) == sorted(expected)
        assert (await person.get("Condition/_history?_count=0")).json()["total"] == len(expected)


async def test_a_version_is_seen_by_who_may_see_what_it_was_and_what_its_resource_is_now(
    ward: tuple[Litestar, httpx.AsyncClient],
) -> None:
    app, program = ward
    mine, theirs = of_type("Condition", "team"), of_type("Condition", "foreign")
    came = await two_versions(program, theirs, mine)
    went = await two_versions(program, mine, theirs)
    async with client_of(app, "DOCTOR") as doctor:
        rows = await walk(doctor, "Condition/_history?_count=100")
        assert seen(rows) == [f"{came}/2"]
        one = await doctor.get(f"Condition/{came}/_history")
        assert (seen(one.json()["entry"]), one.json()["total"]) == ([f"{came}/2"], 1)
        assert (await doctor.get(f"Condition/{went}/_history")).status_code == 404


async def test_a_deleted_resource_is_in_the_history_of_who_saw_it(ward: tuple[Litestar, httpx.AsyncClient]) -> None:
    app, program = ward
    names = {}
    for patient in ("team", "foreign"):
        body = of_type("Condition", patient)
        names[patient] = await two_versions(program, body, body)
        assert (await program.delete(f"Condition/{names[patient]}")).status_code == 204
    async with client_of(app, "DOCTOR") as doctor:
        rows = await walk(doctor, "Condition/_history?_count=100")
        assert {row["fullUrl"].rpartition("/fhir/")[2] for row in rows} == {f"Condition/{names['team']}"}
        assert [row["request"]["method"] for row in rows] == ["DELETE", "PUT", "POST"]


@pytest.mark.parametrize(
    ("role", "path"), [("NURSE", "Condition"), ("LAB_TECHNICIAN", "Condition"), ("DOCTOR", ""), ("SUPER_ADMIN", "")]
)
async def test_who_may_see_no_older_versions_gets_no_history(
    ward: tuple[Litestar, httpx.AsyncClient], role: str, path: str
) -> None:
    app, program = ward
    body = of_type("Condition", "team")
    await two_versions(program, body, body)
    async with client_of(app, role) as person:
        assert (await person.get(f"{path}/_history")).status_code == 403
