"""OpenAPI of `/api/v1`, made from the table of endpoints and the types of its forms and views.

https://spec.openapis.org/oas/v3.0.3, https://jcristharif.com/msgspec/jsonschema.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from api.v1.endpoint import Endpoint
from api.v1.problems import PROBLEM, Problem
from api.v1.surface import BASE

_REFS = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")


def paths_and_schemas(table: Sequence[Endpoint]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `paths` and the `components.schemas` they refer to."""
    kinds = [kind for each in table for kind in (each.body, each.answers) if kind is not None]
    schemas, components = msgspec.json.schema_components([*dict.fromkeys(kinds), Problem], ref_template=_REFS)
    by_kind = dict(zip([*dict.fromkeys(kinds), Problem], schemas, strict=True))
    paths: dict[str, Any] = {}
    for each in table:
        operation = _operation(each, by_kind)
        paths.setdefault(BASE + each.path, {})[each.method.lower()] = operation
    return paths, {name: _as_3_0(schema) for name, schema in components.items()}


def _operation(endpoint: Endpoint, schemas: dict[Any, Any]) -> dict[str, Any]:
    said = (endpoint.handler.__doc__ or endpoint.interaction).strip()
    answer: dict[str, Any] = {"description": "Done"}
    if endpoint.answers is not None:
        answer["content"] = {"application/json": {"schema": schemas[endpoint.answers]}}
    problem = {"description": "What was wrong", "content": {PROBLEM: {"schema": schemas[Problem]}}}
    operation: dict[str, Any] = {
        "summary": said.splitlines()[0],
        "description": said,
        "operationId": f"{endpoint.method.lower()} {endpoint.path}",
        "tags": [endpoint.path.split("/")[1]],
        "parameters": [*_in_path(endpoint), *_in_query(endpoint)],
        "responses": {str(endpoint.status): answer, "default": problem},
    }
    if endpoint.public:
        operation["security"] = []
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[endpoint.body]}},
        }
    return operation


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = _PARAMETER.findall(endpoint.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


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
