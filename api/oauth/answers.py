"""What the token endpoint gives: tokens with the launch context of SMART, and who logged in.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html, https://openid.net/specs/openid-connect-core-1_0.html
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from api.logins import Tokens
from api.oauth.service import Service

if TYPE_CHECKING:
    from api.oauth.codes import Approval

IDENTITY_SECONDS = 600


def token_answer(tokens: Tokens, scope: str) -> dict[str, object]:
    """The answer of RFC 6749 section 5.1. A refresh token only when the app asked to stay, or to come back."""
    answer: dict[str, object] = {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "scope": scope,
    }
    login = tokens.session.login
    if not {"offline_access", "online_access"}.isdisjoint(login.scope.split()):
        answer["refresh_token"] = tokens.refresh_token
    if login.patient is not None:
        answer["patient"] = login.patient
        answer["need_patient_banner"] = True
    return answer


async def identity_token(service: Service, approval: Approval, profiles: Sequence[str]) -> str:
    """Who logged in, for the app: the account, and with `fhirUser` the resource they are in the records."""
    await service.signatures.ensure("id")
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": service.issuer,
        "sub": approval.account,
        "aud": approval.client,
        "iat": now,
        "exp": now + IDENTITY_SECONDS,
        "auth_time": int(approval.authenticated_at),
        "acr": "2" if approval.second_factor_at is not None else "1",
    }
    if approval.nonce is not None:
        claims["nonce"] = approval.nonce
    person = fhir_user(profiles)
    if person is not None and "fhirUser" in approval.scope.split():
        claims["fhirUser"] = f"{service.settings.fhir_base}/{person}"
    return service.signatures.sign("id", claims, kind="JWT")


def fhir_user(profiles: Sequence[str]) -> str | None:
    """The one resource that stands for the person: `Practitioner`, `Patient`, `RelatedPerson` or `Person`."""
    for kind in ("Practitioner/", "Patient/", "RelatedPerson/", "Person/"):
        for profile in profiles:
            if profile.startswith(kind):
                return profile
    return None
