"""What the tests here share: one running application, its clients, and assertions as a client would sign them."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from litestar import Litestar

from api.oauth.registration import Metadata, new_client, new_secret
from api.settings import Settings
from api.wiring import Opened

ORIGIN = "http://127.0.0.1:8000"
TOKEN_URL = f"{ORIGIN}/oauth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP384R1())


def public_jwk(key: Any, kid: str) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name("RS384" if isinstance(key, rsa.RSAPrivateKey) else "ES384")
    return {**msgspec.json.decode(algorithm.to_jwk(key.public_key())), "kid": kid}


@dataclass
class Installation:
    """The application, what it has opened, and a client that speaks HTTP to it."""

    app: Litestar
    parts: Opened
    http: httpx.AsyncClient
    settings: Settings

    async def register(self, name: str, **metadata: Any) -> tuple[str, str | None]:
        """A client, as `chartvault clients add` makes it: its id and its secret."""
        given = msgspec.convert({"client_name": name, **metadata}, Metadata)
        client = new_client(given, created=datetime.now(UTC), created_by="cli")
        secret = new_secret(client)
        await self.parts.clients.add(client, secret)
        return client.id, secret

    async def token(self, **form: str) -> httpx.Response:
        return await self.http.post("/oauth/token", data=form)

    async def last_entry(self) -> dict[str, Any]:
        found = await self.parts.database["audit"].find_one({}, sort=[("recorded", -1), ("_id", -1)])
        assert found is not None
        return found


def assertion(
    client: str, *, key: Any = EC_KEY, algorithm: str = "ES384", header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """A good client assertion, but for what is given."""
    body = {
        "iss": client,
        "sub": client,
        "aud": TOKEN_URL,
        "exp": int(time.time()) + 240,
        "jti": str(uuid.uuid4()),
        **claims,
    }
    body = {name: value for name, value in body.items() if value is not None}
    headers = {name: value for name, value in {"kid": "ec", **(header or {})}.items() if value is not None}
    return jwt.encode(body, key, algorithm=algorithm, headers=headers)
