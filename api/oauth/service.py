"""What the OAuth endpoints work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from api.auth import Authenticator
from api.logins import Logins
from api.oauth.key_sets import KeySets
from api.settings import Settings
from api.signatures import Signatures
from api.tokens import AccessTokens
from domain.access import Caller
from domain.accounts.people import People
from domain.accounts.ports import Accounts
from domain.clients import Clients
from domain.interactions.parts import Parts
from domain.vouchers import Vouchers

Resolve: TypeAlias = Callable[[Caller], Awaitable[Caller]]
"""Caller to the caller with what they may see now: `domain.policy.resolving`."""


class Service(NamedTuple):
    """Ports and settings of all endpoints."""

    parts: Parts
    settings: Settings
    clients: Clients
    vouchers: Vouchers
    accounts: Accounts
    people: People
    logins: Logins
    tokens: AccessTokens
    signatures: Signatures
    authenticator: Authenticator
    resolve: Resolve
    key_sets: KeySets

    @property
    def issuer(self) -> str:
        """Our name for others: https://www.rfc-editor.org/rfc/rfc8414#section-2"""
        return self.settings.public_url

    def url(self, endpoint: str) -> str:
        """The address of an endpoint as clients see it."""
        return f"{self.settings.public_url}/oauth/{endpoint}"
