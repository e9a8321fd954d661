"""Authorization requests: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1, SMART App Launch 2.2, PKCE with S256 alone.

Until client and redirect URI are certain nobody is redirected anywhere: such a failure is shown on a page. All others travel
back to the app, with its `state` and our `iss` (https://www.rfc-editor.org/rfc/rfc9207).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from api.fhir.exchange import Reply
from api.oauth.codes import CHALLENGE
from api.oauth.errors import OAuthError
from api.oauth.service import Service
from domain.clients import Client
from domain.scopes import covered

_LONGEST_STATE, _LONGEST_NONCE = 1_024, 512


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an app asks for, checked: `scope` is what it may be granted of it."""

    client: str
    client_name: str
    redirect_uri: str
    challenge: str
    scope: str
    state: str | None
    nonce: str | None

    def __repr__(self) -> str:
        return f"Request({self.client})"

    @property
    def needs_patient(self) -> bool:
        """Whether the app works on one patient, who has to be chosen."""
        return any(scope == "launch/patient" or scope.startswith("patient/") for scope in self.scope.split())


class Refused(Exception):
    """A failure that the app is told of, by way of the browser."""

    def __init__(self, redirect_uri: str, state: str | None, error: str, description: str) -> None:
        super().__init__(description)
        self.redirect_uri = redirect_uri
        self.state = state
        self.error = error
        self.description = description


async def requesting_client(service: Service, fields: Mapping[str, str]) -> Client:
    """The client, when it may redirect to where it says. Raises `OAuthError`, to be shown to the person."""
    client_id = fields.get("client_id", "")
    client = await service.clients.find(client_id) if 0 < len(client_id) <= 256 else None
    if client is None or "authorization_code" not in client.grants:
        raise OAuthError("invalid_request", "The app that sent you here is not registered.")
    if fields.get("redirect_uri") not in client.redirect_uris:
        raise OAuthError("invalid_request", "The app that sent you here gave an address that is not its own.")
    return client


def checked_request(service: Service, client: Client, fields: Mapping[str, str]) -> Request:
    """The request in full. Raises `Refused`."""
    redirect_uri, state = fields["redirect_uri"], fields.get("state")
    if state is not None and (len(state) > _LONGEST_STATE or not state.isprintable()):
        raise Refused(redirect_uri, None, "invalid_request", "state is too long")

    def refused(error: str, description: str) -> Refused:
        return Refused(redirect_uri, state, error, description)

    if "request" in fields or "request_uri" in fields:
        raise refused("request_not_supported", "Request objects are not read here")
    if fields.get("response_type") != "code":
        raise refused("unsupported_response_type", "response_type must be code")
    if fields.get("code_challenge_method") != "S256" or CHALLENGE.fullmatch(fields.get("code_challenge", "")) is None:
        raise refused("invalid_request", "PKCE with code_challenge_method S256 is required")
    if fields.get("aud", fields.get("resource", "")).rstrip("/") != service.settings.fhir_base:
        raise refused("invalid_request", "aud must be the FHIR base of this server")
    if "none" in fields.get("prompt", "").split():
        raise refused("login_required", "Nobody is logged in without being asked")
    scope = covered(fields.get("scope", ""), client.scope, ("patient", "user"))
    if not scope:
        raise refused("invalid_scope", "None of these scopes may be granted to the app")
    return Request(
        client=client.id,
        client_name=client.name,
        redirect_uri=redirect_uri,
        challenge=fields["code_challenge"],
        scope=scope,
        state=state,
        nonce=fields.get("nonce", "")[:_LONGEST_NONCE] or None,
    )


def redirect(service: Service, uri: str, state: str | None, **parameters: str) -> Reply:
    """Back to the app: 303, so that a form that was posted is never posted again."""
    given = {**parameters, **({} if state is None else {"state": state}), "iss": service.issuer}
    mark = "&" if "?" in uri else "?"
    return Reply(303, {"location": f"{uri}{mark}{urlencode(given)}"})


def refusal(service: Service, refused: Refused) -> Reply:
    return redirect(
        service, refused.redirect_uri, refused.state, error=refused.error, error_description=refused.description
    )
