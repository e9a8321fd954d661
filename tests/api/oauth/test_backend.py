"""Backend services, written from the specification: https://hl7.org/fhir/smart-app-launch/backend-services.html

Each forged assertion differs from the good one in one thing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.api.oauth.installation import ASSERTION_TYPE, EC_KEY, RSA_KEY, Installation, assertion

SCOPE = "system/Observation.rs"


async def ask(installation: Installation, made: str, scope: str = SCOPE, **more: str) -> Any:
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": made,
        **more,
    }
    return await installation.token(**form)


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA_KEY, "RS384", "rsa"), (EC_KEY, "ES384", "ec")])
async def test_a_backend_service_gets_a_token_and_searches_within_its_scopes(
    installation: Installation, backend: str, key: Any, algorithm: str, kid: str
) -> None:
    answer = await ask(installation, assertion(backend, key=key, algorithm=algorithm, header={"kid": kid}))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("bearer", 300, SCOPE)
    assert "refresh_token" not in body
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    headers = {"authorization": f"Bearer {body['access_token']}", "accept": "application/fhir+json"}
    assert (await installation.http.get("/fhir/Observation", headers=headers)).status_code == 200
    assert (await installation.http.get("/fhir/Patient", headers=headers)).status_code == 403
    assert (await installation.http.delete("/fhir/Observation/1", headers=headers)).status_code == 403


async def test_the_request_is_recorded_once_under_the_client_that_proved_itself(
    installation: Installation, backend: str
) -> None:
    audit = installation.parts.database["audit"]
    before = await audit.count_documents({})
    await ask(installation, assertion(backend))
    entry = await installation.last_entry()
    assert await audit.count_documents({}) == before + 1
    assert (entry["interaction"], entry["status"], entry["subject"], entry["client"]) == (
        "token",
        200,
        backend,
        backend,
    )
    await ask(installation, assertion(backend, key=ec.generate_private_key(ec.SECP384R1())))
    entry = await installation.last_entry()
    assert (entry["status"], entry["subject"], entry["client"]) == (400, "anonymous", "")


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/Observation.cruds", "system/Observation.crus"),
        ("system/Observation.rs system/Condition.rs", "system/Observation.rs"),
        ("system/Patient.read", "system/Patient.read"),
        ("system/Observation.rs?category=laboratory", "system/Observation.rs?category=laboratory"),
        ("openid system/Patient.r", "openid system/Patient.r"),
    ],
)
async def test_no_more_is_granted_than_was_registered(
    installation: Installation, backend: str, asked: str, granted: str
) -> None:
    assert (await ask(installation, assertion(backend), asked)).json()["scope"] == granted


@pytest.mark.parametrize(
    "asked", ["", "system/Condition.rs", "system/*.rs", "system/Observation.sr", "patient/Observation.rs", "openid"]
)
async def test_what_may_not_be_granted_is_an_invalid_scope(
    installation: Installation, backend: str, asked: str
) -> None:
    answer = await ask(installation, assertion(backend), asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def unsigned(client: str) -> str:
    _, body, _ = assertion(client).split(".")
    fake = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "ec", "typ": "JWT"}).encode()).rstrip(b"=")
    return f"{fake.decode()}.{body}."


def hmac_with_public_key(client: str) -> str:
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS384", "kid": "rsa", "typ": "JWT"}
    claims = jwt.decode(assertion(client), options={"verify_signature": False})
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims))
    mac = base64.urlsafe_b64encode(hmac.digest(pem, text, hashlib.sha384)).rstrip(b"=")
    return (text + b"." + mac).decode()


FORGED: dict[str, Callable[[str], str]] = {
    "alg none": unsigned,
    "HS384 with the public key": hmac_with_public_key,
    "signed by another key": lambda c: assertion(c, key=ec.generate_private_key(ec.SECP384R1())),
    "RS256 instead of RS384": lambda c: assertion(c, key=RSA_KEY, algorithm="RS256", header={"kid": "rsa"}),
    "key of another type": lambda c: assertion(c, header={"kid": "rsa"}),
    "unknown kid": lambda c: assertion(c, header={"kid": "other"}),
    "no kid": lambda c: assertion(c, header={"kid": None}),
    "a jku that was not registered": lambda c: assertion(c, header={"jku": "https://evil.example/jwks"}),
    "its own key": lambda c: assertion(
        c, key=(own := ec.generate_private_key(ec.SECP384R1())), header={"jwk": public(own)}
    ),
    "another audience": lambda c: assertion(c, aud="http://127.0.0.1:8000/fhir"),
    "several audiences": lambda c: assertion(c, aud=["http://127.0.0.1:8000/oauth/token", "https://evil.example"]),
    "no audience": lambda c: assertion(c, aud=None),
    "lives six minutes": lambda c: assertion(c, exp=int(time.time()) + 360),
    "expired": lambda c: assertion(c, exp=int(time.time()) - 60),
    "no expiry": lambda c: assertion(c, exp=None),
    "endless": lambda c: assertion(c, exp=10**30),
    "no jti": lambda c: assertion(c, jti=None),
    "an endless jti": lambda c: assertion(c, jti="x" * 300),
    "another issuer": lambda c: assertion(c, iss="somebody"),
    "another subject": lambda c: assertion(c, sub="somebody"),
    "not yet valid": lambda c: assertion(c, nbf=int(time.time()) + 120),
    "another type": lambda c: assertion(c, header={"typ": "at+jwt"}),
    "not a token": lambda c: "a.b.c",
    "oversize": lambda c: assertion(c, pad="x" * 9000),
}


def public(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(jwt.get_algorithm_by_name("ES384").to_jwk(key.public_key()))
    return made


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_assertion_is_an_invalid_client(installation: Installation, backend: str, forgery: str) -> None:
    answer = await ask(installation, FORGED[forgery](backend))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


async def test_an_assertion_is_good_once_even_for_two_at_the_same_time(
    installation: Installation, backend: str
) -> None:
    for _ in range(5):
        made = assertion(backend)
        answers = await asyncio.gather(*[ask(installation, made) for _ in range(4)])
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        again = await ask(installation, made)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_client")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unauthorized_client"),
        ({"client_secret": "x"}, "invalid_request"),
        ({"client_id": "somebody"}, "invalid_client"),
        ({"client_assertion_type": "urn:other"}, "invalid_request"),
    ],
)
async def test_a_request_that_does_not_fit_has_its_own_error(
    installation: Installation, backend: str, more: dict[str, str], error: str
) -> None:
    answer = await ask(installation, assertion(backend), **more)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"{}", "application/json"),
        (b"\xff=\xff", "application/x-www-form-urlencoded"),
        (b"grant_type=a&grant_type=b", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(100)), "application/x-www-form-urlencoded"),
        (b"a=%00", "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_that_is_no_form_is_an_invalid_request(
    installation: Installation, content: bytes, media: str
) -> None:
    answer = await installation.http.post("/oauth/token", content=content, headers={"content-type": media})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_body_without_end_is_too_large(installation: Installation) -> None:
    answer = await installation.http.post("/oauth/token", data={"a": "x" * 70_000})
    assert answer.status_code == 413


async def test_a_removed_client_gets_no_more_tokens(installation: Installation) -> None:
    client_id, secret = await installation.register(
        "App",
        scope="openid",
        redirect_uris=["https://app.example/"],
        token_endpoint_auth_method="client_secret_post",
        grant_types=["refresh_token"],
    )
    form = {"grant_type": "refresh_token", "client_id": client_id, "client_secret": secret or "", "refresh_token": "x"}
    assert (await installation.token(**form)).json()["error"] == "invalid_grant"
    assert await installation.parts.clients.remove(client_id)
    assert (await installation.token(**form)).json()["error"] == "invalid_client"
    assert not await installation.parts.clients.remove(client_id)


async def test_a_secret_is_checked_in_the_way_that_was_registered(installation: Installation) -> None:
    client_id, secret = await installation.register(
        "App", scope="openid", redirect_uris=["https://app.example/"], grant_types=["refresh_token"]
    )
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    good = await installation.http.post("/oauth/token", data=form, auth=(client_id, secret or ""))
    assert good.json()["error"] == "invalid_grant"
    for pair in ((client_id, "wrong"), ("nobody", secret or ""), (client_id, "")):
        wrong = await installation.http.post("/oauth/token", data=form, auth=pair)
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
        assert wrong.headers["www-authenticate"].startswith("Basic")
    posted = await installation.token(**form, client_id=client_id, client_secret=secret or "")
    assert posted.json()["error"] == "invalid_client"
    unproven = await installation.token(**form, client_id=client_id)
    assert unproven.json()["error"] == "invalid_client"
    row = await installation.parts.database["clients"].find_one({"_id": client_id})
    assert (secret or "").encode() not in str(row).encode()
