"""Reference parameters: https://hl7.org/fhir/R4/search.html#reference

A literal reference has one form, `ref`: `Type/id` when it points into this server (relative, or absolute under our own
base), the absolute URL without its version otherwise. A reference to somebody else's `Patient/1` therefore never
answers for ours. A search by bare id is a search for `Type/id` of each type the parameter may point at. References into
the resource itself (`#x`) are not indexed. Identifiers of references have the token forms, named `id-sc` and so on.
NOTE: forms are hashed into stored tokens; changing one orphans every index entry. Chains rely on `ref` by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.errors import InvalidRequest
from domain.identity import ID, parse_reference
from domain.search import AnyTerm
from fhir_mapping.search_parameters import SearchParameter
from fhir_mapping.search_values import token
from fhir_mapping.search_values.escaping import split, unescape
from fhir_mapping.search_values.forms import Forms, terms
from fhir_mapping.tables import RESOURCE_TYPES

MODIFIERS = {"identifier": True, "text": True, "above": False, "below": False, **dict.fromkeys(RESOURCE_TYPES, True)}
MAX_BARE_IDS = 50
"""Bare ids in one search of a parameter that may point at any type: each stands for some 150 references."""


def local_reference(text: str, base: str | None) -> str | None:
    """`Type/id` when the reference points into this server, else `None`. `base` is our own base URL."""
    literal = parse_reference(text)
    if literal is None or (literal.base is not None and literal.base != base):
        return None
    return str(literal.key)


def _canonical(text: str, base: str | None) -> str:
    """A literal reference without its version, relative when it is ours; anything else as it stands."""
    literal = parse_reference(text)
    if literal is None:
        return text
    return str(literal.key) if literal.base in (None, base) else f"{literal.base}/{literal.key}"


def forms_by_type(base: str | None) -> dict[str, Callable[[Any], Forms]]:
    """The readers of each FHIR type for a server at `base`."""

    def reference(value: Mapping[str, Any]) -> Forms:
        text = value.get("reference")
        found = [] if text is None or text.startswith("#") else [("ref", _canonical(text, base))]
        if "identifier" in value:
            found += [(f"id-{name}", part) for name, part in token.identifier(value["identifier"])]
        return found

    def canonical(value: str) -> Forms:
        plain = value.partition("|")[0]
        return [("ref", each) for each in dict.fromkeys((value, _canonical(plain, base))) if not each.startswith("#")]

    def resource(value: Mapping[str, Any]) -> Forms:
        return [("ref", f"{value['resourceType']}/{value['id']}")] if "id" in value else []

    def attachment(value: Mapping[str, Any]) -> Forms:
        return canonical(value["url"]) if "url" in value else []

    return {
        "Reference": reference,
        "Attachment": attachment,
        "Resource": resource,
        "canonical": canonical,
        "uri": canonical,
    }


def condition(parameter: SearchParameter, modifier: str | None, values: Sequence[str], base: str | None) -> AnyTerm:
    """References equal to one of `values`. Raises `InvalidRequest` for a type the parameter cannot point at."""
    if modifier == "identifier":
        return AnyTerm(
            terms(parameter.code, [form for value in values for form in _identifier(parameter, value)]), rank=2
        )
    if modifier is not None and modifier not in parameter.targets:
        raise InvalidRequest(f"'{parameter.code}' cannot point at {modifier}", code="value", expression=parameter.code)
    targets = (modifier,) if modifier else parameter.targets
    texts = [unescape(value) for value in values]
    bare = sum(ID.fullmatch(text) is not None for text in texts)
    if bare > MAX_BARE_IDS and len(targets) > MAX_BARE_IDS:
        raise InvalidRequest(
            f"'{parameter.code}' may point at any type: say which (Type/id) for more than {MAX_BARE_IDS} ids",
            code="too-costly",
            expression=parameter.code,
        )
    plain = modifier is not None or parameter.types == {"Reference"}
    found = [("ref", each) for text in texts for each in _spellings(text, targets, modifier, base, plain=plain)]
    rank = 3 if "Patient" in targets and bare + len(texts) <= 2 * MAX_BARE_IDS else 4
    return AnyTerm(terms(parameter.code, found), rank=rank)


def _spellings(text: str, targets: Sequence[str], modifier: str | None, base: str | None, *, plain: bool) -> list[str]:
    """How the reference may be filed. A bare id that is not `plain` may also be a URI of its own."""
    if ID.fullmatch(text) is not None:
        return [*(f"{target}/{text}" for target in targets), *([] if plain else [text])]
    reference = _canonical(text, base)
    if modifier is not None and f"/{modifier}/" not in f"/{reference}":
        return []  # `subject:Patient=Device/1` contradicts itself: nothing matches.
    return [reference]


def _identifier(parameter: SearchParameter, value: str) -> Forms:
    """`subject:identifier=system|value`: https://hl7.org/fhir/R4/search.html#reference"""
    parts = [unescape(part) for part in split(value, "|", 1)]
    system, text = parts if len(parts) == 2 else ("", parts[0])
    if not text or any(map(str.isspace, system)):
        raise InvalidRequest(
            f"'{parameter.code}:identifier' takes system|value, |value or value", expression=parameter.code
        )
    if len(parts) == 1:
        return [("id-c", text)]
    return [("id-sc", f"{system} {text}")] if system else [("id-nc", text)]
