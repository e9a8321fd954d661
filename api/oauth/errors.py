"""Failures in OAuth's own words: https://www.rfc-editor.org/rfc/rfc6749#section-5.2 and the sections of each endpoint.

The endpoints for programs answer JSON with `error` and `error_description`; a failure of the authorization endpoint travels
in the redirect, unless client or redirect URI are in doubt.
"""

from __future__ import annotations

import msgspec

from api.errors import headers_of, status_of
from api.fhir.exchange import Reply
from domain.clients import UnsoundClient
from domain.errors import DomainError, Unavailable


class OAuthError(Exception):
    """`error` is a code of the RFC, `description` one sentence that quotes nothing of the request."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


def invalid_client(description: str, *, status: int = 400) -> OAuthError:
    """The client could not prove who it is. 401 answers an Authorization header, 400 anything else."""
    return OAuthError("invalid_client", description, status=status)


def error_reply(error: OAuthError) -> Reply:
    """The JSON answer of an endpoint for programs."""
    headers = {"pragma": "no-cache", "content-type": "application/json"}
    if error.status == 401:
        headers["www-authenticate"] = 'Basic realm="chartvault"'
    body = msgspec.json.encode({"error": error.error, "error_description": error.description})
    return Reply(error.status, headers, body)


def domain_error_reply(error: DomainError) -> Reply:
    """The same for a failure of the product itself."""
    status = status_of(error)
    if isinstance(error, UnsoundClient):
        code = error.reason or "invalid_client_metadata"
    elif isinstance(error, Unavailable):
        code = "temporarily_unavailable"
    elif status == 401:
        code = "invalid_token"
    elif status == 403:
        code = "insufficient_scope"
    else:
        code = "invalid_request" if status < 500 else "server_error"
    reply = error_reply(OAuthError(code, error.message, status=status))
    reply.headers.update(headers_of(error))
    return reply


def json_reply(content: object, status: int = 200) -> Reply:
    """An answer that holds credentials or says what is true now: never kept by anybody (RFC 6749 section 5.1)."""
    headers = {"content-type": "application/json", "pragma": "no-cache"}
    return Reply(status, headers, msgspec.json.encode(content))
