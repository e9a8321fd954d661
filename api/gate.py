"""The limits on requests, as the surfaces apply them: by network before anybody is authenticated, by caller after.

Whoever asks for a password, a code or an account is held to a tighter, exact limit (`sign_in`). What a caller has left is
told in the headers of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from functools import lru_cache
from typing import NamedTuple

from api.settings import Settings
from domain.access import Caller
from domain.errors import Throttled
from domain.throttling import WINDOW_SECONDS, Policy, Throttle

Headers = MutableMapping[str, str]


class Policies(NamedTuple):
    """The limits of one installation; `None` is none."""

    caller: Policy | None = None
    network: Policy | None = None
    sign_in: Policy | None = None


class Gate:
    """Lets requests pass, or raises `Throttled`. `headers` gets what the client is told, either way."""

    def __init__(self, throttle: Throttle, policies: Policies) -> None:
        self._throttle = throttle
        self._policies = policies

    async def enter(self, network: str | None, headers: Headers) -> None:
        """A request from this address, of whoever it may be."""
        await self._pass(self._policies.network, network_of(network), headers)

    async def sign_in(self, network: str | None, headers: Headers) -> None:
        """A request from this address by which somebody becomes known: login, registration, inquiry, new password."""
        await self._pass(self._policies.sign_in, network_of(network), headers)

    async def admit(self, caller: Caller, headers: Headers) -> None:
        """A request of this caller: a person by account, a program by name."""
        name = f"account|{caller.account}" if caller.account is not None else f"client|{caller.client}"
        await self._pass(self._policies.caller, name, headers)

    async def _pass(self, policy: Policy | None, name: str, headers: Headers) -> None:
        if policy is None:
            return
        try:
            standing = await self._throttle.admit(policy, name)
        except Throttled as error:
            _tell(headers, policy, 0, error.retry_after)
            raise
        _tell(headers, policy, standing.remaining, standing.reset_seconds)


def policies_of(settings: Settings) -> Policies:
    """The limits the settings ask for; 0 is none."""

    def policy(name: str, limit: int, *, strict: bool = False) -> Policy | None:
        return Policy(name, limit, strict) if limit else None

    return Policies(
        policy("caller", settings.rate_limit),
        policy("network", settings.rate_limit_network),
        policy("sign-in", settings.rate_limit_sign_in, strict=True),
    )


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """The network an address stands for: itself, or the /64 of an IPv6 address, which is one household."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _tell(headers: Headers, policy: Policy, remaining: int, seconds: int) -> None:
    headers["ratelimit-policy"] = f'"{policy.name}";q={policy.limit};w={WINDOW_SECONDS}'
    headers["ratelimit"] = f'"{policy.name}";r={remaining};t={seconds}'
