"""Callers of every kind without logging anybody in: the bearer token is the name of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from litestar import Litestar

from api.fhir.ahead import Guesses
from domain.access import Caller, parse_scopes
from domain.errors import Unauthenticated
from domain.grounds import Grounds

BASE = "http://127.0.0.1:8000/fhir"
EVERYTHING = parse_scopes("system/*.cruds")


def person(name: str, *roles: str, **fields: Any) -> Caller:
    """Somebody with an account of that name, and every scope."""
    known: Any = frozenset(roles)
    return Caller(name, "app", f"token-{name}", EVERYTHING, "10.1.2.3", account=name, roles=known, **fields)


PROGRAM = Caller("program", "program", "token-program", EVERYTHING, "10.9.9.9")


def admit(app: Litestar, callers: Mapping[str, Caller]) -> None:
    """Let the surface take `Bearer <name>` for that caller."""
    surface = app.state.fhir

    def known(header: str | None, _network: str | None) -> Caller:
        caller = callers.get((header or "").removeprefix("Bearer "))
        if caller is None:
            raise Unauthenticated("A bearer token is required")
        return caller

    async def authenticate(header: str | None, network: str | None, grounds: Grounds) -> Caller:
        caller = known(header, network)
        grounds.said("who")
        return caller

    surface._authenticate = authenticate
    surface._guesses = Guesses()  # Others may have had these names.


def client_of(app: Litestar, name: str, **headers: str) -> httpx.AsyncClient:
    """A client of the FHIR base that is `name`."""
    given = {"authorization": f"Bearer {name}", "content-type": "application/fhir+json", **headers}
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=BASE, headers=given, timeout=30)
