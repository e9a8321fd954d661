"""Histories through HTTP: https://hl7.org/fhir/R4/http.html#history."""

from typing import Any

import httpx
import pytest


async def put(fhir: httpx.AsyncClient, name: str, /, **content: object) -> httpx.Response:
    kind, logical_id = name.split("/")
    answer = await fhir.put(f"/{name}", json={"resourceType": kind, "id": logical_id, **content})
    assert answer.status_code in (200, 201), answer.text
    return answer


async def walk(fhir: httpx.AsyncClient, url: str) -> list[dict[str, Any]]:
    """Every entry over all pages."""
    rows: list[dict[str, Any]] = []
    following: str | None = url
    while following is not None:
        answer = await fhir.get(following)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        assert bundle["type"] == "history"
        rows += bundle.get("entry", [])
        following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return rows


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['request']['method']} {row['request']['url']} {row['response']['etag']}" for row in rows]


async def test_type_and_system_history_are_newest_first(fhir: httpx.AsyncClient) -> None:
    await put(fhir, "Patient/a")
    await put(fhir, "Organization/o", name="x")
    await put(fhir, "Patient/b")
    await put(fhir, "Patient/a", active=True)
    await fhir.delete("/Patient/b")
    patients = ['DELETE Patient/b W/"2"', 'PUT Patient/a W/"2"', 'PUT Patient/b W/"1"', 'PUT Patient/a W/"1"']
    assert names(await walk(fhir, "/Patient/_history")) == patients
    assert names(await walk(fhir, "/_history")) == [*patients[:3], 'PUT Organization/o W/"1"', patients[3]]


@pytest.mark.parametrize("count", [1, 2, 3, 100])
async def test_pages_of_a_history_hold_everything_once(fhir: httpx.AsyncClient, count: int) -> None:
    for turn in range(5):
        await put(fhir, "Patient/a", multipleBirthInteger=turn)
    assert names(await walk(fhir, f"/Patient/a/_history?_count={count}")) == [
        f'PUT Patient/a W/"{version}"' for version in (5, 4, 3, 2, 1)
    ]


async def test_a_history_can_be_bounded_in_time(fhir: httpx.AsyncClient) -> None:
    first = (await put(fhir, "Patient/a")).json()["meta"]["lastUpdated"]
    second = (await put(fhir, "Patient/a", active=True)).json()["meta"]["lastUpdated"]
    assert names(await walk(fhir, f"/Patient/a/_history?_since={second}")) == ['PUT Patient/a W/"2"']
    assert names(await walk(fhir, f"/Patient/a/_history?_at={first}")) == ['PUT Patient/a W/"1"']
    assert names(await walk(fhir, "/Patient/a/_history?_at=2020")) == []


@pytest.mark.parametrize("query", ["_since=yesterday", "_at=x", "_count=-1", "_count=x", "_page=AAAA"])
async def test_a_bad_bound_is_refused(fhir: httpx.AsyncClient, query: str) -> None:
    await put(fhir, "Patient/a")
    answer = await fhir.get(f"/Patient/a/_history?{query}")
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"
