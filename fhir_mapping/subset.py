"""Parts of a resource: `_summary` and `_elements`, https://hl7.org/fhir/R4/search.html#summary

What is returned is still a valid resource of its type: `id`, `meta`, mandatory and modifier elements always stay, and
the tag SUBSETTED warns clients not to store it or to send it back.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Literal, TypeAlias, cast, get_args

from domain.errors import InvalidRequest
from domain.identity import FhirJson
from fhir_mapping.tables import PRIMITIVES, Element, elements_of

Summary: TypeAlias = Literal["true", "text", "data", "count", "false"]
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})


def parse_summary(text: str) -> Summary:
    """The value of `_summary`. Raises `InvalidRequest` for any other."""
    if text not in get_args(Summary):
        raise InvalidRequest(f"_summary is one of {', '.join(get_args(Summary))}", code="value")
    return cast(Summary, text)


def summarised(content: FhirJson, summary: Summary) -> FhirJson:
    """The resource as `_summary` asks; `content` is not changed.

    `true`: the elements marked as summary, at every level. `text`: narrative and mandatory elements. `data`: everything
    but the narrative. `false`: everything. `count` concerns Bundles: of a single resource nothing but the mandatory
    stays.
    """
    if summary == "false":
        return content
    if summary == "data":
        return _tagged({name: value for name, value in content.items() if name not in ("text", "_text")})
    kept_names = _mandatory(content["resourceType"])
    if summary == "true":
        return _tagged(_marked(content, content["resourceType"]))
    if summary == "text":
        kept_names |= {"text"}
    return _tagged({name: value for name, value in content.items() if name.removeprefix("_") in kept_names})


def with_elements(content: FhirJson, names: Collection[str]) -> FhirJson:
    """The resource with the named base elements (https://hl7.org/fhir/R4/search.html#elements) and what always stays.

    Names are those of the top level: `value` or `value[x]` for any type of a choice, `Patient.name` for one type only,
    and of a deeper path (`name.family`) the whole base element. Names of no element are ignored.
    """
    type_name = content["resourceType"]
    wanted = {_base_name(name, type_name) for name in names}
    elements = elements_of(type_name)
    kept = _mandatory(type_name) | {
        name for name, element in elements.items() if name in wanted or element.choice in wanted
    }
    return _tagged({name: value for name, value in content.items() if name.removeprefix("_") in kept})


def _base_name(text: str, type_name: str) -> str:
    head, _, rest = text.strip().partition(".")
    if head[:1].isupper():
        head = rest.partition(".")[0] if head == type_name else ""
    return head.removesuffix("[x]")


@cache
def _mandatory(type_name: str) -> frozenset[str]:
    """What stays whatever was asked for; of a required choice, all its forms."""
    return _ALWAYS | {name for name, element in elements_of(type_name).items() if element.required}


def _marked(node: FhirJson, type_name: str) -> FhirJson:
    elements = elements_of(type_name)
    kept: FhirJson = {}
    for name, value in node.items():
        element = elements.get(name.removeprefix("_"))
        if name in _ALWAYS:
            kept[name] = value
        elif element is not None and (element.summary or element.required):
            kept[name] = _inner(value, element)
    return kept


def _inner(value: Any, element: Element) -> Any:
    """The same inside an element; a resource in a resource (Bundle.entry.resource) is cut by its own type."""
    if type(value) is list:
        return [_inner(item, element) for item in value]
    if type(value) is not dict or element.type in PRIMITIVES or element.type == "Extension":
        return value
    return _marked(value, value.get("resourceType", element.type)) or value


def _tagged(content: FhirJson) -> FhirJson:
    meta = content.get("meta", {})
    tags = meta.get("tag", [])
    if any(tag.get("code") == SUBSETTED["code"] and tag.get("system") == SUBSETTED["system"] for tag in tags):
        return content
    tagged: FhirJson = {name: content[name] for name in ("resourceType", "id") if name in content}
    tagged["meta"] = {**meta, "tag": [*tags, SUBSETTED]}
    return {**tagged, **{name: value for name, value in content.items() if name not in tagged}}
