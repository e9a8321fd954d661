"""Many clients, two worker processes, one resource: exactly one wins, or all do, one after another.

https://hl7.org/fhir/R4/http.html#concurrency, https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from tests.journeys.load import SYSTEM, chart, marked
from tests.journeys.processes import Served

AT_ONCE = 50
TRANSACTIONS = 16


async def together(served: Served, count: int, send: Callable[[httpx.AsyncClient, int], Any]) -> list[httpx.Response]:
    """The answers to `count` requests at the same time, on connections of their own so that both workers get some."""
    async with served.client() as client:
        return list(await asyncio.gather(*(send(client, number) for number in range(count))))


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


async def found(served: Served, mark: str) -> list[dict[str, Any]]:
    async with served.client() as client:
        answer = await client.get("Patient", params={"identifier": f"{SYSTEM}|{mark}"})
        return [entry["resource"] for entry in answer.json().get("entry", [])]


async def versions(served: Served, name: str) -> list[int]:
    """The versions in the history of a resource, newest first, each with its content."""
    async with served.client() as client:
        entries = (await client.get(f"{name}/_history", params={"_count": 200})).json()["entry"]
    return [int(entry["resource"]["meta"]["versionId"]) for entry in entries]


async def test_one_of_50_updates_of_the_same_version_wins(two_workers: Served) -> None:
    name = f"Patient/{secrets.token_hex(8)}"

    def put(client: httpx.AsyncClient, number: int) -> Any:
        body = marked("Patient", f"{name}-{number}", id=name.partition("/")[2])
        return client.put(name, json=body, headers={"if-match": 'W/"1"'} if number else {})

    assert statuses(await together(two_workers, 1, put)) == {201: 1}
    answers = await together(two_workers, AT_ONCE, lambda client, number: put(client, number + 1))
    assert statuses(answers) == {200: 1, 412: AT_ONCE - 1}
    assert all(answer.json()["resourceType"] == "OperationOutcome" for answer in answers if answer.status_code == 412)
    assert await versions(two_workers, name) == [2, 1]


async def test_50_updates_that_name_no_version_make_50_versions(two_workers: Served) -> None:
    name = f"Patient/{secrets.token_hex(8)}"
    answers = await together(
        two_workers,
        AT_ONCE,
        lambda client, number: client.put(name, json=marked("Patient", f"{number}", id=name.partition("/")[2])),
    )
    assert statuses(answers) == {201: 1, 200: AT_ONCE - 1}
    assert sorted(int(answer.headers["etag"][3:-1]) for answer in answers) == list(range(1, AT_ONCE + 1))
    assert await versions(two_workers, name) == list(range(AT_ONCE, 0, -1))


async def test_50_conditional_creates_of_one_identifier_make_one_resource(two_workers: Served) -> None:
    mark = secrets.token_hex(8)
    condition = {"if-none-exist": f"identifier={SYSTEM}|{mark}"}
    answers = await together(
        two_workers, AT_ONCE, lambda client, _: client.post("Patient", json=marked("Patient", mark), headers=condition)
    )
    assert statuses(answers) == {201: 1, 200: AT_ONCE - 1}
    (patient,) = await found(two_workers, mark)
    assert {answer.json()["id"] for answer in answers} == {patient["id"]}


async def test_16_transactions_that_each_create_it_make_one_resource(two_workers: Served) -> None:
    mark = secrets.token_hex(8)

    def send(client: httpx.AsyncClient, number: int) -> Any:
        bundle = chart(f"{mark}-{number}", 1)
        bundle["entry"][0]["resource"] = marked("Patient", mark)
        bundle["entry"][0]["request"]["ifNoneExist"] = f"identifier={SYSTEM}|{mark}"
        return client.post("", json=bundle)

    answers = await together(two_workers, TRANSACTIONS, send)
    assert statuses(answers) == {200: TRANSACTIONS}
    first = Counter(answer.json()["entry"][0]["response"]["status"][:3] for answer in answers)
    assert first == {"201": 1, "200": TRANSACTIONS - 1}
    (patient,) = await found(two_workers, mark)
    async with two_workers.client() as client:
        about = await client.get("Observation", params={"subject": f"Patient/{patient['id']}"})
    assert about.json()["total"] == TRANSACTIONS
