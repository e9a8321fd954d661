"""The API description and a page to read it: OpenAPI 3.0 made from the route table, shown by Swagger UI.

Everything the page loads comes from this server (the assets are in the package swagger-ui-bundle), so that it works
offline and under a policy that forbids every other host. The page holds no data and needs no token; calls made from it do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import swagger_ui_bundle  # type: ignore[import-untyped]
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from api.fhir.routes import ROUTES, Route
from api.v1.openapi import paths_and_schemas
from api.v1.table import TABLE

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_POLICY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Chartvault API</title>
<link rel="stylesheet" href="/api/docs/assets/swagger-ui.css">
<link rel="icon" type="image/png" href="/api/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<script src="/api/docs/assets/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
"""
_START = b'SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null});\n'
_SUMMARIES = {
    "transaction": "Process a batch or transaction Bundle",
    "capabilities": "What this server can do",
    "operation": "Check a resource without storing it",
}
_BODIES = {"resource": "A FHIR resource, or a patch", "bundle": "A Bundle of type batch or transaction"}


@get("/api/docs", include_in_schema=False, sync_to_thread=False)
def page() -> Response[bytes]:
    """The documentation page."""
    return Response(_PAGE, media_type="text/html; charset=utf-8", headers=_POLICY)


@get("/api/docs/start.js", include_in_schema=False, sync_to_thread=False)
def start() -> Response[bytes]:
    """The page's own script, a file of its own so that inline scripts can stay forbidden."""
    return Response(_START, media_type="text/javascript", headers=_POLICY)


@get("/api/docs/assets/{name:str}", include_in_schema=False, sync_to_thread=True)
def asset(name: FromPath[str]) -> Response[bytes]:
    """One file of Swagger UI."""
    if name not in _ASSETS:
        raise NotFoundException
    body = (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes()
    return Response(body, media_type=_ASSETS[name], headers={**_POLICY, "cache-control": "max-age=86400"})


@get("/api/openapi.json", include_in_schema=False, sync_to_thread=False)
def description() -> Response[bytes]:
    """Both surfaces as OpenAPI 3.0."""
    return Response(msgspec.json.encode(openapi()), media_type="application/json", headers=_POLICY)


def openapi() -> dict[str, Any]:
    """OpenAPI 3.0 of every route of both tables: https://spec.openapis.org/oas/v3.0.3"""
    paths = {
        f"/fhir/{shape}".rstrip("/"): {
            "parameters": [_path_parameter(name) for name in ("type", "id", "version") if f"{{{name}}}" in shape],
            **{method.lower(): _operation(shape, method, route) for method, route in routes.items()},
        }
        for shape, routes in ROUTES.items()
    }
    friendly, schemas = paths_and_schemas(TABLE)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Chartvault",
            "version": "0.1.0",
            "description": "FHIR R4 document store. Every resource type has the same interactions; "
            "see /fhir/metadata for the types and their search parameters.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": friendly | paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"token": []}],
    }


def _path_parameter(name: str) -> dict[str, Any]:
    example = {"type": "Patient", "id": "example", "version": "1"}[name]
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "example": example}


def _operation(shape: str, method: str, route: Route) -> dict[str, Any]:
    said = (route.handler.__doc__ or route.interaction).strip().splitlines()[0]
    operation: dict[str, Any] = {
        "summary": _SUMMARIES.get(route.interaction, route.interaction),
        "description": said,
        "operationId": f"{method.lower()} {shape or 'base'}",
        "tags": ["public" if route.public else "fhir"],
        "responses": {
            "2XX": {"description": "Done", "content": {"application/fhir+json": {"schema": {"type": "object"}}}},
            "default": {
                "description": "An OperationOutcome that says what was wrong, and where",
                "content": {"application/fhir+json": {"schema": {"type": "object"}}},
            },
        },
    }
    if route.public:
        operation["security"] = []
    if route.body:
        content = {"application/fhir+json": {"schema": {"type": "object"}}}
        operation["requestBody"] = {"description": _BODIES[route.body], "required": True, "content": content}
    return operation


HANDLERS = [page, start, asset, description]
