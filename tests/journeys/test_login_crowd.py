"""Several people log in at once while others read: all get in, and no read fails.

What a crowd does to the time of reads is measured by hand: `tests/benchmarks/test_login_crowd.py`.
"""

from __future__ import annotations

import asyncio

from tests.journeys.crowds import PASSWORD, add_people
from tests.journeys.processes import Served

CROWD, READERS = 10, 2


async def test_ten_logins_at_once_succeed_and_reads_go_on(two_workers: Served, mongo_uri: str) -> None:
    await add_people(two_workers, mongo_uri, two_workers.data_dir, CROWD)
    async with two_workers.client(seconds=60) as web:
        body = {"resourceType": "Patient", "id": "read", "name": [{"family": "Lindqvist"}]}
        assert (await web.put("Patient/read", json=body)).status_code == 201
        address = f"{two_workers.base.removesuffix('/fhir')}/api/v1/auth/login"

        async def log_in(number: int) -> str:
            form = {"email": f"crowd-{number}@example.org", "password": PASSWORD}
            answer = await web.post(address, json=form, headers={"content-type": "application/json"})
            assert answer.status_code == 200, answer.text
            return str(answer.json()["user"]["id"])

        async def read(crowd: asyncio.Future[list[str]]) -> int:
            count = 0
            while not crowd.done() or not count:
                assert (await web.get("Patient/read")).status_code == 200
                count += 1
            return count

        crowd = asyncio.gather(*map(log_in, range(CROWD)))
        counts = await asyncio.gather(*(read(crowd) for _ in range(READERS)))
        assert await crowd == [f"crowd-{number}" for number in range(CROWD)]
        assert all(counts)
