"""A request that is repeated with its Idempotency-Key is answered again, and that is recorded again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pymongo import MongoClient

PATIENT = {"resourceType": "Patient", "name": [{"family": "Okafor"}]}
BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}}],
}


@pytest.mark.parametrize(("url", "body"), [("/Patient", PATIENT), ("", BUNDLE)])
async def test_every_answer_to_a_repeated_request_is_in_the_audit(
    fhir: httpx.AsyncClient, mongo_admin: MongoClient[dict[str, Any]], database: str, url: str, body: Any
) -> None:
    headers = {"idempotency-key": "k1", "prefer": "return=representation"}
    answers = [await fhir.post(url, json=body, headers=headers | {"x-request-id": f"r{n}"}) for n in range(3)]
    assert [answer.text for answer in answers] == [answers[0].text] * 3
    audit = list(mongo_admin[database]["audit"].find())
    assert sorted(entry["request_id"] for entry in audit) == ["r0", "r1", "r2"]
    assert [entry["targets"] for entry in audit] == [audit[0]["targets"]] * 3
    assert [entry["patients"] for entry in audit] == [audit[0]["patients"]] * 3
    assert audit[0]["patients"]
    assert mongo_admin[database]["revisions"].count_documents({}) == 1
