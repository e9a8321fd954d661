"""A provider's entry as a resource of ours: the `Entries` port. https://hl7.org/fhir/R4/references.html

What it says stays as it is, but for what means something else here: its id and version, references, addresses of files. A
reference to what has come is one to ours; any other becomes the provider's absolute address, so that nothing relative is ever
taken for a resource of this server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from domain import decimals
from domain.documents.linking import InlineData
from domain.identity import ID, FhirJson, ResourceKey, parse_reference
from fhir_mapping.friendly.documents import SOURCE
from fhir_mapping.friendly.elements import first, text_of
from fhir_mapping.tables import RESOURCE_TYPES

_canonical = msgspec.json.Encoder(order="sorted", decimal_format="number", enc_hook=decimals.write)
_VOLATILE = frozenset({"versionId", "lastUpdated", "source"})
_MAPPING = b"1|"
"""NOTE: part of every digest. Another number takes all entries once more, as changed ones where the mapping now differs."""
_KEPT_META = ("profile", "security", "tag")
_NAMED = ("title", "description")
_NORMAL = frozenset({"N", "NEG", "ND", "NR", "WR"})
"""https://hl7.org/fhir/R4/valueset-observation-interpretation.html: not outside of what is normal."""


class ProviderEntries:
    """Implements `domain.clinic.sync_records.Entries`."""

    def name(self, entry: FhirJson) -> str | None:
        """See `Entries.name`."""
        kind, logical_id = entry.get("resourceType"), entry.get("id")
        if kind not in RESOURCE_TYPES or not isinstance(logical_id, str) or ID.fullmatch(logical_id) is None:
            return None
        return f"{kind}/{logical_id}"

    def version(self, entry: FhirJson) -> str | None:
        found = _meta(entry).get("versionId")
        return found if isinstance(found, str) else None

    def digest(self, entry: FhirJson) -> bytes:
        """See `Entries.digest`."""
        meta = {name: value for name, value in _meta(entry).items() if name not in _VOLATILE}
        return hashlib.sha256(_MAPPING + _canonical.encode({**entry, "meta": meta})).digest()

    def mentions(self, entry: FhirJson, base: str) -> Sequence[str]:
        """See `Entries.mentions`."""
        found = (_theirs(text, base) for text in _references(entry))
        return list(dict.fromkeys(name for name in found if name is not None))

    def ours(self, entry: FhirJson, key: ResourceKey, *, base: str, names: Mapping[str, str]) -> FhirJson:
        """See `Entries.ours`."""
        meta = {name: _meta(entry)[name] for name in _KEPT_META if name in _meta(entry)}
        rest = {name: value for name, value in entry.items() if name not in ("resourceType", "id", "meta")}
        source = f"{base}/{self.name(entry)}"
        content: FhirJson = {"resourceType": key.type, "id": key.id, "meta": {**meta, "source": source}}
        content |= _rewritten(rest, base, names)
        if key.type == "DocumentReference":
            others = [each for each in content.get("category", ()) if not first(each.get("coding", ()), SOURCE)]
            content["category"] = [*others, {"coding": [{"system": SOURCE, "code": "PHP"}]}]
        return content

    def files(self, content: FhirJson) -> Sequence[InlineData]:
        """See `Entries.files`."""
        found: list[InlineData] = []
        for number, row in enumerate(content.get("content", ())):
            node = row.get("attachment", {})
            if "data" in node or "url" in node:
                found.append(InlineData(f"DocumentReference.content[{number}].attachment", node, node.get("data", "")))
        return found

    def title(self, content: FhirJson) -> str:
        """See `Entries.title`."""
        attachments = [row.get("attachment", {}) for row in content.get("content", ())]
        named = (
            value for node in (*attachments, content) for name in _NAMED if isinstance(value := node.get(name), str)
        )
        text = next(named, None) or _called(content) or content["resourceType"]
        return text[:200]

    def news(self, content: FhirJson, before: FhirJson | None) -> str | None:
        """See `Entries.news`."""
        kind, title = content["resourceType"], self.title(content)
        if content.get("status") == "entered-in-error" or _code(content, "verificationStatus") == "entered-in-error":
            return f"Withdrawn by the provider: {title}"
        match kind:
            case "AllergyIntolerance":
                return f"Allergy: {title}"
            case "Condition":
                return f"Diagnosis: {title}"
            case "MedicationRequest" if before is None or before.get("status") != content.get("status"):
                return f"Medication: {title} ({content.get('status')})"
            case "Observation" if _outside(content):
                return f"Result outside of the normal range: {title}"
            case "DocumentReference" if any(each.get("code") == "replaces" for each in content.get("relatesTo", ())):
                return f"Replaced document: {title}"
        return None


def _meta(entry: FhirJson) -> FhirJson:
    found = entry.get("meta")
    return found if isinstance(found, dict) else {}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "reference" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


def _theirs(text: str, base: str) -> str | None:
    """The name of the provider's entry that a reference means."""
    literal = parse_reference(text)
    return str(literal.key) if literal is not None and literal.base in (None, base) else None


def _rewritten(node: Any, base: str, names: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {
            name: _told(name, value, base, names) if isinstance(value, str) else _rewritten(value, base, names)
            for name, value in node.items()
        }
    return [_rewritten(each, base, names) for each in node] if isinstance(node, list) else node


def _told(name: str, value: str, base: str, names: Mapping[str, str]) -> str:
    """A reference, or the address of a file, as it is understood here; any other text as it is."""
    if name == "reference":
        theirs = _theirs(value, base)
        if theirs is not None and theirs in names:
            return names[theirs]
    elif name != "url" or parse_reference(value) is None:
        return value
    absolute = value.startswith(("#", "urn:")) or "://" in value
    return value if absolute else f"{base}/{value}"


def _called(content: FhirJson) -> str | None:
    for name in ("code", "medicationCodeableConcept", "vaccineCode", "type"):
        value = content.get(name)
        text = text_of(value) if isinstance(value, dict) else None
        if text:
            return text
    return None


def _code(content: FhirJson, name: str) -> str | None:
    codings: Sequence[Mapping[str, Any]] = content.get(name, {}).get("coding", ())
    return next((each.get("code") for each in codings), None)


def _outside(content: FhirJson) -> bool:
    codes = [each.get("code") for row in content.get("interpretation", ()) for each in row.get("coding", ())]
    return any(code not in _NORMAL for code in codes if code)
