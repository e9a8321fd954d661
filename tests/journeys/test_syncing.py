"""A patient of two clinics, both real servers: connected, synchronised through kill -9, and kept up to date from then on.

`CHARTVAULT_ROUNDS` asks for more kills than the normal run has; `CHARTVAULT_SEED` repeats the choices of an earlier run.
"""

from __future__ import annotations

import asyncio
import base64
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from tests.journeys.accounts import origin_of
from tests.journeys.evidence import Admin
from tests.journeys.processes import Served, answering, connection

Json = dict[str, Any]
KILLS = int(os.environ.get("CHARTVAULT_ROUNDS", "1"))
OBSERVATIONS, DOCUMENTS = 250, 3
OVER_SECONDS = 90.0


async def fill(there: httpx.AsyncClient, patient: str) -> None:
    """The record at the provider."""
    await stored(there, {"resourceType": "Patient", "id": patient})
    rows = [observation(patient, number) for number in range(OBSERVATIONS)]
    requests = [{"method": "PUT", "url": f"Observation/{each['id']}"} for each in rows]
    entries = [{"resource": each, "request": request} for each, request in zip(rows, requests, strict=True)]
    answer = await there.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries}, timeout=120)
    assert answer.status_code == 200, answer.text
    for number in range(DOCUMENTS):
        data = base64.b64encode(letter(number)).decode()
        attachment = {"contentType": "text/plain", "data": data, "title": f"Letter {number}"}
        document: Json = {"resourceType": "DocumentReference", "id": f"d{patient}-{number}", "status": "current"}
        about = {"subject": {"reference": f"Patient/{patient}"}}
        await stored(there, {**document, **about, "content": [{"attachment": attachment}]})


def observation(patient: str, number: int, value: float = 70.5) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o{patient}-{number}",
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {"value": value, "unit": "kg"},
    }


def letter(number: int) -> bytes:
    return f"letter number {number} ".encode() * 10_000


async def stored(web: httpx.AsyncClient, resource: Json) -> None:
    answer = await web.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
    assert answer.status_code in (200, 201), answer.text


async def over(ours: httpx.AsyncClient, patient: str) -> Json:
    """The newest run when it is over; a server that is away comes back."""
    async with asyncio.timeout(OVER_SECONDS):
        while True:
            found = await newest(ours, patient)
            if found is not None and found["status"] not in ("QUEUED", "RUNNING"):
                return found
            await asyncio.sleep(0.1)


async def newest(ours: httpx.AsyncClient, patient: str) -> Json | None:
    answer = await ours.get(f"/api/v1/patients/{patient}/sync")
    found: Json | None = answer.json() if answer.status_code == 200 else None
    return found


async def everything(ours: httpx.AsyncClient, kind: str, patient: str) -> list[Json]:
    """All resources of a type in our patient's record."""
    found: list[Json] = []
    url = f"/fhir/{kind}?patient={patient}&_count=500"
    while url:
        bundle = (await ours.get(url)).json()
        found += [entry["resource"] for entry in bundle.get("entry", ())]
        url = next((each["url"] for each in bundle["link"] if each["relation"] == "next"), "")
    return found


async def test_a_killed_synchronisation_is_finished_by_the_next_process_and_nothing_comes_twice(
    serve_two: Callable[..., Served], two_workers: Served, mongo_admin: Admin
) -> None:
    chance = random.Random(int(os.environ["CHARTVAULT_SEED"]))
    limits = dict.fromkeys(("rate_limit", "rate_limit_network", "rate_limit_sign_in"), "0")
    served = await asyncio.to_thread(partial(serve_two, provider_hosts="127.0.0.1", **limits))
    remote, patient = f"r{secrets.token_hex(4)}", f"p{secrets.token_hex(4)}"
    async with (
        two_workers.client() as there,
        served.client() as probe,
        connection(origin_of(served), served.headers()) as ours,
    ):
        await fill(there, remote)
        await stored(probe, {"resourceType": "Patient", "id": patient})
        ours.headers["content-type"] = "application/json"
        token = two_workers.headers()["authorization"].removeprefix("Bearer ")
        agreed = {
            "name": "St Erewhon",
            "endpoint": two_workers.base,
            "remotePatientId": remote,
            "auth": {"kind": "BEARER", "secret": token},
            "types": ["Observation", "DocumentReference"],
        }
        answer = await ours.put(f"/api/v1/patients/{patient}/provider-connection", json=agreed)
        assert answer.status_code in (200, 201), answer.text
        for _ in range(KILLS):
            async with asyncio.timeout(OVER_SECONDS):
                while (run := await newest(ours, patient)) is None or not run["progress"]["total"]:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(chance.uniform(0, 0.2))
            await asyncio.to_thread(served.kill)
            await asyncio.to_thread(served.start)
            await answering(probe)
        run = await over(ours, patient)
        row = mongo_admin[served.database]["sync_runs"].find_one({"_id": run["id"]}) or {}
        print(f"{KILLS} kills; the run was taken {row['fence']} times")

        assert (run["status"], run["errors"]) == ("COMPLETED", [])
        assert run["summary"]["byType"] == {"Observation": OBSERVATIONS, "DocumentReference": DOCUMENTS}
        found = await everything(ours, "Observation", patient)
        assert Counter(each["meta"]["source"] for each in found) == Counter(
            f"{two_workers.base}/Observation/o{remote}-{number}" for number in range(OBSERVATIONS)
        )
        assert {each["meta"]["versionId"] for each in found} == {"1"}
        for number, each in enumerate(sorted(run["documents"], key=lambda each: str(each["title"]))):
            assert (await ours.get(f"{each['link']}/content")).content == letter(number)
        rows = mongo_admin[served.database]["sync_log"]
        assert rows.count_documents({"patient": patient}) == OBSERVATIONS + DOCUMENTS + 1

        await stored(there, observation(remote, 7, 71.5))
        answer = await ours.post(f"/api/v1/patients/{patient}/sync")
        assert answer.status_code == 202, answer.text
        again = await over(ours, patient)
        assert (again["status"], again["summary"]) == (
            "COMPLETED",
            {"byType": {"Observation": 1}, "new": 0, "changed": 1},
        )
    verified = await asyncio.to_thread(served.command, "verify")
    assert verified.returncode == 0, verified.stdout
