"""Links inside a resource: replacing them in a transaction, and listing them.

https://hl7.org/fhir/R4/http.html#trules: "Servers SHALL replace all matching links in the bundle, whether they are
found in the resource ids, resource references, elements of type uri, url, oid, uuid, and <a href="" & <img src="" in
the narrative. Elements of type canonical are not replaced." Resource ids are the transaction's own business; the rest
happens here.

Every resource of an import passes here, so the walk is one pass over the dict that only compares. `Reference.reference`
and narratives are told by their names and replaced at once. Whether any other match is a uri or, say, the `string` of
an identifier, is looked up in the element tables, in a second pass that only resources with such a match pay for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape, unescape
from typing import Any

from domain.identity import FhirJson, Reference, parse_reference
from fhir_mapping.tables import Element, elements_of

LINK_TYPES = frozenset({"uri", "url", "oid", "uuid"})
_CONDITIONAL = re.compile(r"[A-Z][A-Za-z]{1,63}\?\S+")
_NARRATIVE_LINK = re.compile(r"""(<(?:a|img)\b[^<>]*?\s(?:href|src)\s*=\s*)("[^"<]*"|'[^'<]*')""")
_VERSIONED = "/_history/"


class ResourceLinks:
    """Implements `domain.ports.Links`."""

    def rewrite(self, content: FhirJson, targets: Mapping[str, str]) -> None:
        """Replace, in place, every link that equals a key of `targets`.

        A link matches as it stands, or without its `#fragment`, which is kept. A version-specific link `X/_history/7`
        stays version-specific: it takes the value of the key `X/_history` if there is one, else that of `X` with its
        own version. Keys are the `fullUrl`s and conditional references of a transaction, values references to what was
        stored.
        """
        if targets and _replace_references(content, targets):
            _replace_typed(content, content.get("resourceType", ""), targets)

    def conditional(self, content: FhirJson) -> list[str]:
        """The conditional references (`Patient?identifier=…`), each once: https://hl7.org/fhir/R4/http.html#trules"""
        found: list[str] = []
        _collect(content, found)
        return [text for text in dict.fromkeys(found) if "?" in text and _CONDITIONAL.fullmatch(text)]


def references_of(content: FhirJson) -> list[Reference]:
    """The literal references to other resources, each once, in order; fragments, URNs and logical ones are left out."""
    found: list[str] = []
    _collect(content, found)
    return [parsed for text in dict.fromkeys(found) if (parsed := parse_reference(text)) is not None]


def _collect(node: FhirJson, found: list[str]) -> None:
    for name, value in node.items():
        kind = type(value)
        if kind is str:
            if name == "reference":
                found.append(value)
        elif kind is dict:
            _collect(value, found)
        elif kind is list:
            for item in value:
                if type(item) is dict:
                    _collect(item, found)


def _target(text: str, targets: Mapping[str, str]) -> str | None:
    """What a link becomes, `None` when it matches nothing."""
    found = targets.get(text)
    if found is not None:
        return found
    head, mark, fragment = text.partition("#")
    base, versioned, version = head.partition(_VERSIONED)
    if versioned:
        found = targets.get(base + "/_history")
        if found is None and (found := targets.get(base)) is not None:
            found += versioned + version
    elif mark:
        found = targets.get(head)
    return None if found is None else found + mark + fragment


def _replace_references(node: FhirJson, targets: Mapping[str, str]) -> bool:
    """Replace references and narratives, told by their names; tell whether anything else might be a link to replace."""
    more = False
    for name, value in node.items():
        kind = type(value)
        if kind is str:
            if name == "reference":
                found = _target(value, targets)
                if found is not None:
                    node[name] = found
            elif name == "div":
                if "href" in value or "src" in value:
                    node[name] = _narrative(value, targets)
            elif value in targets or (("#" in value or _VERSIONED in value) and _target(value, targets) is not None):
                more = True
        elif kind is dict:
            more = _replace_references(value, targets) or more
        elif kind is list:
            for item in value:
                if type(item) is dict:
                    more = _replace_references(item, targets) or more
                elif type(item) is str and _target(item, targets) is not None:
                    more = True
    return more


def _replace_typed(node: FhirJson, type_name: str, targets: Mapping[str, str]) -> None:
    """Replace elements of type uri, url, oid and uuid; references and narratives have been."""
    elements = _elements_of(node, type_name)
    for name, value in node.items():
        element = elements.get(name)
        if element is None:
            if name.startswith("_"):
                _replace_in(value, "Element", targets)
        elif element.type in LINK_TYPES:
            node[name] = _link(value, targets)
        else:
            _replace_in(value, element.type, targets)


def _elements_of(node: FhirJson, type_name: str) -> Mapping[str, Element]:
    """The elements of an object; none when it stands where its type has no objects, so nothing in it is a link."""
    try:
        return elements_of(str(node.get("resourceType", type_name)))
    except KeyError:
        return {}


def _replace_in(value: Any, type_name: str, targets: Mapping[str, str]) -> None:
    for item in value if type(value) is list else (value,):
        if type(item) is dict:
            _replace_typed(item, type_name, targets)


def _link(value: Any, targets: Mapping[str, str]) -> Any:
    if type(value) is list:
        return [_link(item, targets) for item in value]
    return value if type(value) is not str else _target(value, targets) or value


def _narrative(div: str, targets: Mapping[str, str]) -> str:
    def replaced(found: re.Match[str]) -> str:
        quoted = found[2]
        target = _target(unescape(quoted[1:-1]), targets)
        return found[0] if target is None else f"{found[1]}{quoted[0]}{escape(target)}{quoted[0]}"

    return _NARRATIVE_LINK.sub(replaced, div)
