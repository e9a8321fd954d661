"""Bearer tokens: `api/auth.py`. Each forged token differs from the good one in one thing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.auth import Authenticator, VerifyingKey, authenticator
from api.settings import Settings, UnusableSettings, load_settings
from api.tokens import mint, signing_key
from domain.errors import Unauthenticated

KEY = Ed25519PrivateKey.generate()
CLAIMS: dict[str, Any] = {
    "iss": "us",
    "aud": "records",
    "sub": "ana",
    "client_id": "app",
    "scope": "system/Patient.rs user/Observation.r",
    "jti": "t-1",
}


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def auth(**more: Any) -> Authenticator:
    return Authenticator({"k1": VerifyingKey(KEY.public_key(), "EdDSA", "us", "records")}, **more)


def token(
    *, key: Any = KEY, algorithm: str = "EdDSA", header: dict[str, Any] | None = None, without: str = "", **claims: Any
) -> str:
    now = int(time.time())
    body = {**CLAIMS, "iat": now, "exp": now + 300, **claims}
    body.pop(without, None)
    return jwt.encode(body, key, algorithm=algorithm, headers={"typ": "at+jwt", "kid": "k1", **(header or {})})


def signed_by_hand(header: dict[str, Any], secret: bytes | None) -> str:
    """A token that no careful library would make."""
    now = int(time.time())
    parts = [header, {**CLAIMS, "iat": now, "exp": now + 300}]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    tag = hmac.new(secret, text, hashlib.sha256).digest() if secret is not None else b""
    return (text + b"." + base64.urlsafe_b64encode(tag).rstrip(b"=")).decode()


def as_hmac_of_the_public_key() -> str:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return signed_by_hand({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}, pem)


def with_its_own_key() -> str:
    other = Ed25519PrivateKey.generate()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(other.public_key()))
    return token(key=other, header={"jwk": jwk, "jku": "https://evil.example/jwks", "x5u": "https://evil.example/c"})


FORGED: dict[str, Callable[[], str]] = {
    "alg none": lambda: signed_by_hand({"alg": "none", "typ": "at+jwt", "kid": "k1"}, None),
    "HS256 with the public key": as_hmac_of_the_public_key,
    "wrong audience": lambda: token(aud="elsewhere"),
    "no expiry": lambda: token(without="exp"),
    "expired": lambda: token(exp=int(time.time()) - 61),
    "unknown kid": lambda: token(header={"kid": "k2"}),
    "its own key by jku, jwk, x5u": with_its_own_key,
    "another issuer": lambda: token(iss="them"),
    "signed by another key": lambda: token(key=Ed25519PrivateKey.generate()),
    "an id token": lambda: token(header={"typ": "JWT"}),
    "no audience": lambda: token(without="aud"),
    "no issuer": lambda: token(without="iss"),
    "no subject": lambda: token(without="sub"),
    "no token id": lambda: token(without="jti"),
    "no issue time": lambda: token(without="iat"),
    "empty subject": lambda: token(sub=""),
    "issued in the future": lambda: token(iat=int(time.time()) + 120),
    "not yet valid": lambda: token(nbf=int(time.time()) + 120),
    "critical header not understood": lambda: token(header={"crit": ["b64"], "b64": False}),
    "endless expiry": lambda: token(exp=float("inf")),
    "kid of a wrong kind": lambda: signed_by_hand({"alg": "EdDSA", "typ": "at+jwt", "kid": ["k1"]}, b""),
    "changed payload": lambda: token()[:60] + "A" + token()[61:],
    "oversize": lambda: token(scope="x" * 9000),
    "not a token": lambda: "a.b.c",
    "not ascii": lambda: "é",
    "empty": lambda: "",
}


def test_a_good_token_gives_its_caller() -> None:
    caller = auth().authenticate(f"Bearer {token()}", "10.0.0.1")
    assert (caller.subject, caller.client, caller.token_id, caller.network) == ("ana", "app", "t-1", "10.0.0.1")
    assert caller.may("s", "Patient")
    assert not caller.may("c", "Patient")
    assert caller.may("r", "Observation")


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_token_is_refused_however_often_it_comes(forgery: str) -> None:
    made, checker = FORGED[forgery](), auth()
    checker.authenticate(f"Bearer {token()}", None)
    for _ in range(2):
        with pytest.raises(Unauthenticated) as refused:
            checker.authenticate(f"Bearer {made}", None)
    assert made[10:60] not in refused.value.message or len(made) < 10


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dTpw", f"Token {token()}", token()])
def test_anything_but_a_bearer_header_is_no_caller(header: str | None) -> None:
    with pytest.raises(Unauthenticated, match="required"):
        auth().authenticate(header, None)


def test_clocks_may_differ_by_a_minute() -> None:
    assert auth().authenticate(f"Bearer {token(exp=int(time.time()) - 50)}", None)
    assert auth().authenticate(f"bearer {token(iat=int(time.time()) + 50)}", None)


def test_a_remembered_token_is_looked_at_again_when_it_has_expired() -> None:
    clock = Clock()
    checker, header = auth(clock=clock), f"Bearer {token()}"
    first = checker.authenticate(header, "10.0.0.1")
    assert checker.authenticate(header, "10.0.0.1") is first
    clock.now += 300 + 61
    assert checker.authenticate(header, "10.0.0.1") is not first


def test_a_remembered_token_names_the_network_of_each_request() -> None:
    checker, header = auth(), f"Bearer {token()}"
    assert [checker.authenticate(header, ip).network for ip in ("10.0.0.1", "10.0.0.2", None)] == [
        "10.0.0.1",
        "10.0.0.2",
        None,
    ]


def test_the_memory_of_tokens_is_bounded_and_keeps_those_in_use() -> None:
    checker = auth(cache_size=2)
    headers = [f"Bearer {token(jti=str(n))}" for n in range(3)]
    first = checker.authenticate(headers[0], None)
    checker.authenticate(headers[1], None)
    assert checker.authenticate(headers[0], None) is first
    checker.authenticate(headers[2], None)
    assert len(checker._cache) == 2
    assert checker.authenticate(headers[0], None) is first


def test_scopes_of_a_wrong_kind_grant_nothing() -> None:
    assert auth().authenticate(f"Bearer {token(scope=['system/*.cruds'])}", None).rights == {}


class TestIssuers:
    """The issuers an installation trusts."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return load_settings({}, data_dir=tmp_path, token_issuers=tmp_path / "issuers.json")

    def trust(self, settings: Settings, public: Any, algorithm: str, kid: str = "theirs") -> None:
        kind = {"E": jwt.algorithms.ECAlgorithm, "R": jwt.algorithms.RSAAlgorithm}[algorithm[0]]
        jwk = {**json.loads(kind.to_jwk(public)), "kid": kid}
        row = {"issuer": "them", "algorithm": algorithm, "keys": [jwk], "audience": "records"}
        assert settings.token_issuers is not None
        settings.token_issuers.write_text(json.dumps([row]))

    def test_a_minted_token_and_one_of_a_trusted_issuer_are_both_good(self, settings: Settings) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.trust(settings, key.public_key(), "ES256")
        checker = authenticator(settings)
        own = mint(settings, scopes="system/*.r", lifetime_seconds=60)
        assert checker.authenticate(f"Bearer {own}", None).may("r", "Patient")
        theirs = token(key=key, algorithm="ES256", iss="them", header={"kid": "theirs"})
        assert checker.authenticate(f"Bearer {theirs}", None).subject == "ana"

    def test_an_issuer_cannot_speak_for_another(self, settings: Settings) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.trust(settings, key.public_key(), "ES256")
        posing = token(
            key=key, algorithm="ES256", iss="chartvault", aud=settings.token_audience, header={"kid": "theirs"}
        )
        with pytest.raises(Unauthenticated):
            authenticator(settings).authenticate(f"Bearer {posing}", None)

    def test_a_short_key_is_refused(self, settings: Settings) -> None:
        key = rsa.generate_private_key(65537, 1024)
        self.trust(settings, key.public_key(), "RS256")
        with pytest.raises(UnusableSettings, match="too short"):
            authenticator(settings)

    def test_a_private_key_is_refused(self, settings: Settings) -> None:
        self.trust(settings, ec.generate_private_key(ec.SECP256R1()), "ES256")
        with pytest.raises(UnusableSettings, match="not a public key"):
            authenticator(settings)

    def test_a_key_named_like_ours_is_refused(self, settings: Settings) -> None:
        ours = signing_key(settings.token_key_path).id
        self.trust(settings, ec.generate_private_key(ec.SECP256R1()).public_key(), "ES256", kid=ours)
        with pytest.raises(UnusableSettings, match="two keys"):
            authenticator(settings)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("[", "cannot be read"),
            ('[{"issuer": "x", "algorithm": "HS256", "keys": []}]', "not an asymmetric signature"),
            ('[{"issuer": "x", "algorithm": "EdDSA", "keys": [{"kty": "OKP"}]}]', "not usable"),
            ('[{"issuer": "x", "algorithm": "EdDSA", "keys": [], "jku": "https://x"}]', "unknown field"),
        ],
    )
    def test_a_bad_file_is_refused(self, settings: Settings, text: str, said: str) -> None:
        assert settings.token_issuers is not None
        settings.token_issuers.write_text(text)
        with pytest.raises(UnusableSettings, match=said):
            authenticator(settings)
