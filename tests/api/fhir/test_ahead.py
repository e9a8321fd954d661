"""A caller who was known at the last request is asked about with one question; whatever changed since counts all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from litestar import Litestar

from api.fhir.ahead import Guess, Guesses
from api.fhir.exchange import Exchange
from api.settings import Settings
from api.wiring import Opened, opened
from domain.access import Caller
from domain.accounts.account import Account, Credentials
from domain.grounds import Grounds
from domain.policy.resolving import Policy
from tests.api.fhir.callers import BASE, PROGRAM, person
from tests.api.fhir.ward import Json, actor, build, care_team, consent, of_type, profile, when


class World(msgspec.Struct):
    """A doctor who has logged in here, the program that writes, and another process on the same database."""

    doctor: httpx.AsyncClient
    program: httpx.AsyncClient
    there: Opened
    account: Account
    session: str
    path: str
    made_out: list[str]

    async def reads(self) -> int:
        return (await self.doctor.get(self.path)).status_code

    async def found(self) -> int:
        answer = await self.doctor.get("Condition?_summary=count")
        return int(answer.json()["total"]) if answer.status_code == 200 else 0

    async def replace(self, **fields: object) -> None:
        changed = msgspec.structs.replace(self.account, version=self.account.version + 1, **fields)
        await self.there.accounts.replace(changed)

    async def write(self, body: Json) -> None:
        answer = await self.program.put(f"{body['resourceType']}/{body['id']}", json=body)
        assert answer.status_code in (200, 201), answer.text


def client(app: Litestar, token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=headers)  # type: ignore[arg-type]


@pytest.fixture
async def world(app: Litestar, settings: Settings, token: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    now = datetime.now(UTC)
    account = Account(
        id="ana",
        email="ana@example.org",
        first_name="Ana",
        last_name="Example",
        status="ACTIVE",
        created=now,
        updated=now,
        roles=("DOCTOR",),
        profiles=(profile("DOCTOR"),),
    )
    made_out: list[str] = []
    resolve = app.state.fhir._resolve

    async def counted(caller: Caller, grounds: Grounds) -> Caller:
        made_out.append(caller.subject)
        return await resolve(caller, grounds)  # type: ignore[no-any-return]

    monkeypatch.setattr(app.state.fhir, "_resolve", counted)
    async with opened(settings) as there, client(app, token) as program:
        await there.accounts.add(account, Credentials(account="ana"))
        login = await app.state.logins.open_login(
            "ana", client="app", scope="user/*.cruds", authenticated_at=time.time()
        )
        await build(program)
        made = await program.post("Condition", json=of_type("Condition", "team"))
        path = f"Condition/{made.json()['id']}"
        async with client(app, login.access_token) as doctor:
            world = World(doctor, program, there, account, login.session.id, path, made_out)
            for _ in range(3):
                assert (await world.reads(), await world.found()) == (200, 1)
            yield world


async def test_who_is_known_is_not_made_out_again(world: World) -> None:
    before = world.made_out.count("ana")
    for _ in range(3):
        assert (await world.reads(), await world.found()) == (200, 1)
    assert world.made_out.count("ana") == before <= 3


Change = Callable[[World], Awaitable[object]]
UNKNOWN: dict[str, Change] = {
    "logged out elsewhere": lambda world: world.there.sessions.end(world.session),
    "every login ended": lambda world: world.there.sessions.end_all("ana"),
    "the account disabled": lambda world: world.replace(status="DISABLED"),
    "the account gone": lambda world: world.there.accounts.remove("ana"),
}
HIDDEN: dict[str, Change] = {
    "the role taken": lambda world: world.replace(roles=("RECEPTIONIST",)),
    "somebody else now": lambda world: world.replace(profiles=("Practitioner/else",)),
    "the team ended": lambda world: world.write(care_team("team", when(-10, -1))),
    "a denial": lambda world: world.write(consent("no", "team", "deny", actor=[actor(profile("DOCTOR"))])),
}


@pytest.mark.parametrize("what", UNKNOWN)
async def test_who_was_known_a_moment_ago_is_let_in_no_more(world: World, what: str) -> None:
    await UNKNOWN[what](world)
    assert await world.reads() == 401
    assert (await world.doctor.get("Condition")).status_code == 401


@pytest.mark.parametrize("what", HIDDEN)
async def test_what_was_seen_a_moment_ago_is_seen_no_more(world: World, what: str) -> None:
    await HIDDEN[what](world)
    assert await world.reads() in (403, 404)
    assert await world.found() == 0
    entries = (await world.doctor.get("Condition")).json().get("entry", [])
    assert not [row for row in entries if row["search"]["mode"] == "match"]


async def test_a_period_ends_by_the_clock_while_nobody_writes(world: World) -> None:
    end = datetime.now(UTC) + timedelta(seconds=1.5)
    await world.write(care_team("team", {"start": "2020-01-01", "end": end.isoformat(timespec="milliseconds")}))
    assert await world.reads() == await world.reads() == 200
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds() + 0.05)
    assert (await world.reads(), await world.found()) == (404, 0)


async def test_a_right_given_counts_at_once_too(world: World) -> None:
    other = await world.program.post("Condition", json=of_type("Condition", "foreign"))
    path = f"Condition/{other.json()['id']}"
    assert (await world.doctor.get(path)).status_code == 404
    await world.write(care_team("foreign", when(-1, 5)))
    assert ((await world.doctor.get(path)).status_code, await world.found()) == (200, 2)


def exchange(token: str, **headers: str) -> Exchange:
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Exchange(
        method="GET",
        path="/Patient/1",
        query="",
        headers={b"authorization": f"Bearer {token}".encode(), **given},
        base_url=BASE,
    )


async def test_a_guess_is_of_one_token_and_one_address_and_of_no_purpose() -> None:
    from api.fhir.routes import find

    route, policy = find("GET", ("Patient", "1"), frozenset({"Patient"})), Policy(None, None, None, None)  # type: ignore[arg-type]
    someone = msgspec.structs.replace(person("a", "DOCTOR"), sight=policy._compiled(person("a", "DOCTOR"), None))
    guesses, grounds = Guesses(), Grounds()
    guesses.remember(exchange("one"), "10.0.0.1", Guess(someone, grounds))
    assert guesses.of(route, exchange("one"), "10.0.0.1") == Guess(someone, grounds)
    for asked, network in (
        (exchange("two"), "10.0.0.1"),
        (exchange("one"), "10.0.0.2"),
        (exchange("one"), None),
        (exchange("one", x_purpose_of_use="BTG"), "10.0.0.1"),
    ):
        assert guesses.of(route, asked, network) is None
    guesses.remember(
        exchange("three"), None, Guess(msgspec.structs.replace(someone, purpose=frozenset({"BTG"})), grounds)
    )
    guesses.remember(exchange("four"), None, Guess(PROGRAM, grounds))
    assert guesses.of(route, exchange("three"), None) is guesses.of(route, exchange("four"), None) is None
