"""kill -9 under load: what was acknowledged is there, exactly once, and nothing is half done.

`CHARTVAULT_KILLS` and `CHARTVAULT_MONGOD_KILLS` ask for more kills than the normal run has; `CHARTVAULT_SEED` repeats
the choices of an earlier run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.deadlines import within
from tests.journeys.acknowledged import Attempt, differences
from tests.journeys.evidence import Admin, evidence
from tests.journeys.load import Load, chart
from tests.journeys.processes import Served, answering, runs, wait_for

KILLS = int(os.environ.get("CHARTVAULT_KILLS", "3"))
MONGOD_KILLS = int(os.environ.get("CHARTVAULT_MONGOD_KILLS", "1"))
CLIENTS = 6
CHARTS_PER_KILL, OBSERVATIONS = 40, 30
LONGEST_ANSWER_SECONDS = 10.0


@pytest.fixture
def seed() -> int:
    """Printed with every failure."""
    chosen = int(os.environ.get("CHARTVAULT_SEED", random.SystemRandom().randrange(2**32)))
    print(f"CHARTVAULT_SEED={chosen}")
    return chosen


async def under_load(client: httpx.AsyncClient, seed: int, kill: Callable[[], Awaitable[None]], times: int) -> Load:
    """Let clients work while `kill` does its work `times` times, then let them finish. Nothing may surprise them."""
    chance, load = random.Random(seed), Load(client, seed)
    working = asyncio.create_task(load.run(CLIENTS))
    away: list[float] = []
    for _ in range(times):
        await asyncio.sleep(chance.uniform(0.05, 1.0))
        await kill()
        away.append(await answering(client))
    load.finish()
    await working
    print(f"{times} kills, at worst away for {max(away):.1f} s; {len(load.attempts)} attempts, {dict(load.retries)}")
    assert load.surprises == []
    return load


def require_clean(served: Served) -> None:
    verified = served.command("verify")
    assert verified.returncode == 0, verified.stdout


async def test_kills_of_the_api_lose_double_and_halve_nothing(
    serve_two: Callable[..., Served], mongo_admin: Admin, seed: int
) -> None:
    """Workers die alone, or with the main process; MongoDB survives, with the transactions that they have left open."""
    served = serve_two()
    chance = random.Random(seed + 1)

    async def kill() -> None:
        if chance.random() < 0.5:
            victim = chance.choice(served.workers())
            os.kill(victim, signal.SIGKILL)
            await asyncio.to_thread(wait_for, lambda: not runs(victim))
        else:
            await asyncio.to_thread(served.kill)
            await asyncio.to_thread(served.start)

    async with served.client() as client:
        load = await under_load(client, seed, kill, KILLS)
        assert differences(load.attempts, await evidence(client, mongo_admin, served.database)) == []
    require_clean(served)


class Probe:
    """Reads again and again while the database dies: how it was answered, and how long the longest answer took."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.statuses: Counter[int] = Counter()
        self.longest_seconds = 0.0

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            with within(LONGEST_ANSWER_SECONDS):
                answer = await self._client.get("Patient/shared-0")
            self.statuses[answer.status_code] += 1
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
            await asyncio.sleep(0.02)


def charts(folder: Path, seed: int) -> list[Attempt]:
    """Write the transactions to be imported into `folder`. What became of each is only known as all or nothing."""
    folder.mkdir()
    attempts = [Attempt(f"i-{seed:x}-{n}", OBSERVATIONS + 1, 0.0) for n in range(CHARTS_PER_KILL * MONGOD_KILLS)]
    for attempt in attempts:
        (folder / f"{attempt.mark}.json").write_text(json.dumps(chart(attempt.mark, OBSERVATIONS)))
    return attempts


async def test_kills_of_the_database_during_an_import_lose_double_and_halve_nothing(
    serve: Callable[..., Served], tmp_path: Path, seed: int
) -> None:
    """The server starts its MongoDB again by itself; requests meanwhile are answered 503, and soon."""
    imported = charts(tmp_path / "charts", seed)
    served = serve()
    killed_during_import = 0
    async with served.client() as client:
        probe = Probe(client)
        probing = asyncio.create_task(probe.run())
        importing = asyncio.create_task(asyncio.to_thread(served.command, "import", str(tmp_path / "charts")))
        with Admin(served.admin_uri()) as admin:
            stored = admin["chartvault"]["revisions"]
            await asyncio.to_thread(wait_for, stored.estimated_document_count)

        async def kill() -> None:
            nonlocal killed_during_import
            victim = served.mongod()
            os.kill(victim, signal.SIGKILL)
            killed_during_import += not importing.done()
            await asyncio.to_thread(wait_for, lambda: not runs(victim))

        load = await under_load(client, seed, kill, MONGOD_KILLS)
        summary = await importing
        probing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await probing
        with Admin(served.admin_uri()) as admin:
            found = await evidence(client, admin, "chartvault")
    print(f"{killed_during_import} kills during the import: {summary.stdout.strip()}")
    print(f"reads were answered {dict(probe.statuses)}, the longest took {probe.longest_seconds:.1f} s")
    assert summary.returncode == 0, summary.stdout + summary.stderr
    assert killed_during_import
    assert differences([*load.attempts, *imported], found) == []
    assert {attempt.mark for attempt in imported} <= set(found.marks.values())
    assert set(probe.statuses) <= {200, 404, 503}
    require_clean(served)
