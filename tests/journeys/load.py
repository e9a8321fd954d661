"""Concurrent clients that write, lose their server, and try again with the same Idempotency-Key until they are told.

Every write carries a mark in `identifier`, which the checker finds again. What a client sends is drawn from a seeded
generator, so that a failure can be repeated as far as time allows.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from typing import Any

import httpx

from tests.journeys.acknowledged import Attempt

GIVE_UP_SECONDS = 120.0
SYSTEM = "urn:journeys:mark"
SHARED = [f"Patient/shared-{number}" for number in range(4)]
_AGAIN = frozenset({409, 502, 503, 504})
"""Answers after which the same request is sent again: 409 says that nothing was stored."""

Json = dict[str, Any]


def marked(kind: str, mark: str, **more: Any) -> Json:
    return {"resourceType": kind, "identifier": [{"system": SYSTEM, "value": mark}], **more}


def observed(mark: str, subject: str) -> Json:
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    return marked("Observation", mark, status="final", code=code, subject={"reference": subject})


def posting(resource: Json, full_url: str | None = None) -> Json:
    entry: Json = {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
    return {"fullUrl": full_url, **entry} if full_url else entry


def chart(mark: str, observations: int) -> Json:
    """A transaction that creates a patient with observations, all with one mark."""
    patient = "urn:uuid:00000000-0000-4000-8000-000000000001"
    entries = [posting(marked("Patient", mark), patient)]
    entries += [posting(observed(mark, patient)) for _ in range(observations)]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


class Load:
    """Clients of one server. `attempts` grows while they work; `surprises` are answers that must not happen."""

    def __init__(self, client: httpx.AsyncClient, seed: int, observations: int = 3) -> None:
        self.client = client
        self.attempts: list[Attempt] = []
        self.surprises: list[str] = []
        self.retries: Counter[str] = Counter()
        self.longest_seconds = 0.0
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._observations = observations
        self._conditional: dict[str, set[str]] = {}
        self._name = f"{seed:x}"
        self._over = asyncio.Event()

    async def run(self, clients: int) -> None:
        """Work until `finish`; then every client ends after its request has been answered."""
        await asyncio.gather(*(self._work() for _ in range(clients)))
        for mark, told in self._conditional.items():
            self.attempts.append(Attempt(mark, 1, 0.0, time.monotonic() if told else None, tuple(told)))

    def finish(self) -> None:
        self._over.set()

    async def _work(self) -> None:
        kinds = (self._create, self._create, self._update, self._patch, self._transaction, self._conditional_create)
        while not self._over.is_set():
            await self._random.choice(kinds)(f"m-{self._name}-{next(self._numbers)}")

    async def _create(self, mark: str) -> None:
        await self._attempt(mark, 1, "POST", "Patient", marked("Patient", mark))

    async def _update(self, mark: str) -> None:
        shared = self._random.choice(SHARED)
        await self._attempt(mark, 1, "PUT", shared, marked("Patient", mark, id=shared.partition("/")[2]))

    async def _patch(self, mark: str) -> None:
        patch = [{"op": "replace", "path": "/identifier/0/value", "value": mark}]
        await self._attempt(mark, 1, "PATCH", self._random.choice(SHARED), patch, absent=True)

    async def _transaction(self, mark: str) -> None:
        """A new chart, and half of the time in the same breath a change of one that all clients change."""
        bundle, shared = chart(mark, self._observations), self._random.choice(SHARED)
        if self._random.random() < 0.5:
            change = marked("Patient", mark, id=shared.partition("/")[2])
            bundle["entry"].append({"resource": change, "request": {"method": "PUT", "url": shared}})
        await self._attempt(mark, len(bundle["entry"]), "POST", "", bundle)

    async def _conditional_create(self, mark: str) -> None:
        pool = f"once-{self._name}-{int(mark.rpartition('-')[2]) // 20}"
        condition = f"identifier={SYSTEM}|{pool}"
        told = self._conditional.setdefault(pool, set())
        answer = await self._answer(mark, "POST", "Patient", marked("Patient", pool), {"if-none-exist": condition})
        if answer is not None:
            told.update(_told(answer))

    async def _attempt(self, mark: str, writes: int, method: str, url: str, body: Any, *, absent: bool = False) -> None:
        began = time.monotonic()
        answer = await self._answer(mark, method, url, body, {}, absent=absent)
        if answer is not None and answer.status_code == 404:
            return
        ended = time.monotonic() if answer is not None else None
        self.attempts.append(Attempt(mark, writes, began, ended, _told(answer) if answer is not None else ()))

    async def _answer(
        self, mark: str, method: str, url: str, body: Any, headers: dict[str, str], *, absent: bool = False
    ) -> httpx.Response | None:
        """The answer that settles it, or `None` if none came in time. `absent`: nothing may be there yet."""
        kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
        sent = {**headers, "idempotency-key": mark, "content-type": kind}
        content, began = json.dumps(body), time.monotonic()
        while time.monotonic() - began < GIVE_UP_SECONDS:
            try:
                answer = await self.client.request(method, url, content=content, headers=sent)
            except httpx.TransportError as error:
                self.retries[type(error).__name__] += 1
            else:
                if answer.status_code in (200, 201) or (absent and answer.status_code == 404):
                    self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
                    return answer
                self.retries[str(answer.status_code)] += 1
                if answer.status_code not in _AGAIN:
                    self.surprises.append(f"{mark} {method} {url}: {answer.status_code} {answer.text[:300]}")
                    return None
            await asyncio.sleep(self._random.uniform(0.02, 0.1))
        self.surprises.append(f"{mark} {method} {url}: no answer in {GIVE_UP_SECONDS:.0f} s")
        return None


def _told(answer: httpx.Response) -> tuple[str, ...]:
    """The versions an answer names, as `Type/id/version`."""
    body = answer.json()
    if body["resourceType"] == "Bundle":
        locations = [entry["response"]["location"] for entry in body["entry"]]
    else:
        locations = [answer.headers["location"]]
    return tuple("/".join(location.split("/fhir/")[1].split("/_history/")) for location in locations)
