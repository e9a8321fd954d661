"""Registering clients over HTTP: `api/oauth/registration.py`"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from api.oauth.registration import Metadata, new_client
from domain.access import Role
from tests.api.oauth.installation import EC_KEY, Installation, public_jwk
from tests.api.oauth.people import add_person, system_token

LAB: dict[str, Any] = {
    "client_name": "Lab",
    "grant_types": ["client_credentials"],
    "token_endpoint_auth_method": "private_key_jwt",
    "scope": "system/Observation.rs",
    "jwks": {"keys": [public_jwk(EC_KEY, "ec")]},
    "software_version": "1.0",
}


async def token_of(installation: Installation, role: Role, *, second_factor_at: float | None) -> str:
    person = await add_person(installation, role)
    logins = installation.app.state.logins
    tokens = await logins.open_login(
        person.id, client="web", scope="user/*.cruds", authenticated_at=time.time(), second_factor_at=second_factor_at
    )
    return str(tokens.access_token)


async def register(installation: Installation, token: str, body: dict[str, Any]) -> httpx.Response:
    return await installation.http.post("/oauth/register", json=body, headers={"authorization": f"Bearer {token}"})


async def test_an_administrator_registers_a_backend_service(installation: Installation) -> None:
    token = await token_of(installation, "ADMIN", second_factor_at=time.time())
    answer = await register(installation, token, LAB)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["scope"] == LAB["scope"]
    assert body["jwks"] == LAB["jwks"]
    assert "client_secret" not in body
    entry = await installation.last_entry()
    assert (entry["interaction"], entry["targets"]) == ("client-register", [f"Client/{body['client_id']}"])


def test_an_id_can_be_the_argument_of_a_command() -> None:
    given = msgspec.convert(LAB, Metadata)
    ids = [new_client(given, created=datetime.now(UTC), created_by="u1").id for _ in range(300)]
    assert [each for each in ids if not each.isalnum()] == []


async def test_a_secret_is_shown_once_and_not_stored(installation: Installation) -> None:
    token = await token_of(installation, "SUPER_ADMIN", second_factor_at=time.time())
    body = {"client_name": "Portal", "scope": "openid", "redirect_uris": ["https://p.example/"]}
    answer = (await register(installation, token, body)).json()
    assert len(answer["client_secret"]) >= 43
    assert await installation.parts.clients.knows_secret(answer["client_id"], answer["client_secret"])
    row = await installation.parts.database["clients"].find_one({"_id": answer["client_id"]})
    assert answer["client_secret"] not in str(row)


@pytest.mark.parametrize("role", ["PATIENT", "DOCTOR", "RECEPTIONIST"])
async def test_nobody_else_registers_anything(installation: Installation, role: Role) -> None:
    token = await token_of(installation, role, second_factor_at=time.time())
    assert (await register(installation, token, LAB)).status_code == 403
    assert (await register(installation, await system_token(installation), LAB)).status_code == 403
    assert (await installation.http.post("/oauth/register", json=LAB)).status_code == 401


@pytest.mark.parametrize("age", [None, 400.0])
async def test_an_old_second_factor_is_not_enough(installation: Installation, age: float | None) -> None:
    proven = None if age is None else time.time() - age
    token = await token_of(installation, "ADMIN", second_factor_at=proven)
    assert (await register(installation, token, LAB)).status_code == 401


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"scope": "everything"}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"client_name": 5}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "EC", "kid": "a"}]}}, "invalid_client_metadata"),
        ({"jwks": {"keys": "x"}}, "invalid_client_metadata"),
        ({"redirect_uris": ["http://evil.example/"]}, "invalid_redirect_uri"),
    ],
)
async def test_what_is_not_sound_is_refused(installation: Installation, change: dict[str, Any], error: str) -> None:
    token = await token_of(installation, "ADMIN", second_factor_at=time.time())
    answer = await register(installation, token, {**LAB, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, error)
