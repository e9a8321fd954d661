"""One of 100 patients is erased while clients page through all of them: nobody's page fails, and nothing of him is left.

https://eur-lex.europa.eu/eli/reg/2016/679/oj#art_17; the delay is the setting `key_cache_seconds`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from tests.journeys.evidence import Admin
from tests.journeys.load import chart
from tests.journeys.processes import Served

PATIENTS, OBSERVATIONS = 100, 5
KEY_CACHE_SECONDS = 2.0
GRACE_SECONDS = 0.5

Json = dict[str, Any]


async def load(client: httpx.AsyncClient) -> None:
    waiting = iter(range(PATIENTS))

    async def send() -> None:
        for number in waiting:
            bundle = chart(f"erasure-{number}", OBSERVATIONS)
            bundle["entry"][0]["resource"]["name"] = [{"family": f"Quetzal{number:03d}"}]
            assert (await client.post("", json=bundle)).status_code == 200

    await asyncio.gather(*(send() for _ in range(4)))


async def pages(client: httpx.AsyncClient, url: str) -> AsyncIterator[Json]:
    """Every page from `url` on, by its links. None may fail."""
    following: str | None = url
    while following is not None:
        answer = await client.get(following)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield page
        following = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)


class Pager:
    """A client that pages through a search from beginning to end, again and again."""

    def __init__(self, client: httpx.AsyncClient, url: str, others: set[str]) -> None:
        self._client, self._url, self._others = client, url, others
        self.rounds = 0
        self.over = False

    async def run(self) -> None:
        while not self.over:
            seen: list[str] = []
            async for page in pages(self._client, self._url):
                for entry in page.get("entry", ()):
                    if entry["search"]["mode"] == "match":
                        seen.append(entry["resource"]["id"])
                    else:
                        assert entry["resource"]["issue"][0]["code"] == "deleted"
            assert len(seen) == len(set(seen))
            assert self._others <= set(seen)
            self.rounds += 1


async def require_gone(client: httpx.AsyncClient, names: list[str], family: str) -> None:
    """Each answers 410 on read, vread and history; asked often enough to meet both workers."""
    urls = [url for name in names for url in (name, f"{name}/_history/1", f"{name}/_history")]
    answers = await asyncio.gather(*(client.get(url) for url in urls for _ in range(6)))
    assert {str(answer.url): answer.status_code for answer in answers if answer.status_code != 410} == {}
    assert not [answer.url for answer in answers if family in answer.text]


async def test_erasing_one_of_100_patients_fails_no_page_and_leaves_nothing_of_him(
    serve_two: Callable[..., Served], mongo_admin: Admin
) -> None:
    served = serve_two(key_cache_seconds=str(KEY_CACHE_SECONDS))
    keys = mongo_admin[f"{served.database}_keys"]["patient_keys"]
    async with served.client() as client:
        await load(client)
        all_of = {
            kind: {name async for page in pages(client, f"{kind}?_count=1000") for name in ids(page)}
            for kind in ("Patient", "Observation")
        }
        assert len(all_of["Patient"]) == PATIENTS
        patient = sorted(all_of["Patient"])[41]
        chart = (await client.get("Observation", params={"patient": f"Patient/{patient}", "_count": 1000})).json()
        family = (await client.get(f"Patient/{patient}")).json()["name"][0]["family"]
        his = set(ids(chart))
        assert his
        pagers = [
            Pager(client, "Patient?_count=7", all_of["Patient"] - {patient}),
            Pager(client, "Observation?_count=20", all_of["Observation"] - his),
        ]
        paging = [asyncio.create_task(pager.run()) for pager in pagers]
        erasing = asyncio.create_task(
            asyncio.to_thread(served.command, "erase", patient, "--reason", "asked for", "--yes")
        )
        while not keys.find_one({"_id": f"Patient/{patient}", "erased": {"$ne": None}}):
            await asyncio.sleep(0.05)
        destroyed = time.monotonic()
        await asyncio.sleep(KEY_CACHE_SECONDS + GRACE_SECONDS)
        gone = [f"Patient/{patient}", *(f"Observation/{name}" for name in sorted(his)[:3])]
        await require_gone(client, gone, family)
        print(f"gone {time.monotonic() - destroyed:.1f} s after the key")
        erased = await erasing
        assert erased.returncode == 0, erased.stderr
        for pager in pagers:
            pager.over = True
        await asyncio.gather(*paging)
        print(f"rounds: {[pager.rounds for pager in pagers]}")
        await require_gone(client, gone, family)
        remembered = {
            entry["resource"]["id"]
            async for page in pages(client, "Patient/_history?_count=50")
            for entry in page["entry"]
            if "resource" in entry
        }
        assert remembered == all_of["Patient"] - {patient}
        assert (await client.get("Patient", params={"_id": patient})).json()["total"] == 0
    verified = served.command("verify")
    assert verified.returncode == 0, verified.stdout


def ids(page: Json) -> list[str]:
    return [entry["resource"]["id"] for entry in page.get("entry", ()) if entry["search"]["mode"] == "match"]
