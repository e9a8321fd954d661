"""One application for the tests of each module here, over a real MongoDB, with clients registered as operators do it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from api.settings import Settings
from api.wiring import opened
from tests.api.conftest import started
from tests.api.oauth.installation import EC_KEY, ORIGIN, RSA_KEY, Installation, public_jwk
from tests.api.oauth.people import BACK, App


@pytest.fixture(scope="module")
async def installation(
    tmp_path_factory: pytest.TempPathFactory, mongo_uri: str, mongo_admin: MongoClient[dict[str, Any]]
) -> AsyncIterator[Installation]:
    """The application with a database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("oauth"),
        mongodb_uri=mongo_uri,
        database=name,
        keys_database=f"{name}_keys",
        log_level="error",
    )
    async with started(settings) as app, opened(settings) as parts:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30) as http:
            yield Installation(app, parts, http, settings)
    for dropped in (name, f"{name}_keys"):
        mongo_admin.drop_database(dropped)


@pytest.fixture(scope="module")
async def backend(installation: Installation) -> str:
    """The id of a backend service with an RSA and an EC key."""
    keys = {"keys": [public_jwk(RSA_KEY, "rsa"), public_jwk(EC_KEY, "ec")]}
    client_id, _ = await installation.register(
        "Lab",
        grant_types=["client_credentials"],
        token_endpoint_auth_method="private_key_jwt",
        scope="system/Observation.crus system/Patient.rs openid",
        jwks=keys,
    )
    return client_id


@pytest.fixture
async def app(installation: Installation) -> App:
    """A public app that may read what the person may."""
    client_id, _ = await installation.register(
        "My <b>Health</b>",
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
        scope="openid fhirUser launch/patient offline_access online_access patient/*.rs user/*.rs",
        redirect_uris=[BACK, "com.example.app:/back"],
    )
    return App(installation, client_id)
