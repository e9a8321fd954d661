"""Somebody with the database in his hands moves a sealed value or flips a bit: nobody gets to read it, and it is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.evidence import Admin
from tests.journeys.load import marked, observed
from tests.journeys.processes import Served

Json = dict[str, Any]
CANARY = "Quetzalcoatlus"


@pytest.fixture(scope="module")
def served(serve_two: Callable[..., Served]) -> Served:
    """A server whose database is no longer clean once these tests have begun."""
    return serve_two()


async def stored(served: Served) -> tuple[str, str]:
    """Two observations of one patient, so sealed under one key, each with two versions."""
    async with served.client() as client:
        patient = (await client.post("Patient", json=marked("Patient", "tampering"))).json()["id"]
        names = []
        for number in range(2):
            resource = observed(f"{number}", f"Patient/{patient}") | {"note": [{"text": CANARY}]}
            created = (await client.post("Observation", json=resource)).json()
            names.append(f"Observation/{created['id']}")
            changed = await client.put(names[-1], json=created | {"status": "amended"})
            assert changed.status_code == 200
    return names[0], names[1]


def findings(served: Served) -> tuple[int, str]:
    verified = served.command("verify")
    return verified.returncode, verified.stdout


def swap_resources(data: Any, one: str, other: str) -> list[str]:
    """The contents of one resource in the place of another's, under the same key."""
    for place, suffix in ((data["resources"], ""), (data["revisions"], "/2")):
        sealed = place.find_one({"_id": f"{other}{suffix}"})["sealed"]
        place.update_one({"_id": f"{one}{suffix}"}, {"$set": {"sealed": sealed}})
    return [one, f"{one}/_history/2"]


def bring_back_the_old_version(data: Any, one: str, other: str) -> list[str]:
    sealed = data["revisions"].find_one({"_id": f"{one}/1"})["sealed"]
    data["resources"].update_one({"_id": one}, {"$set": {"sealed": sealed}})
    data["revisions"].update_one({"_id": f"{one}/2"}, {"$set": {"sealed": sealed}})
    return [one, f"{one}/_history/2"]


def flip_a_bit(data: Any, one: str, other: str) -> list[str]:
    sealed = bytearray(data["revisions"].find_one({"_id": f"{one}/1"})["sealed"])
    sealed[len(sealed) // 2] ^= 1
    data["revisions"].update_one({"_id": f"{one}/1"}, {"$set": {"sealed": bytes(sealed)}})
    return [f"{one}/_history/1"]


@pytest.mark.parametrize("tamper", [swap_resources, bring_back_the_old_version, flip_a_bit])
async def test_what_was_not_sealed_there_is_refused_audited_and_named(
    served: Served, mongo_admin: Admin, tamper: Callable[..., list[str]]
) -> None:
    one, other = await stored(served)
    data = mongo_admin[served.database]
    assert one not in findings(served)[1]
    urls = tamper(data, one, other)
    async with served.client() as client:
        for url in urls:
            answer = await client.get(url, headers={"x-request-id": url.replace("/", "-")})
            outcome = answer.json()
            assert (answer.status_code, outcome["resourceType"]) == (500, "OperationOutcome")
            assert outcome["issue"][0]["severity"] in ("error", "fatal")
            assert CANARY not in answer.text
            (entry,) = data["audit"].find({"request_id": url.replace("/", "-")})
            assert (entry["status"], entry["outcome"], entry["targets"]) == (500, "8", [one])
        assert (await client.get(other)).json()["note"] == [{"text": CANARY}]
        page = await client.get("Observation", params={"_id": f"{one},{other}".replace("Observation/", "")})
        assert page.status_code == 200
        assert page.text.count(CANARY) == (1 if one in urls else 2)
    code, said = findings(served)
    assert code == 1
    assert f"{one}/" in said
    assert other not in said
