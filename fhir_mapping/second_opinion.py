"""What fhir.resources says of a resource: https://github.com/nazrulworld/fhir.resources

Advice for `$validate`, never the answer: its models are R4B, and what they print loses decimals and instants, so only
its complaints are used and its output is thrown away. Imported when first asked, and only the models of the types asked
about: 22 MB and a tenth of a second once, then about 1 MB per type (all types together would be 130 MB), so it needs no
process of its own. Its messages may quote values; only the kind of complaint and the place are passed on.
"""

from __future__ import annotations

import json
from typing import Any

from domain.errors import Issue
from domain.identity import FhirJson
from domain.revision import encode


def second_opinion(content: FhirJson) -> list[Issue]:
    """The complaints as warnings; empty when it has none, one piece of information when it knows no such type."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    name = content["resourceType"]
    try:
        model = get_fhir_model_class(name)
    except (KeyError, ValueError, LookupError):
        return [Issue("not-supported", f"fhir.resources has no R4B model of {name}", name, "information")]
    try:
        model.model_validate(json.loads(encode(content)))
    except ValidationError as error:
        return [
            Issue("invalid", f"fhir.resources disagrees ({each['type']})", name + _path(each["loc"]), "warning")
            for each in error.errors(include_input=False, include_url=False, include_context=False)[:50]
        ]
    except (TypeError, ValueError, ArithmeticError) as error:
        return [Issue("invalid", f"fhir.resources fails ({type(error).__name__})", name, "warning")]
    return []


def _path(location: tuple[Any, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
