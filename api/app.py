"""The application: Litestar with the surfaces at `/fhir`, `/api/v1`, `/cds-services` and `/oauth`, documentation and probes.

`create_app` is the factory the server calls in each worker; it reads the settings from the environment. What it needs from
storage is opened when the application starts and closed when it stops.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from litestar import Litestar, Request, Response, asgi
from litestar.exceptions import HTTPException
from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from api import docs, health, surfaces, wiring
from api.background import repeated
from api.environment import load_settings
from api.fhir.surface import FhirSurface
from api.front import Front
from api.logs import configure
from api.oauth import well_known
from api.oauth.surface import OAuthSurface
from api.posting import posting
from api.settings import Settings
from api.settling import SETTLE_SECONDS, settle_payments
from api.syncing import post_of, syncing
from api.v1.surface import Surface
from domain.clinic import expiring

SWEEP_SECONDS = 600.0


@asgi("/fhir", is_mount=True, copy_scope=False)
async def fhir(scope: Scope, receive: Receive, send: Send) -> None:
    """`/fhir` itself; what is below it has a shorter way (`Application.resources`)."""
    surface: FhirSurface = scope["litestar_app"].state.fhir
    await surface(scope, receive, send)  # type: ignore[arg-type]


@asgi("/api/v1", is_mount=True, copy_scope=False)
async def v1(scope: Scope, receive: Receive, send: Send) -> None:
    """Everything below `/api/v1`."""
    surface: Surface = scope["litestar_app"].state.v1
    await surface(scope, receive, send)  # type: ignore[arg-type]


@asgi("/cds-services", is_mount=True, copy_scope=False)
async def cds(scope: Scope, receive: Receive, send: Send) -> None:
    """The CDS services of `/api/v1`, at the address that CDS Hooks expects below a base URL."""
    surface: Surface = scope["litestar_app"].state.v1
    await surface(scope, receive, send)  # type: ignore[arg-type]


@asgi("/oauth", is_mount=True, copy_scope=False)
async def oauth(scope: Scope, receive: Receive, send: Send) -> None:
    """Everything below `/oauth`."""
    surface: OAuthSurface = scope["litestar_app"].state.oauth
    await surface(scope, receive, send)  # type: ignore[arg-type]


class Application(Litestar):
    """Litestar behind the front: what holds for every request and answer, whoever answers."""

    front: Front
    resources: FhirSurface | None = None
    """Answers below `/fhir/` without Litestar in between, which only finds the mount: 15 us of a request's 300."""

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """One connection, or the life of the process."""
        if str(scope["type"]) == "http":
            path = str(scope["path"])  # type: ignore[typeddict-item]
            below = path.startswith("/fhir/") and not path.startswith("/fhir/.well-known/")
            direct = self.resources if below else None
            await self.front(direct or super().__call__, scope, receive, send)  # type: ignore[arg-type]
        else:
            await super().__call__(scope, receive, send)


def create_app(settings: Settings | None = None) -> Litestar:
    """The application for `settings`, by default those of the environment."""
    chosen = settings or load_settings()
    configure(chosen.log_level)

    @asynccontextmanager
    async def open_parts(app: Litestar) -> AsyncIterator[None]:
        async with wiring.opened(chosen) as parts:
            if settings is None:  # a worker of the server, whose process is ours
                _settle()
            app.state.fhir = application.resources = surfaces.fhir_surface(chosen, parts)
            app.state.logins = surfaces.logins(chosen, parts)
            service = surfaces.v1_service(chosen, parts)
            app.state.v1 = surfaces.v1_surface(chosen, parts, service)
            app.state.oauth = surfaces.oauth_surface(chosen, parts)
            app.state.settings = chosen
            app.state.ready = parts.ready
            desk = surfaces.desk(chosen, parts)
            async with (
                repeated("alerts", parts.alert),
                posting(
                    parts.parts, parts.people, parts.telling, {**parts.carriers, "provider": post_of(service.sync)}
                ),
                repeated("jobs", parts.work),
                syncing(service.sync),
                repeated("holds", lambda: expiring.write_down(desk), seconds=expiring.EVERY_SECONDS),
                repeated("signing keys", parts.signatures.refresh),
                repeated("payments", partial(settle_payments, service), seconds=SETTLE_SECONDS),
                repeated("blobs", parts.upkeep.sweep_in_turn, seconds=SWEEP_SECONDS),
            ):
                yield

    application = Application(
        route_handlers=[fhir, v1, cds, oauth, *well_known.HANDLERS, *docs.HANDLERS, *health.HANDLERS],
        lifespan=[open_parts],
        openapi_config=None,
        exception_handlers={HTTPException: _problem},
        logging_config=None,
    )
    application.front = Front(chosen)
    return application


def _settle() -> None:
    """Take what start-up made (tables of all types) out of garbage collection: going through it stops everybody for tens of
    milliseconds, and a search that decodes a page of documents must not start a collection by itself."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _problem(_: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """Failures outside FHIR as problem+json (RFC 9457)."""
    body = {"type": "about:blank", "title": error.detail, "status": error.status_code}
    headers = dict(error.headers or {})
    return Response(body, status_code=error.status_code, media_type="application/problem+json", headers=headers)
