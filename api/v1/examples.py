"""Examples of forms and views for the documentation, made from their JSON Schema: what a field is called says what is in it.

Each is held to its own form by a test, so an example that a client copies is accepted. All people are invented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

BY_NAME: dict[str, Any] = {
    "email": "ana.lindqvist@example.org",
    "firstName": "Ana",
    "lastName": "Lindqvist",
    "fullName": "Ana Lindqvist",
    "name": "Ana Lindqvist",
    "password": "four quiet geese at dawn",
    "newPassword": "seven loud geese at dusk",
    "oldPassword": "four quiet geese at dawn",
    "otp": "492039",
    "code": "492039",
    "phone": "+46 8 555 0100",
    "city": "Uppsala",
    "country": "SE",
    "postalCode": "753 10",
    "timezone": "Europe/Stockholm",
    "language": "sv",
    "currency": "EUR",
    "value": "80.00",
    "month": "2026-11",
    "birthDate": "1980-02-03",
    "dateOfBirth": "1980-02-03",
    "start": "2026-11-02T09:30:00Z",
    "title": "Blood count",
    "text": "Essential hypertension",
    "reasonCode": "pat-cpp",
    "reason": "Chest pain since this morning",
    "note": "Called back by phone",
    "description": "Fasting sample",
    "label": "Phone",
    "url": "https://example.org/hook",
    "profiles": ["Practitioner/d1"],
    "organizations": ["Organization/o1"],
    "contentType": "application/pdf",
    "hash": "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed",
    "medication": "simvastatin 20 mg",
    "dosage": "1 tablet in the evening",
    "instructions": "Swallow whole",
    "substance": "Peanut",
    "vaccine": "Influenza 2026",
    "provider": "Acme Health",
    "policyNumber": "POL-77",
    "specialization": ["Cardiology"],
    "qualification": "MD",
    "types": ["DocumentReference"],
    "message": "Please send what was found in hospital",
    "type": "lab-report",
    "unit": "/min",
    "next": None,
    "system": "http://snomed.info/sct",
    "credential": {},
    "passkey": {},
    "options": {},
}
"""What a field of this name holds; where a form has another idea of it, its type decides."""
_FORMATS = {"date-time": "2026-11-02T09:30:00Z", "date": "2026-11-02", "time": "09:30:00", "decimal": "80.00"}
_OTHERS = (
    "a1",
    "09:30",
    "80.00",
    "492039",
    "EUR",
    "2026-11",
    "2026-11-02",
    "Practitioner/d1",
    "https://example.org/1",
    "01a1fa33-4fb8-8123-8abc-0123456789ab",
    "ana.lindqvist@example.org",
    "pat",
)
"""Tried in turn where the pattern of a field refuses what its name suggests."""
_DEEPEST = 6


def example_of(schema: Schema, components: Mapping[str, Schema], name: str = "", depth: int = 0) -> Any:
    """Something the schema accepts; `name` is that of the field it is for."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].rpartition("/")[2]], components, name, depth)
    if "anyOf" in schema:
        left = [each for each in schema["anyOf"] if each != {"type": "null"}]
        return example_of(left[0], components, name, depth) if left and depth < _DEEPEST else None
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    match schema.get("type"):
        case "object":
            return _object(schema, components, depth)
        case "array":
            return _array(schema, components, name, depth)
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return bool(schema.get("default", True))
    return BY_NAME.get(name)


def _object(schema: Schema, components: Mapping[str, Schema], depth: int) -> Any:
    fields = schema.get("properties", {})
    required = schema.get("required", ())
    shown = fields if depth < _DEEPEST else {name: fields[name] for name in required}
    return {name: example_of(each, components, name, depth + 1) for name, each in shown.items()}


def _array(schema: Schema, components: Mapping[str, Schema], name: str, depth: int) -> Any:
    known = BY_NAME.get(name)
    if isinstance(known, list):
        return known
    items = schema.get("items") or next(iter(schema.get("prefixItems", ())), None)
    if not items or schema.get("maxItems") == 0:
        return []
    return [example_of(items, components, name, depth + 1)] * max(1, schema.get("minItems", 1))


def _text(schema: Schema, name: str) -> str:
    if "format" in schema and schema["format"] in _FORMATS:
        return _FORMATS[schema["format"]]
    known = BY_NAME.get(name)
    if isinstance(known, list):
        known = known[0]
    text = known if isinstance(known, str) else "a1"
    pattern = schema.get("pattern")
    if pattern is not None and re.search(pattern, text) is None:
        text = next((each for each in _OTHERS if re.search(pattern, each)), text)
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 200)]
