"""People who log in, and an app that asks them: what the tests of app launch share."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pyotp

from domain.access import Role
from domain.accounts.account import Account, Credentials, Totp
from tests.api.oauth.browser import Browser
from tests.api.oauth.installation import ORIGIN, Installation

BACK = "https://app.example/back"
FHIR = f"{ORIGIN}/fhir"
PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    id: str
    email: str
    totp: str | None = None

    @property
    def code(self) -> str:
        assert self.totp is not None
        return pyotp.TOTP(self.totp).now()


async def add_person(
    installation: Installation, *roles: Role, profiles: tuple[str, ...] = (), second_factor: bool = False
) -> Person:
    """An account that can log in at once."""
    now, name = datetime.now(UTC), secrets.token_hex(8)
    person = Person(name, f"{name}@example.org", pyotp.random_base32() if second_factor else None)
    account = Account(
        id=name,
        email=person.email,
        first_name="Ana",
        last_name="Example",
        status="ACTIVE",
        created=now,
        updated=now,
        roles=roles,
        profiles=profiles,
        email_verified=True,
        second_factor=second_factor,
    )
    people = installation.parts.people
    credentials = Credentials(
        account=name,
        password=await people.passwords.hash(PASSWORD),
        totp=Totp(person.totp, True) if person.totp else None,
    )
    await people.accounts.add(account, credentials)
    return person


async def add_patient(installation: Installation, family: str) -> str:
    """A Patient in the records; its id."""
    return await add(installation, {"resourceType": "Patient", "name": [{"given": ["Jo"], "family": family}]})


async def add_to_team(installation: Installation, patient: str, practitioner: str) -> str:
    """A CareTeam of the patient with this member."""
    team = {
        "resourceType": "CareTeam",
        "status": "active",
        "subject": {"reference": f"Patient/{patient}"},
        "participant": [{"member": {"reference": practitioner}}],
    }
    return await add(installation, team)


async def add(installation: Installation, body: dict[str, Any]) -> str:
    """A resource in the records; its id."""
    token = await system_token(installation)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    answer = await installation.http.post(f"/fhir/{body['resourceType']}", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def system_token(installation: Installation) -> str:
    from api.tokens import mint

    return mint(installation.settings, scopes="system/*.cruds", lifetime_seconds=600)


@dataclass
class App:
    """A public app: what it asks for, and what it remembers between the redirect and the token."""

    installation: Installation
    id: str
    scope: str = "openid fhirUser launch/patient offline_access patient/*.rs"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def request(self, **changes: str | None) -> dict[str, str]:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": BACK,
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
            "aud": FHIR,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def address(self, **changes: str | None) -> str:
        return f"{ORIGIN}/oauth/authorize?{urlencode(self.request(**changes))}"

    def browser(self) -> Browser:
        """A fresh one, without cookies."""
        transport = httpx.ASGITransport(self.installation.app)  # type: ignore[arg-type]
        return Browser(httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=30))

    async def exchange(self, code: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "client_id": self.id,
            "code_verifier": self.verifier,
            **changes,
        }
        return await self.installation.token(**form)

    async def launch(self, person: Person, patient: str | None = None) -> dict[str, Any]:
        """Log in and agree, as this person would, to the end."""
        code = await self.code(person, patient)
        answer = await self.exchange(code)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def code(self, person: Person, patient: str | None = None) -> str:
        browser = await self.browser().go(self.address())
        await browser.fill(email=person.email, password=PASSWORD)
        if person.totp:
            await browser.fill(code=person.code)
        if patient is not None:
            await browser.fill(patient=patient)
        await browser.fill("allow")
        assert browser.went is not None, browser.page.text
        return parameters(browser.went)["code"]


def parameters(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


async def get(installation: Installation, path: str, tokens: dict[str, Any]) -> int:
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    return (await installation.http.get(f"/fhir{path}", headers=headers)).status_code


def now() -> int:
    return int(time.time())
