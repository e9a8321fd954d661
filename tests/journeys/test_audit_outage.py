"""The audit cannot be stored: no protected byte leaves, nothing is written, and both are so until it can be again."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from tests.journeys.evidence import Admin
from tests.journeys.load import chart, marked
from tests.journeys.processes import Served
from tests.storage.mongo.failpoints import failing

CANARY = "Archaeopteryx"
OUT_OF_DISK_SPACE = 14031


async def test_without_an_audit_nothing_is_read_and_nothing_is_written(two_workers: Served, mongo_admin: Admin) -> None:
    data = mongo_admin[two_workers.database]
    async with two_workers.client() as client:
        patient = marked("Patient", CANARY, name=[{"family": CANARY}])
        name = f"Patient/{(await client.post('Patient', json=patient)).json()['id']}"
        reads = [name, f"{name}/_history/1", f"{name}/_history", f"Patient?name={CANARY}", "Patient/none", "_history"]
        batch: dict[str, Any] = {"resourceType": "Bundle", "type": "batch"}
        batch["entry"] = [{"request": {"method": "GET", "url": url}} for url in reads[:4]]
        mark = secrets.token_hex(8)
        writes: list[Callable[[], Any]] = [
            lambda: client.post("Patient", json=marked("Patient", mark)),
            lambda: client.put(name, json=marked("Patient", mark, id=name.partition("/")[2])),
            lambda: client.delete(name),
            lambda: client.post("", json=chart(mark, 2)),
        ]
        before = {kind: data[kind].count_documents({}) for kind in ("revisions", "resources", "idempotency", "claims")}
        with failing(mongo_admin, "insert", errorCode=OUT_OF_DISK_SPACE, namespace=f"{data.name}.audit"):
            answers = [await client.get(url) for url in reads] + [await client.post("", json=batch)]
            answers += [await write() for write in writes]
        assert [answer.status_code for answer in answers] == [503] * len(answers)
        assert not [answer.text for answer in answers if CANARY in answer.text or mark in answer.text]
        assert {answer.json()["resourceType"] for answer in answers} == {"OperationOutcome"}
        assert {kind: data[kind].count_documents({}) for kind in before} == before
        assert (await client.get(name)).json()["name"] == [{"family": CANARY}]
        assert (await client.get(f"{name}/_history")).json()["total"] == 1
