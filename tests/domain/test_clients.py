"""What a client may be: `domain/clients.py`"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from domain.clients import Client, UnsoundClient, require_sound

APP = Client(
    id="app",
    name="My Health",
    proof="none",
    grants=("authorization_code", "refresh_token"),
    scope="openid fhirUser launch/patient patient/*.rs",
    created=datetime(2026, 1, 1, tzinfo=UTC),
    created_by="cli",
    redirect_uris=("https://app.example/back",),
)
KEY = {"kid": "a", "kty": "EC", "crv": "P-384", "x": "x", "y": "y"}
LAB = msgspec.structs.replace(
    APP,
    proof="private_key_jwt",
    grants=("client_credentials",),
    scope="system/*.rs",
    redirect_uris=(),
    jwks_uri="https://lab.example/jwks",
)


def test_an_app_and_a_backend_service_are_sound() -> None:
    require_sound(APP)
    require_sound(LAB)
    require_sound(msgspec.structs.replace(LAB, jwks_uri=None, keys=(KEY,)))


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:4000/x", "http://localhost/x", "http://[::1]:1/x", "com.example.app:/x", "https://a/?x=1"]
)
def test_where_an_app_may_be_sent_back_to(uri: str) -> None:
    require_sound(msgspec.structs.replace(APP, redirect_uris=(uri,)))


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/back",
        "https://app.example/#x",
        "https://user@app.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "/back",
        "",
        "https://app.example/ back",
        "https://app.example/\r\nx: y",
        "https://" + "a" * 2000,
        "https://[broken",
    ],
)
def test_where_an_app_may_never_be_sent_back_to(uri: str) -> None:
    with pytest.raises(UnsoundClient) as refused:
        require_sound(msgspec.structs.replace(APP, redirect_uris=(uri,)))
    assert refused.value.reason == "invalid_redirect_uri"


@pytest.mark.parametrize(
    ("client", "change"),
    [
        (APP, {"name": ""}),
        (APP, {"name": "a\nb"}),
        (APP, {"grants": ()}),
        (APP, {"redirect_uris": ()}),
        (APP, {"scope": ""}),
        (APP, {"scope": "patient/*.sr"}),
        (APP, {"scope": "openid system/*.rs"}),
        (APP, {"keys": (KEY,)}),
        (LAB, {"proof": "client_secret_basic", "jwks_uri": None}),
        (LAB, {"proof": "none", "jwks_uri": None}),
        (LAB, {"jwks_uri": None}),
        (LAB, {"keys": (KEY,)}),
        (LAB, {"jwks_uri": "http://lab.example/jwks"}),
        (LAB, {"jwks_uri": "https://127.0.0.1/jwks"}),
        (LAB, {"jwks_uri": "https://[::1]/jwks"}),
        (LAB, {"jwks_uri": "https://localhost/jwks"}),
        (LAB, {"jwks_uri": "https://u:p@lab.example/jwks"}),
        (LAB, {"jwks_uri": None, "keys": ({**KEY, "d": "secret"},)}),
        (LAB, {"jwks_uri": None, "keys": ({"kty": "oct", "k": "secret", "kid": "a"},)}),
        (LAB, {"jwks_uri": None, "keys": (KEY, KEY)}),
        (LAB, {"jwks_uri": None, "keys": ({**KEY, "kid": ""},)}),
    ],
)
def test_what_is_not_sound(client: Client, change: dict[str, Any]) -> None:
    with pytest.raises(UnsoundClient) as refused:
        require_sound(msgspec.structs.replace(client, **change))
    assert "secret" not in refused.value.message
