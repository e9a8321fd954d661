"""What an operation is given: parameters of the URL, or a Parameters resource. https://hl7.org/fhir/R4/operations.html#executing"""

from __future__ import annotations

from collections.abc import Collection

from api.fhir.headers import require_json
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest
from domain.identity import FhirJson
from fhir_mapping.json_text import parse

_ANSWER = frozenset({"_format", "_pretty"})
Pairs = list[tuple[str, str]]


def pairs_of(call: Call) -> Pairs:
    """The simple parameters of a GET, or of the Parameters body of a POST (and its URL)."""
    pairs = list(call.exchange.pairs)
    for row in rows_of(call):
        value = next((value for name, value in row.items() if name.startswith("value")), None)
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, dict | list) or value is None:
            raise InvalidRequest("This operation takes simple values", expression="Parameters.parameter")
        pairs.append((str(row["name"]), str(value)))
    return pairs


def rows_of(call: Call) -> list[FhirJson]:
    """The rows of the Parameters body of a POST; none without a body. Raises `InvalidRequest` for any other body."""
    if call.exchange.method != "POST" or not call.body.strip():
        return []
    require_json(call.exchange)
    body = parse(call.body)
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        raise InvalidRequest("The body of an operation is a Parameters resource", expression="Parameters")
    rows = body.get("parameter", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "name" in row for row in rows):
        raise InvalidRequest("Each parameter has a name", expression="Parameters.parameter")
    return rows


def require_known(pairs: Pairs, known: Collection[str]) -> dict[str, str]:
    """The parameters by name. Raises `InvalidRequest` for one the operation does not have."""
    for name, _ in pairs:
        if name not in known and name not in _ANSWER:
            raise InvalidRequest(f"This operation takes {', '.join(sorted(known))}", expression=name[:64])
    return dict(pairs)


def count_of(service: Service, text: str | None, *, name: str, default: int) -> int:
    """A whole number from 1 to the largest page."""
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) < 1:
        raise InvalidRequest(f"'{name}' takes a whole number from 1", code="value", expression=name)
    return min(int(text), service.limits.largest_page)
