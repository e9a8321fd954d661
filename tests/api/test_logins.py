"""Logging in and out through the running application: `api/logins.py`"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import httpx
import jwt
import pytest
from litestar import Litestar

from api.logins import Logins, Tokens
from api.settings import Settings
from api.wiring import opened
from domain.accounts.account import Account, Credentials
from domain.errors import Unauthenticated


@pytest.fixture
async def ana(app: Litestar, settings: Settings) -> Account:
    """An account in the application's database."""
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
        profiles=("Practitioner/1",),
    )
    async with opened(settings) as parts:
        await parts.accounts.add(account, Credentials(account="ana"))
    return account


@pytest.fixture
def logins(app: Litestar) -> Logins:
    found: Logins = app.state.logins
    return found


async def log_in(logins: Logins, **more: object) -> Tokens:
    return await logins.open_login("ana", client="app", scope="user/*.cruds", authenticated_at=time.time(), **more)  # type: ignore[arg-type]


async def status(fhir: httpx.AsyncClient, tokens: Tokens) -> int:
    headers = {"authorization": f"Bearer {tokens.access_token}"}
    return (await fhir.get("/Organization/none", headers=headers)).status_code


async def test_a_logged_out_token_is_refused_at_the_next_request(
    fhir: httpx.AsyncClient, logins: Logins, ana: Account
) -> None:
    tokens, other = await log_in(logins), await log_in(logins)
    assert await status(fhir, tokens) == 404
    assert await logins.end(tokens.session.id, account="ana")
    assert (await status(fhir, tokens), await status(fhir, other)) == (401, 404)


async def test_tokens_of_a_replayed_refresh_token_are_refused_at_the_next_request(
    fhir: httpx.AsyncClient, logins: Logins, ana: Account
) -> None:
    first = await log_in(logins)
    second = await logins.refresh(first.refresh_token, client="app")
    assert (await status(fhir, first), await status(fhir, second)) == (404, 404)
    with pytest.raises(Unauthenticated):
        await logins.refresh(first.refresh_token, client="app")
    assert (await status(fhir, first), await status(fhir, second)) == (401, 401)


async def test_a_disabled_account_can_neither_ask_nor_refresh(
    fhir: httpx.AsyncClient, logins: Logins, ana: Account, mongo_admin: object, database: str
) -> None:
    tokens = await log_in(logins)
    mongo_admin[database]["accounts"].update_one({"_id": "ana"}, {"$set": {"status": "DISABLED"}})  # type: ignore[index]
    assert await status(fhir, tokens) == 401
    with pytest.raises(Unauthenticated):
        await logins.refresh(tokens.refresh_token, client="app")
    mongo_admin[database]["accounts"].update_one({"_id": "ana"}, {"$set": {"status": "ACTIVE"}})  # type: ignore[index]
    assert await status(fhir, tokens) == 401


async def test_an_access_token_lives_ten_minutes_at_most_and_never_longer_than_its_session(
    logins: Logins, ana: Account
) -> None:
    tokens = await log_in(logins)
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert tokens.expires_in == claims["exp"] - claims["iat"] == 600
    assert (claims["sub"], claims["sid"], claims["client_id"]) == ("ana", tokens.session.id, "app")


async def test_a_narrower_token_leaves_the_session_as_it_was(logins: Logins, ana: Account) -> None:
    first = await log_in(logins)
    narrow = await logins.refresh(first.refresh_token, client="app", scope="user/Patient.r")
    assert jwt.decode(narrow.access_token, options={"verify_signature": False})["scope"] == "user/Patient.r"
    wide = await logins.refresh(narrow.refresh_token, client="app")
    assert jwt.decode(wide.access_token, options={"verify_signature": False})["scope"] == "user/*.cruds"


async def test_an_app_with_offline_access_outlives_the_day(logins: Logins, ana: Account) -> None:
    attended, offline = await log_in(logins), await log_in(logins, offline=True)
    assert (attended.session.expires - attended.session.created).total_seconds() == 12 * 3600
    assert (offline.session.expires - offline.session.created).days == 90
