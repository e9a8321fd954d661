"""OpenAPI of `/api/v1`, made from the table of endpoints and the types of its forms and views.

https://spec.openapis.org/oas/v3.0.3, https://jcristharif.com/msgspec/jsonschema.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from api.v1.endpoint import Endpoint
from api.v1.examples import example_of
from api.v1.problems import PROBLEM, Problem
from api.v1.surface import BASE

_REFS = "#/components/schemas/{name}"
_HEADERS: dict[str, dict[str, Any]] = {
    "If-Match": {"type": "string", "example": 'W/"3"', "description": "The version that was read"},
    "Idempotency-Key": {
        "type": "string",
        "maxLength": 200,
        "example": "0d9f6b2e-8a5c-4a43-b4d1-6f0e3f0a7c11",
        "description": "The same key and body again answer what was answered first",
    },
}
SAID: dict[int, str] = {
    303: "It is elsewhere, at Location",
    400: "The request cannot be understood, or asks for more than a stated limit",
    401: "No token, an expired one, or one that proves nothing; or a second factor is asked for again",
    403: "The caller may not do this; `code` says why",
    404: "It does not exist, or the caller does not see it",
    405: "There is no such operation here",
    406: "Answers are written as application/json",
    408: "The body did not arrive in time",
    409: "It would break a rule about others, or others were faster; `code` says which",
    410: "It was removed or erased, or a link has expired",
    412: "Somebody changed it since it was read; or what a decision needs cannot be fetched",
    413: "The body is too large",
    415: "The body is of another media type than expected",
    416: "There is no such range of bytes",
    422: "A value breaks a rule; `errors` names each field",
    423: "The document holds malware",
    424: "What this depends on elsewhere is known to fail, or could not be fetched; `code` says which",
    428: "If-Match with the version that was read is required",
    429: "Too many requests; come back after Retry-After seconds",
    500: "Something went wrong here; the request id tells us what",
    501: "This installation has nobody to carry this out",
    503: "A part we depend on does not answer; try again",
}
"""What each status means on every endpoint."""
_PARAMETER = re.compile(r"\{(\w+)\}")


def paths_and_schemas(table: Sequence[Endpoint]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `paths` and the `components.schemas` they refer to."""
    kinds = [kind for each in table for kind in (each.body, each.answers) if kind is not None]
    schemas, components = msgspec.json.schema_components([*dict.fromkeys(kinds), Problem], ref_template=_REFS)
    by_kind = dict(zip([*dict.fromkeys(kinds), Problem], schemas, strict=True))
    paths: dict[str, Any] = {}
    for each in table:
        operation = _operation(each, by_kind, components)
        paths.setdefault(BASE + each.path, {})[each.method.lower()] = operation
    return paths, {name: _as_3_0(schema) for name, schema in components.items()}


def _operation(endpoint: Endpoint, schemas: dict[Any, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    said = (endpoint.handler.__doc__ or endpoint.interaction).strip()
    answer: dict[str, Any] = {"description": "Done"}
    if endpoint.answers is not None:
        answer["content"] = {"application/json": _with_example(schemas[endpoint.answers], components)}
    elif endpoint.status == 200:
        answer["content"] = {"*/*": {"schema": {}}}
    operation: dict[str, Any] = {
        "summary": said.splitlines()[0],
        "description": said,
        "operationId": f"{endpoint.method.lower()} {endpoint.path}",
        "tags": [endpoint.path.split("/")[1]],
        "parameters": [*_in_path(endpoint), *_in_query(endpoint), *_in_headers(endpoint)],
        "responses": {
            **{str(status): answer for status in (endpoint.status, *endpoint.also)},
            **_refusals(endpoint, schemas[Problem]),
        },
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.body is not None:
        content = {"application/json": _with_example(schemas[endpoint.body], components)}
        operation["requestBody"] = {"required": not endpoint.blank, "content": content}
    elif endpoint.takes is not None:
        content = {endpoint.takes: {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _with_example(schema: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema": schema, "example": example_of(schema, components)}


def _refusals(endpoint: Endpoint, problem: Any) -> dict[str, Any]:
    """Every status besides success, each with its problem document."""
    found = {400, 406, 429, 500, 503, *endpoint.refuses}
    if not endpoint.public or endpoint.optional:
        found |= {401, 403}
    if "{" in endpoint.path:
        found |= {404, 410, 422}
    if endpoint.query is not None:
        found |= {400, 422}
    if endpoint.body is not None or endpoint.streams:
        found |= {400, 408, 413, 415, 422} | (set() if endpoint.public else {404})
    if endpoint.method in ("PUT", "PATCH", "DELETE"):
        found |= {409, 412, 428}
    if endpoint.replays:
        found |= {409, 422}
    return {
        str(status): {
            "description": SAID[status],
            **({"content": {PROBLEM: {"schema": problem}}} if status >= 400 else {}),
        }
        for status in sorted(found - {endpoint.status})
    }


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = _PARAMETER.findall(endpoint.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = ["Idempotency-Key"] if endpoint.replays else []
    names += ["If-Match"] if endpoint.method in ("PUT", "PATCH", "DELETE") else []
    return [{"name": name, "in": "header", "required": False, "schema": _HEADERS[name]} for name in names]


def _in_query(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    (reference,), components = msgspec.json.schema_components([endpoint.query], ref_template=_REFS)
    form = components[reference["$ref"].rpartition("/")[2]]
    required = form.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _as_3_0(schema)}
        for name, schema in form["properties"].items()
    ]


def _as_3_0(schema: Any) -> Any:
    """JSON Schema as OpenAPI 3.0 has it: `nullable` instead of the type null, no tuples."""
    if isinstance(schema, list):
        return [_as_3_0(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _as_3_0(value) for name, value in schema.items()}
    choices = found.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        left = [each for each in choices if each != {"type": "null"}]
        del found["anyOf"]
        found = {**found, **(left[0] if len(left) == 1 else {"anyOf": left}), "nullable": True}
    return found
