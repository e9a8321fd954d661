"""Where discovery documents are found: https://www.rfc-editor.org/rfc/rfc8615

Plain routes beside the mounted surfaces, so that content negotiation of FHIR never touches them.
"""

from __future__ import annotations

from litestar import Request, Response, get
from litestar.datastructures import State

from api.oauth.discovery import KEPT_SECONDS, metadata_reply


@get(
    [
        "/fhir/.well-known/smart-configuration",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ],
    include_in_schema=False,
    sync_to_thread=False,
)
def discovery(request: Request[object, object, State]) -> Response[bytes]:
    """The metadata of the authorization server, for SMART, OAuth 2.0 and OpenID Connect clients."""
    reply = metadata_reply(request.app.state.settings)
    headers = {
        **reply.headers,
        "cache-control": f"public, max-age={KEPT_SECONDS}",
        "x-content-type-options": "nosniff",
    }
    return Response(reply.body, media_type="application/json", headers=headers)


HANDLERS = [discovery]
