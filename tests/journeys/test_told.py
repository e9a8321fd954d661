"""kill -9 of workers and of the whole server while people are told: each notification once in the list, each mail at least
once and always under one Message-ID.

`CHARTVAULT_ROUNDS` asks for more kills than the normal run has; `CHARTVAULT_SEED` repeats the choices of an earlier run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from typing import Any, cast

import httpx
import pyotp
from aiosmtpd.smtp import SMTP, Envelope, Session

from storage.embedded import EmbeddedMongo
from tests.journeys.accounts import add_account, log_in, origin_of
from tests.journeys.evidence import Admin
from tests.journeys.processes import Served, answering, connection, runs, wait_for

KILLS = int(os.environ.get("CHARTVAULT_ROUNDS", "1"))
CLIENTS = 4
SETTLED_SECONDS = 90.0
_LINK = re.compile(r"inquiry=([0-9a-f-]{36})")


def gone(pid: int) -> bool:
    return not runs(pid)


class Letterbox:
    """Takes letters slowly, so that who brings one may die before it knows that it has arrived."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.letters: Counter[tuple[str, str]] = Counter()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        letter = cast(EmailMessage, message_from_bytes(cast(bytes, envelope.content), policy=policy.default))
        (inquiry,) = _LINK.findall(letter.get_content())
        self.letters[inquiry, letter["Message-ID"]] += 1
        await asyncio.sleep(self._chance.uniform(0, 0.1))
        return "250 OK"


class Inquiring:
    """Clients who ask, each from a network of its own, until they are told to stop; `known` are those that were answered."""

    def __init__(self, client: httpx.AsyncClient, chance: random.Random) -> None:
        self._client = client
        self._chance = chance
        self._over = False
        self.known: set[str] = set()

    async def run(self) -> None:
        while not self._over:
            network = ".".join(str(self._chance.randrange(1, 250)) for _ in range(4))
            body = {"name": "Ana Example", "email": "ana@example.org"}
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._client.post("/api/v1/inquiries", json=body, headers={"x-forwarded-for": network})
                if answer.status_code == 201:
                    self.known.add(answer.json()["id"])
                else:
                    assert answer.status_code in (429, 503), answer.text
            await asyncio.sleep(self._chance.uniform(0, 0.05))

    def stop(self) -> None:
        self._over = True


async def everything(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={"limit": "100", **cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next"] is None:
            return found
        cursor = {"cursor": answer.json()["next"]}


async def test_kills_tell_everybody_once_and_write_under_one_name(
    serve_two: Callable[..., Served], embedded_mongo: EmbeddedMongo, mongo_admin: Admin
) -> None:
    seed = int(os.environ["CHARTVAULT_SEED"])
    chance, letterbox = random.Random(seed), Letterbox(random.Random(seed + 1))
    post = await asyncio.get_running_loop().create_server(lambda: SMTP(letterbox), "127.0.0.1", 0)
    try:
        url = f"smtp+insecure://127.0.0.1:{post.sockets[0].getsockname()[1]}"
        limits = dict.fromkeys(("rate_limit", "rate_limit_network", "rate_limit_sign_in"), "0")
        served = await asyncio.to_thread(partial(serve_two, smtp_url=url, trusted_proxies="127.0.0.0/8", **limits))
        secret = pyotp.random_base32()
        email = await add_account(served, embedded_mongo.uri, "DIETICIAN", secret=secret)
        token = (await log_in(served, email, secret))["accessToken"]

        async with served.client() as probe, connection(origin_of(served)) as client:
            inquiring = Inquiring(client, random.Random(seed + 2))
            working = [asyncio.create_task(inquiring.run()) for _ in range(CLIENTS)]
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.05, 1.0))
                if chance.random() < 0.7:
                    victim = chance.choice(served.workers())
                    os.kill(victim, signal.SIGKILL)
                    await asyncio.to_thread(wait_for, partial(gone, victim))
                else:
                    await asyncio.to_thread(served.kill)
                    await asyncio.to_thread(served.start)
                await answering(probe)
            inquiring.stop()
            await asyncio.gather(*working)

            rows = mongo_admin[served.database]
            waiting = {"state": "WAITING"}

            def settled() -> bool:
                return not rows["notices"].count_documents(waiting) and not rows["outbox"].count_documents(waiting)

            await asyncio.to_thread(wait_for, settled, SETTLED_SECONDS)
            client.headers["authorization"] = f"Bearer {token}"
            stored = {each["id"] for each in await everything(client, "/api/v1/inquiries")}
            told = Counter(name for each in await everything(client, "/api/v1/notifications") for name in each["about"])
    finally:
        post.close()
    names = Counter(inquiry for inquiry, _ in letterbox.letters)
    again = sum(letterbox.letters.values()) - len(letterbox.letters)
    print(
        f"{KILLS} kills, {len(stored)} inquiries, {len(stored - inquiring.known)} of them unanswered, {again} letters twice"
    )
    assert inquiring.known <= stored
    assert told == Counter(f"Task/{inquiry}" for inquiry in stored)
    assert names == Counter(stored)
