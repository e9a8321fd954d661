"""Bearer tokens: `api/auth.py`. Each forged token differs from the good one in one thing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.auth import Authenticator, FindSession
from api.environment import load_settings
from api.settings import Settings, UnusableSettings
from api.tokens import mint, signing_key
from api.trusted_keys import TrustedKeys, VerifyingKey
from domain.accounts.account import Standing
from domain.errors import Unauthenticated
from domain.grounds import Grounds
from domain.sessions import Login, Present, Session

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


PRESENT = Present(
    Session(
        id="s-1",
        login=Login(
            account="ana",
            client="app",
            scope="user/*.rs",
            patient="7",
            authenticated_at=100.0,
            second_factor_at=101.0,
        ),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        last_used=datetime(2026, 1, 1, tzinfo=UTC),
        expires=datetime(2026, 1, 2, tzinfo=UTC),
    ),
    Standing("ana", "ACTIVE", frozenset({"DOCTOR"}), ("Practitioner/1",), ("Organization/1",), 1),
)


async def open_session(session: str, account: str, grounds: Grounds | None) -> Present | None:
    return PRESENT if (session, account) == ("s-1", "ana") else None


def authenticator(settings: Settings) -> Authenticator:
    return Authenticator(TrustedKeys(settings, None).find, nobody)


async def nobody(session: str, account: str, grounds: Grounds | None) -> Present | None:
    """Where no session is open."""
    return None


def auth(find_session: FindSession = nobody, *, own: bool = True, **more: Any) -> Authenticator:
    keys = {"k1": VerifyingKey(KEY.public_key(), "EdDSA", "us", "records", own)}
    return Authenticator(keys.get, find_session, **more)


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


async def test_a_good_token_gives_its_caller() -> None:
    caller = await auth().authenticate(f"Bearer {token()}", "10.0.0.1")
    assert (caller.subject, caller.client, caller.token_id, caller.network) == ("ana", "app", "t-1", "10.0.0.1")
    assert caller.may("s", "Patient")
    assert not caller.may("c", "Patient")
    assert caller.may("r", "Observation")


@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_is_refused_however_often_it_comes(forgery: str) -> None:
    made, checker = FORGED[forgery](), auth()
    await checker.authenticate(f"Bearer {token()}", None)
    for _ in range(2):
        with pytest.raises(Unauthenticated) as refused:
            await checker.authenticate(f"Bearer {made}", None)
    assert made[10:60] not in refused.value.message or len(made) < 10


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dTpw", f"Token {token()}", token()])
async def test_anything_but_a_bearer_header_is_no_caller(header: str | None) -> None:
    with pytest.raises(Unauthenticated, match="required"):
        await auth().authenticate(header, None)


async def test_clocks_may_differ_by_a_minute() -> None:
    assert await auth().authenticate(f"Bearer {token(exp=int(time.time()) - 50)}", None)
    assert await auth().authenticate(f"bearer {token(iat=int(time.time()) + 50)}", None)


async def test_a_remembered_token_is_looked_at_again_when_it_has_expired() -> None:
    clock = Clock()
    checker, header = auth(clock=clock), f"Bearer {token()}"
    first = await checker.authenticate(header, "10.0.0.1")
    assert await checker.authenticate(header, "10.0.0.1") is first
    clock.now += 300 + 61
    assert await checker.authenticate(header, "10.0.0.1") is not first


async def test_a_remembered_token_names_the_network_of_each_request() -> None:
    checker, header = auth(), f"Bearer {token()}"
    assert [(await checker.authenticate(header, ip)).network for ip in ("10.0.0.1", "10.0.0.2", None)] == [
        "10.0.0.1",
        "10.0.0.2",
        None,
    ]


async def test_the_memory_of_tokens_is_bounded_and_keeps_those_in_use() -> None:
    checker = auth(cache_size=2)
    headers = [f"Bearer {token(jti=str(n))}" for n in range(3)]
    first = await checker.authenticate(headers[0], None)
    await checker.authenticate(headers[1], None)
    assert await checker.authenticate(headers[0], None) is first
    await checker.authenticate(headers[2], None)
    assert len(checker._cache) == 2
    assert await checker.authenticate(headers[0], None) is first


async def test_scopes_of_a_wrong_kind_grant_nothing() -> None:
    assert (await auth().authenticate(f"Bearer {token(scope=['system/*.cruds'])}", None)).rights == {}


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

    async def test_a_minted_token_and_one_of_a_trusted_issuer_are_both_good(self, settings: Settings) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.trust(settings, key.public_key(), "ES256")
        checker = authenticator(settings)
        own = mint(settings, scopes="system/*.r", lifetime_seconds=60)
        assert (await checker.authenticate(f"Bearer {own}", None)).may("r", "Patient")
        theirs = token(key=key, algorithm="ES256", iss="them", header={"kid": "theirs"})
        assert (await checker.authenticate(f"Bearer {theirs}", None)).subject == "ana"

    async def test_an_issuer_cannot_speak_for_another(self, settings: Settings) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self.trust(settings, key.public_key(), "ES256")
        posing = token(
            key=key, algorithm="ES256", iss="chartvault", aud=settings.token_audience, header={"kid": "theirs"}
        )
        with pytest.raises(Unauthenticated):
            await authenticator(settings).authenticate(f"Bearer {posing}", None)

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


class TestSessions:
    """A token of a person is worth what its session and account are worth at this moment."""

    async def test_the_caller_is_who_the_account_is_now_and_not_who_the_token_says(self) -> None:
        checker = auth(open_session)
        made = token(sid="s-1", roles=["SUPER_ADMIN"], patient="8", auth_time=5)
        for _ in range(2):
            caller = await checker.authenticate(f"Bearer {made}", "10.0.0.1")
            assert (caller.account, caller.session, caller.roles) == ("ana", "s-1", {"DOCTOR"})
            assert (caller.profiles, caller.organizations) == (("Practitioner/1",), ("Organization/1",))
            assert (caller.patient, caller.authenticated_at, caller.second_factor_at) == ("7", 100.0, 101.0)
            assert (caller.subject, caller.network) == ("ana", "10.0.0.1")

    async def test_a_remembered_token_is_refused_once_its_session_has_ended(self) -> None:
        found: list[Present | None] = [PRESENT, None]

        async def once(session: str, account: str, grounds: Grounds | None) -> Present | None:
            return found.pop(0)

        checker, made = auth(once), token(sid="s-1")
        await checker.authenticate(f"Bearer {made}", None)
        with pytest.raises(Unauthenticated, match="has ended"):
            await checker.authenticate(f"Bearer {made}", None)

    async def test_another_issuer_cannot_name_a_session_of_ours(self) -> None:
        caller = await auth(open_session, own=False).authenticate(f"Bearer {token(sid='s-1')}", None)
        assert (caller.account, caller.session, caller.roles) == (None, None, frozenset())
