"""Where documents stand in resources: inline data, and the links to what was moved out. The `DocumentLinks` port.

https://hl7.org/fhir/R4/datatypes.html#Attachment, https://hl7.org/fhir/R4/binary.html. A Binary as it is stored holds no
data: an extension on the absent `data` names the blob, and one on its `securityContext` the patient whose key seals it, so
that whoever describes it again comes to the same owner. Both are ours alone: what a client sends of them is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from domain.documents.linking import InlineData, Link
from domain.documents.scanning import ScanState
from domain.errors import InvalidContent
from domain.identity import FhirJson, ResourceKey, parse_reference
from fhir_mapping.tables import PRIMITIVES, Element, elements_of

BLOB = "urn:chartvault:blob"
PATIENT = "urn:chartvault:patient"
SCAN = "urn:chartvault:scan"
PAGES = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Attachment.pages"
_NO_WAY = frozenset({"Extension", "Resource", "Meta", "Reference", "Identifier", "Narrative"})


class Attachments:
    """Implements `domain.documents.linking.DocumentLinks`. `base` is our own base URL."""

    def __init__(self, base: str | None = None) -> None:
        self._base = base.rstrip("/") if base else None

    def inline(self, content: FhirJson) -> list[InlineData]:
        """Every Attachment of the resource, contained ones included, that holds data."""
        kind = content.get("resourceType")
        if not isinstance(kind, str) or kind == "Binary":
            return []
        return [
            InlineData(path, node, node["data"]) for path, node in _attachments(content, kind, kind) if "data" in node
        ]

    def links(self, content: FhirJson) -> list[Link]:
        """The Attachments of the resource that point at a Binary of this server."""
        found: list[Link] = []
        kind = content.get("resourceType")
        for path, node in _attachments(content, kind, kind) if isinstance(kind, str) and kind != "Binary" else ():
            literal = parse_reference(node["url"]) if isinstance(node.get("url"), str) else None
            if literal is not None and literal.key.type == "Binary" and literal.base in (None, self._base):
                found.append(Link(path, node, literal.key))
        return found

    def replaced(self, content: FhirJson) -> list[tuple[str, ResourceKey | None]]:
        """What a DocumentReference replaces, by path; `None` for what is not a DocumentReference of this server."""
        found: list[tuple[str, ResourceKey | None]] = []
        for number, row in enumerate(content.get("relatesTo", ())):
            if row.get("code") != "replaces":
                continue
            text = row.get("target", {}).get("reference")
            literal = parse_reference(text) if isinstance(text, str) else None
            ours = literal is not None and literal.key.type == "DocumentReference"
            key = literal.key if literal is not None and ours and literal.base in (None, self._base) else None
            found.append((f"DocumentReference.relatesTo[{number}].target", key))
        return found

    def context(self, content: FhirJson) -> ResourceKey | None:
        """The resource of ours that decides who may see a Binary. Raises `InvalidContent` for one that is elsewhere."""
        text = content.get("securityContext", {}).get("reference")
        if text is None:
            return None
        literal = parse_reference(text)
        if literal is None or literal.base not in (None, self._base):
            raise InvalidContent(
                "The security context is a resource of this server", expression="Binary.securityContext"
            )
        return literal.key

    def blob(self, content: FhirJson) -> str | None:
        """The blob a stored Binary names."""
        return _extension(content.get("_data", {}), BLOB, "valueString")

    def scanned(self, content: FhirJson) -> ScanState:
        """What is known of malware in the document of a stored Binary."""
        said = _extension(content.get("_data", {}), SCAN, "valueCode")
        return "clean" if said == "clean" else "infected" if said == "infected" else "not-scanned"

    def binary(
        self,
        content: FhirJson,
        *,
        media_type: str,
        blob: str | None,
        context: str | None,
        patient: str | None,
        scan: ScanState = "not-scanned",
    ) -> FhirJson:
        """A Binary as it is stored: without data, naming its blob and its context."""
        kept = {name: value for name, value in content.items() if name not in ("data", "_data", "securityContext")}
        made: FhirJson = {**kept, "resourceType": "Binary", "contentType": media_type}
        if context is not None:
            made["securityContext"] = {"reference": context}
            if patient is not None and context != f"Patient/{patient}":
                owner = {"url": PATIENT, "valueReference": {"reference": f"Patient/{patient}"}}
                made["securityContext"]["extension"] = [owner]
        if blob is not None:
            made["_data"] = {"extension": [{"url": BLOB, "valueString": blob}]}
            if scan != "not-scanned":
                made["_data"]["extension"].append({"url": SCAN, "valueCode": scan})
        return made

    def shown(self, content: FhirJson, data: str | None) -> FhirJson:
        """A Binary as a client sees it: with its data in base64, or without."""
        shown = {name: value for name, value in content.items() if name != "_data"}
        return shown if data is None else {**shown, "data": data}

    def count_pages(self, attachment: FhirJson, pages: int | None) -> None:
        """Note how many pages the document has, the way R5 does."""
        if pages is not None and not any(row.get("url") == PAGES for row in attachment.get("extension", ())):
            attachment.setdefault("extension", []).append({"url": PAGES, "valuePositiveInt": pages})


def owner_of_binary(content: FhirJson) -> str | None:
    """The patient whose key seals a stored Binary: its context, or the patient its context belongs to."""
    context = content.get("securityContext", {})
    named = next((each for each in context.get("extension", ()) if each.get("url") == PATIENT), None)
    text = named.get("valueReference", {}).get("reference") if named is not None else context.get("reference")
    literal = parse_reference(text) if isinstance(text, str) else None
    return literal.key.id if literal is not None and literal.key.type == "Patient" and literal.base is None else None


def _extension(node: Any, url: str, name: str) -> str | None:
    rows = node.get("extension", ()) if isinstance(node, dict) else ()
    return next((row.get(name) for row in rows if row.get("url") == url), None)


def _attachments(node: FhirJson, type_name: str, path: str) -> Iterator[tuple[str, FhirJson]]:
    """The Attachments below an object, along the few elements that can lead to one."""
    if type_name == "Attachment":
        yield path, node
        return
    ways = _ways(type_name)
    for name in ways.keys() & node.keys():
        value = node[name]
        rows = value if type(value) is list else (value,)
        for number, row in enumerate(rows):
            if type(row) is dict:
                place = f"{path}.{name}[{number}]" if type(value) is list else f"{path}.{name}"
                kind = str(row.get("resourceType", "")) if name == "contained" else ways[name]
                yield from _attachments(row, kind, place)


@cache
def _ways(type_name: str) -> Mapping[str, str]:
    """The elements of a type that can lead to an Attachment, with their types. Extensions do not count: what stands in one
    is not a document of the resource. (A type may hold itself: an answer's items have answers.)"""
    return {
        name: element.type
        for name, element in _elements(type_name).items()
        if name == "contained" or _leads(element.type, frozenset())
    }


def _leads(type_name: str, above: frozenset[str]) -> bool:
    if type_name == "Attachment":
        return True
    if type_name in above or type_name in PRIMITIVES or type_name in _NO_WAY:
        return False
    inside = above | {type_name}
    return any(_leads(element.type, inside) for element in _elements(type_name).values())


def _elements(type_name: str) -> Mapping[str, Element]:
    """The elements of a type; none for what is no type."""
    try:
        return elements_of(type_name)
    except KeyError:
        return {}
