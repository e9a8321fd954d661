"""Paging while others write: https://hl7.org/fhir/R4/http.html#paging. Nothing unchanged is missed or doubled.

`CHARTVAULT_PAGED` sets the number of matches (2,000 unless told; 10,000 in the full run).
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import Any

import httpx
import pytest

from api import sealed_tokens
from tests.api.fhir.graph import ask, link, load, names

pytestmark = pytest.mark.slow

MATCHES = int(os.environ.get("CHARTVAULT_PAGED", "2000"))
WRITERS = 4
CODE = {"coding": [{"system": "urn:paged", "code": "x"}]}
Json = dict[str, Any]


def basic(name: str, **more: Any) -> Json:
    return {"resourceType": "Basic", "id": name, "code": CODE, **more}


class Writer:
    """Creates, changes and deletes its own share until told to stop; `touched` is what it changed or deleted."""

    def __init__(self, fhir: httpx.AsyncClient, share: list[str], seed: int) -> None:
        self._fhir = fhir
        self._share = share
        self._random = random.Random(seed)
        self.touched: set[str] = set()
        self.writes = 0

    async def run(self, over: asyncio.Event) -> None:
        while not over.is_set():
            kind, name = self._random.choice("cud"), self._random.choice(self._share)
            if kind == "c":
                answer = await self._fhir.post("/Basic", json=basic("x"))
            elif kind == "u":
                self.touched.add(name)
                answer = await self._fhir.put(f"/Basic/{name}", json=basic(name, created=f"20{self.writes % 90 + 10}"))
            else:
                self.touched.add(name)
                answer = await self._fhir.delete(f"/Basic/{name}")
            assert answer.status_code in (200, 201, 204), answer.text
            self.writes += 1


async def pages(fhir: httpx.AsyncClient, url: str, writers: list[Writer]) -> list[str]:
    """The ids of all pages; between any two of them at least one write is done, however fast the machine is."""
    found: list[str] = []
    following: str | None = url
    while following is not None:
        before = sum(writer.writes for writer in writers)
        page = await ask(fhir, following)
        while sum(writer.writes for writer in writers) == before:
            await asyncio.sleep(0.001)
        found += names(page)
        following = link(page, "next")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["", "&_sort=_id", "&_sort=-_lastUpdated", "&_sort=_lastUpdated"])
async def test_nothing_unchanged_is_missed_or_doubled_while_four_write(
    fhir: httpx.AsyncClient, sort: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = [f"b{number:05d}" for number in range(MATCHES)]
    for start in range(0, MATCHES, 500):
        await load(fhir, [basic(name) for name in stored[start : start + 500]])
    changing = stored[::5]
    writers = [Writer(fhir, changing[number::WRITERS], number) for number in range(WRITERS)]
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:  # a writer that fails ends the reading, which waits for writes
        for writer in writers:
            group.create_task(writer.run(over))
        found = Counter(await pages(fhir, f"Basic?code=urn:paged|x&_count=50{sort}", writers))
        over.set()
    touched = set[str]().union(*(writer.touched for writer in writers))
    unchanged = set(stored) - touched
    writes = sum(writer.writes for writer in writers)
    with capsys.disabled():
        print(f"\npaged {MATCHES}{sort or ' by default'}: {writes} writes meanwhile, {len(touched)} resources touched")
    assert writes >= MATCHES // 50 * 4 // 5
    assert len(unchanged) >= 0.8 * MATCHES
    assert {name: found[name] for name in unchanged if found[name] != 1} == {}
    if "_lastUpdated" not in sort:
        assert {name: times for name, times in found.items() if times > 1} == {}


async def test_an_altered_link_is_bad_and_an_expired_one_gone(
    fhir: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(fhir, [basic("b1"), basic("b2"), basic("b3")])
    following = link(await ask(fhir, "Basic?_count=1"), "next") or ""
    assert names(await ask(fhir, following)) == ["b2"]
    for position in range(len(following) - 40, len(following), 7):
        other = "A" if following[position] != "A" else "B"
        await ask(fhir, following[:position] + other + following[position + 1 :], 400)
    monkeypatch.setattr(sealed_tokens, "LIFETIME_SECONDS", -1)
    expired = link(await ask(fhir, "Basic?_count=1"), "next") or ""
    assert (await ask(fhir, expired, 410))["resourceType"] == "OperationOutcome"
    monkeypatch.undo()
    assert names(await ask(fhir, following)) == ["b2"]
