"""What was changed here, as a change of the provider's own version: a three-way comparison, element by element.

Only what differs between the version both knew and the newest one here is carried over; everything else of the provider's stays
as it is there, addresses of files and references included. https://hl7.org/fhir/R4/http.html#update
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.identity import FhirJson, parse_reference
from fhir_mapping.friendly.documents import SOURCE
from fhir_mapping.friendly.elements import first

_OWN = frozenset({"resourceType", "id", "meta", "implicitRules", "text", "contained"})
"""What each side says for itself; a narrative follows its elements."""
_DEMOGRAPHICS = ("name", "telecom", "gender", "birthDate", "address", "maritalStatus", "communication")
"""Of a Patient only who they are: how a record is kept is not the provider's business."""
_INCIDENTAL = frozenset({"id", "extension", "use", "text", "period", "rank"})
"""Not compared when two sides say the same of a person in their own ways."""
_FILES = ("url", "data", "hash", "size")


class ProviderEdits:
    """Implements `domain.clinic.provider_pushing.Edits`."""

    def mentions(self, content: FhirJson) -> Sequence[str]:
        """See `Edits.mentions`."""
        keys = (parse_reference(text) for text in _references(content))
        return list(dict.fromkeys(str(each.key) for each in keys if each is not None and each.base is None))

    def merged(self, theirs: FhirJson, before: FhirJson, after: FhirJson, names: Mapping[str, str]) -> FhirJson:
        """See `Edits.merged`."""
        content = dict(theirs)
        for name in _changed(before, after):
            value = _carried(theirs.get(name), before.get(name), after.get(name), names)
            if name == "category" and isinstance(value, list):
                value = [each for each in value if not first(each.get("coding"), SOURCE)]
            if value in (None, [], {}):
                content.pop(name, None)
            else:
                content[name] = value
        return content

    def clashes(self, theirs: FhirJson, before: FhirJson, after: FhirJson) -> bool:
        """See `Edits.clashes`."""
        return any(
            _essence(theirs.get(name)) not in (_essence(before.get(name)), _essence(after.get(name)))
            for name in _changed(before, after)
        )

    def differs(self, before: FhirJson, after: FhirJson) -> bool:
        """See `Edits.differs`."""
        return bool(_changed(before, after))

    def brings_files(self, before: FhirJson, after: FhirJson) -> bool:
        """See `Edits.brings_files`."""
        return after["resourceType"] == "DocumentReference" and _files(before) != _files(after)


def _changed(before: FhirJson, after: FhirJson) -> list[str]:
    """The elements that differ and are the provider's too."""
    if after["resourceType"] == "Patient":
        names: Sequence[str] = _DEMOGRAPHICS
    else:
        names = [name for name in dict.fromkeys((*before, *after)) if name not in _OWN]
    return [name for name in names if before.get(name) != after.get(name)]


def _carried(theirs: Any, before: Any, after: Any, names: Mapping[str, str]) -> Any:
    """`theirs` with what is different in `after`; where the sides are built differently, `after`."""
    if before == after:
        return theirs
    if isinstance(theirs, dict) and isinstance(before, dict) and isinstance(after, dict):
        merged = {
            name: _carried(theirs.get(name), before.get(name), after.get(name), names)
            for name in dict.fromkeys((*theirs, *after))
        }
        return {name: value for name, value in merged.items() if value is not None}
    lists = isinstance(theirs, list) and isinstance(before, list) and isinstance(after, list)
    if lists and len(theirs) == len(before) == len(after):
        return [_carried(*each, names) for each in zip(theirs, before, after, strict=True)]
    return _told(after, names)


def _told(node: Any, names: Mapping[str, str]) -> Any:
    """Something of ours in the words of the provider: what it does not know is named, never pointed at."""
    if isinstance(node, list):
        return [_told(each, names) for each in node]
    if not isinstance(node, dict):
        return node
    content = {name: _told(value, names) for name, value in node.items()}
    literal = parse_reference(text) if isinstance(text := node.get("reference"), str) else None
    if literal is not None and literal.base is None:
        theirs = names.get(str(literal.key))
        if theirs is not None:
            content["reference"] = theirs
        else:
            del content["reference"]
            content.setdefault("display", literal.key.type)
    return content


def _essence(value: Any) -> Any:
    """What is said of a person, whatever the order and the trimmings."""
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if name not in _INCIDENTAL} or value
        return frozenset((name, _essence(each)) for name, each in kept.items())
    if isinstance(value, list):
        return frozenset(map(_essence, value))
    return value or frozenset()


def _files(document: FhirJson) -> list[list[Any]]:
    return [[row.get("attachment", {}).get(name) for name in _FILES] for row in document.get("content", ())]


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
