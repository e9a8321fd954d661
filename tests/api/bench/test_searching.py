"""What voids a search: a wrong number of hits, a wrong total, other resources, a list that is not whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.bench.engine import Round, Wrong, measure, prepare
from api.bench.growth import PER_BUNDLE, growth_cells
from api.bench.people import CODES, Families
from api.bench.processes import CpuMeter
from api.bench.questions import Question
from api.bench.records import Records
from api.bench.searching import Search, search_cells
from api.http_client import Client
from tests.api.bench.scripted import a_server

Told = Callable[[str], tuple[int, str, bytes]]


def searchset(names: list[str], total: int | None, *, mode: str = "match", next_url: str | None = None) -> bytes:
    entries = [
        {"fullUrl": f"http://x/fhir/Patient/{name}", "resource": {"id": name, **PATIENT}, "search": {"mode": mode}}
        for name in names
    ]
    links = [{"relation": "next", "url": next_url}] if next_url else []
    return json.dumps({"resourceType": "Bundle", "total": total, "link": links, "entry": entries}).encode()


PATIENT = {"resourceType": "Patient", "name": [{"family": "Lindqvist"}]}
TWO = Question("/Patient?name=Lindqvist&_count=20", frozenset({"a", "b"}))


async def searched(body: bytes) -> Round:
    async def ask(_: Any) -> list[Question]:
        return [TWO]

    async with a_server(lambda request: (200, "", body)) as base, Client(base, connections=2) as client:
        cell = Search("search_name", ask)
        await prepare(cell, client)
        return await measure(cell, client, 2, warmup=0, seconds=0.1, meter=CpuMeter([]))


async def test_the_right_hits_make_a_figure() -> None:
    measured = await searched(searchset(["a", "b"], 2))
    assert measured.wrong == {}
    assert measured.resources == 2 * measured.requests


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (searchset(["a"], 2), "wrong hits /Patient?name"),
        (searchset(["a", "b"], 3), "wrong hits /Patient?name"),
        (searchset(["a", "b"], 2, mode="include"), "wrong hits /Patient?name"),
        (searchset(["a", "c"], 2), "other resources /Patient?name"),
    ],
)
async def test_wrong_hits_totals_modes_and_resources_are_counted(body: bytes, wrong: str) -> None:
    assert (await searched(body)).wrong[wrong] > 0


def pages(request: str, total: int) -> bytes:
    if "_summary=count" in request:
        return searchset([], total)
    if "_page" in request:
        return searchset(["c"], None)
    return searchset(["a", "b"], None, next_url="http://elsewhere/fhir/Patient?_page=2")


async def test_hits_are_counted_in_all_pages_of_a_list() -> None:
    async with a_server(lambda request: (200, "", pages(request, 3))) as base, Client(base) as client:
        cell = search_cells(Records(filled=True))["search_name"]
        await prepare(cell, client)
        (question,) = cell._questions  # type: ignore[attr-defined]
    assert question == Question("/Patient?name=Lindqvist&_count=20", frozenset({"a", "b", "c"}))


async def test_a_list_that_is_not_whole_cannot_be_counted() -> None:
    async with a_server(lambda request: (200, "", pages(request, 4))) as base, Client(base) as client:
        with pytest.raises(Wrong, match="Patient listed 3 of 4"):
            await prepare(search_cells(Records(filled=True))["search_name"], client)


async def test_growth_stores_each_size_once_and_knows_its_hits() -> None:
    stored: list[str] = []

    def answer(request: str) -> tuple[int, str, bytes]:
        assert request.startswith("POST")
        body, count = twin.bundle(PER_BUNDLE, observed=True)
        entries = [
            {"response": {"location": f"{entry['resource']['resourceType']}/i{len(stored)}-{number}/_history/1"}}
            for number, entry in enumerate(json.loads(body)["entry"])
        ]
        assert len(entries) == count
        stored.append(body.decode())
        return 200, "", json.dumps({"entry": entries}).encode()

    twin = Families()
    cells = growth_cells(sizes=(200, 400))
    async with a_server(answer) as base, Client(base) as client:
        for name, bundles in (("200/search_name", 2), ("200/search_obs", 2), ("400/search_obs", 4)):
            await prepare(cells[f"growth/{name}"], client)
            assert len(stored) == bundles
        names = cells["growth/200/search_name"]._questions  # type: ignore[attr-defined]
        pairs = cells["growth/400/search_obs"]._questions  # type: ignore[attr-defined]
    assert {len(question.ids) for question in names} == {2, 3, 4, 5}
    assert {len(question.ids) for question in pairs} == {2}
    assert any(CODES[0] in question.path for question in pairs)
