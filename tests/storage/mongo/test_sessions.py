"""Sessions and their refresh tokens on the real database: `storage/mongo/sessions.py`"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import bson
import pytest

from domain.accounts.account import Account, Credentials
from domain.errors import Unauthenticated, Unavailable
from domain.sessions import Grant, Lifetime, Login, RefreshReused
from storage.crypto.keys import Keyring
from storage.mongo.accounts import MongoAccounts
from storage.mongo.client import Database, Document
from storage.mongo.presence import Presence
from storage.mongo.sessions import MongoSessions

HOUR = Lifetime(timedelta(hours=12), timedelta(hours=1))
LOGIN = Login(
    account="ana",
    client="app",
    scope="user/*.rs",
    patient="7",
    authenticated_at=100.0,
    second_factor_at=101.0,
    label="Firefox of Ana",
)


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


class Counted(Presence):
    """Counts round trips."""

    asked = 0

    async def _counters(self, actors: Sequence[str]) -> list[Document]:
        self.asked += 1
        return await super()._counters(actors)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def accounts(data: Database, keyring: Keyring, clock: Clock) -> MongoAccounts:
    accounts = MongoAccounts(data, keyring)
    for name in ("ana", "bob"):
        account = Account(
            id=name,
            email=f"{name}@example.org",
            first_name=name,
            last_name="Example",
            status="ACTIVE",
            created=clock.now,
            updated=clock.now,
            roles=("NURSE",),
        )
        await accounts.add(account, Credentials(account=name))
    return accounts


@pytest.fixture
async def presence(data: Database, clock: Clock) -> AsyncIterator[Counted]:
    presence = Counted(data, clock)
    yield presence
    await presence.close()


@pytest.fixture
def sessions(
    data: Database, keyring: Keyring, accounts: MongoAccounts, clock: Clock, presence: Presence
) -> MongoSessions:
    return MongoSessions(data, keyring, clock, presence)


async def is_live(sessions: MongoSessions, grant: Grant) -> bool:
    return await sessions.present(grant.session.id, "ana") is not None


async def test_a_session_shows_with_its_account_at_once_and_its_label_to_its_owner_only(
    sessions: MongoSessions, data: Database
) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    present = await sessions.present(opened.session.id, "ana")
    assert present is not None
    assert present.standing.roles == {"NURSE"}
    assert (present.session.login.patient, present.session.login.label) == ("7", "")
    assert [each.login for each in await sessions.of("ana")] == [LOGIN]
    assert await sessions.of("bob") == []


async def test_neither_token_nor_label_is_readable_in_the_database(sessions: MongoSessions, data: Database) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    stored = await data["sessions"].find_one({"_id": opened.session.id})
    assert stored is not None
    raw = bson.encode(stored)
    secret = base64.urlsafe_b64decode(opened.refresh_token + "==")[16:48]
    for canary in (opened.refresh_token.encode(), secret, b"Firefox"):
        assert canary not in raw


async def test_a_session_of_another_account_is_no_session(sessions: MongoSessions) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    assert await sessions.present(opened.session.id, "bob") is None
    own, other = await asyncio.gather(*(sessions.present(opened.session.id, name) for name in ("ana", "bob")))
    assert own is not None
    assert other is None
    assert await sessions.present("0" * 32, "ana") is None


async def test_a_disabled_account_ends_its_sessions_at_the_next_request(
    sessions: MongoSessions, data: Database
) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    await data["accounts"].update_one({"_id": "ana"}, {"$set": {"status": "DISABLED"}})
    assert not await is_live(sessions, opened)


async def test_requests_that_wait_together_are_looked_up_together(sessions: MongoSessions, presence: Counted) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    answers = await asyncio.gather(*[sessions.present(opened.session.id, "ana") for _ in range(200)])
    assert all(answers)
    assert presence.asked <= 3


async def test_sessions_and_counters_that_wait_together_are_one_command(
    sessions: MongoSessions, presence: Counted, data: Database
) -> None:
    await data["relations"].insert_many({"_id": f"Practitioner/1#{n}", "a": "Practitioner/1", "n": n} for n in range(3))
    opened = await sessions.open(LOGIN, HOUR)
    present, known, unknown = await asyncio.gather(
        sessions.present(opened.session.id, "ana"),
        presence.counts(("Practitioner/1", "Practitioner/2")),
        sessions.present("0" * 32, "ana"),
    )
    assert presence.asked == 1
    assert present is not None
    assert unknown is None
    assert known.count_of("Practitioner/1") == tuple((f"Practitioner/1#{n}", n) for n in range(3))
    assert known.count_of("Practitioner/2") == ()


async def test_who_asks_later_is_not_given_what_was_asked_before(sessions: MongoSessions, presence: Counted) -> None:
    """A command under way may be older than what was acknowledged since."""
    opened = await sessions.open(LOGIN, HOUR)
    early = asyncio.create_task(sessions.present(opened.session.id, "ana"))
    while not presence.asked:
        await asyncio.sleep(0)
    await sessions.end(opened.session.id)
    assert not await is_live(sessions, opened)
    await early


async def test_a_refresh_token_is_good_once_and_gives_the_next(sessions: MongoSessions) -> None:
    first = await sessions.open(LOGIN, HOUR)
    second = await sessions.refresh(first.refresh_token, client="app")
    third = await sessions.refresh(second.refresh_token, client="app")
    assert len({grant.refresh_token for grant in (first, second, third)}) == 3
    assert third.session.id == first.session.id
    assert third.session.login == LOGIN or third.session.login.label == ""
    assert await sessions.holder(third.refresh_token) is not None
    assert await sessions.holder(second.refresh_token) is None


@pytest.mark.parametrize("generation", [0, 1, 2])
async def test_a_token_that_comes_again_ends_the_whole_family(sessions: MongoSessions, generation: int) -> None:
    grants = [await sessions.open(LOGIN, HOUR)]
    for _ in range(3):
        grants.append(await sessions.refresh(grants[-1].refresh_token, client="app"))
    with pytest.raises(RefreshReused) as reused:
        await sessions.refresh(grants[generation].refresh_token, client="app")
    assert (reused.value.session, reused.value.account) == (grants[0].session.id, "ana")
    assert not await is_live(sessions, grants[0])
    with pytest.raises(Unauthenticated):
        await sessions.refresh(grants[-1].refresh_token, client="app")


async def test_of_parallel_refreshes_at_most_one_gives_a_live_token(sessions: MongoSessions) -> None:
    for _ in range(20):
        opened = await sessions.open(LOGIN, HOUR)
        answers = await asyncio.gather(
            *[sessions.refresh(opened.refresh_token, client="app") for _ in range(2)], return_exceptions=True
        )
        grants = [answer for answer in answers if isinstance(answer, Grant)]
        assert len(grants) == 1
        live = [grant for grant in grants if await sessions.holder(grant.refresh_token)]
        assert len(live) <= 1
        assert len(await sessions.of("ana")) == len(live) == 0


async def test_the_same_attempt_of_the_same_client_gets_the_same_answer_for_a_while(
    sessions: MongoSessions, clock: Clock
) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    first, again = [await sessions.refresh(opened.refresh_token, client="app", retry="try-1") for _ in range(2)]
    assert first.refresh_token == again.refresh_token
    assert await is_live(sessions, opened)
    clock.now += timedelta(minutes=2)
    with pytest.raises(RefreshReused):
        await sessions.refresh(opened.refresh_token, client="app", retry="try-1")


@pytest.mark.parametrize(("by", "retry"), [("app", "try-2"), ("app", None), ("other", "try-1")])
async def test_another_attempt_with_a_used_token_ends_the_family(
    sessions: MongoSessions, by: str, retry: str | None
) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    await sessions.refresh(opened.refresh_token, client="app", retry="try-1")
    with pytest.raises(RefreshReused):
        await sessions.refresh(opened.refresh_token, client=by, retry=retry)
    assert not await is_live(sessions, opened)


async def test_a_retry_is_over_once_its_answer_was_used(sessions: MongoSessions) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    first = await sessions.refresh(opened.refresh_token, client="app", retry="try-1")
    await sessions.refresh(first.refresh_token, client="app")
    with pytest.raises(RefreshReused):
        await sessions.refresh(opened.refresh_token, client="app", retry="try-1")


async def test_a_token_of_another_client_ends_the_family(sessions: MongoSessions) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    with pytest.raises(RefreshReused):
        await sessions.refresh(opened.refresh_token, client="thief")
    assert not await is_live(sessions, opened)


async def test_a_made_up_token_harms_nobody(sessions: MongoSessions) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    real = base64.urlsafe_b64decode(opened.refresh_token + "==")
    tried = [
        base64.urlsafe_b64encode(real[:16] + bytes(48)).rstrip(b"=").decode(),
        base64.urlsafe_b64encode(real[:-1] + bytes([real[-1] ^ 1])).rstrip(b"=").decode(),
        opened.refresh_token + "A",
        opened.refresh_token[:-1],
        "!" + opened.refresh_token[1:],
        "",
        "é" * 86,
    ]
    for text in tried:
        with pytest.raises(Unauthenticated) as refused:
            await sessions.refresh(text, client="app")
        assert not isinstance(refused.value, RefreshReused)
    assert await is_live(sessions, opened)


async def test_a_session_ends_when_it_is_not_used(sessions: MongoSessions, clock: Clock) -> None:
    grant = await sessions.open(LOGIN, HOUR)
    for _ in range(3):
        clock.now += timedelta(minutes=59)
        grant = await sessions.refresh(grant.refresh_token, client="app")
    clock.now += timedelta(minutes=61)
    assert not await is_live(sessions, grant)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(grant.refresh_token, client="app")


async def test_a_session_ends_at_last_however_much_it_is_used(sessions: MongoSessions, clock: Clock) -> None:
    grant = await sessions.open(LOGIN, HOUR)
    for _ in range(15):
        clock.now += timedelta(minutes=45)
        grant = await sessions.refresh(grant.refresh_token, client="app")
    clock.now += timedelta(minutes=45)
    assert clock.now == grant.session.expires
    with pytest.raises(Unauthenticated):
        await sessions.refresh(grant.refresh_token, client="app")
    assert not await is_live(sessions, grant)


async def test_logging_out_ends_one_session_and_only_the_owner_can(sessions: MongoSessions) -> None:
    one, two = [await sessions.open(LOGIN, HOUR) for _ in range(2)]
    assert not await sessions.end(one.session.id, account="bob")
    assert await sessions.end(one.session.id, account="ana")
    assert not await sessions.end(one.session.id, account="ana")
    assert (await is_live(sessions, one), await is_live(sessions, two)) == (False, True)


async def test_everything_of_an_account_can_be_ended_but_for_one(sessions: MongoSessions) -> None:
    kept, *_ = [await sessions.open(LOGIN, HOUR) for _ in range(3)]
    assert await sessions.end_all("ana", keep=kept.session.id) == 2
    assert [each.id for each in await sessions.of("ana")] == [kept.session.id]
    assert await sessions.end_all("ana") == 1


async def test_the_list_of_logins_comes_in_pages(sessions: MongoSessions) -> None:
    opened = sorted([(await sessions.open(LOGIN, HOUR)).session.id for _ in range(5)])
    first = await sessions.of("ana", count=3)
    rest = await sessions.of("ana", after=first[-1].id, count=3)
    assert [each.id for each in (*first, *rest)] == opened


async def test_after_close_nobody_is_let_in(sessions: MongoSessions, presence: Presence) -> None:
    opened = await sessions.open(LOGIN, HOUR)
    await presence.close()
    with pytest.raises(Unavailable):
        await sessions.present(opened.session.id, "ana")
