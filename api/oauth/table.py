"""Every OAuth endpoint."""

from __future__ import annotations

from api.oauth.authorize import act, show
from api.oauth.discovery import key_set
from api.oauth.pages import style
from api.oauth.registration import register
from api.oauth.surface import Route, Routes
from api.oauth.token import token
from api.oauth.token_state import introspect, revoke

ROUTES: Routes = {
    "authorize": {"GET": Route(show, "authorize"), "POST": Route(act, "authorize")},
    "token": {"POST": Route(token, "token")},
    "revoke": {"POST": Route(revoke, "token-revoke")},
    "introspect": {"POST": Route(introspect, "token-introspect")},
    "register": {"POST": Route(register, "client-register")},
    "style.css": {"GET": Route(style, "style", recorded=False)},
    "jwks": {"GET": Route(key_set, "jwks", recorded=False)},
}
