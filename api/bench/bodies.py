"""What the workloads send: unique Patients of 2.1 KB, the nine linked resources of crud36, transactions of two.

Everything is rendered once into templates; a request then costs the client a few replacements of bytes.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from api.demo.bundles import self_contained_bundles
from api.demo.chart import Chart, narrative
from api.demo.people import patient_resource
from domain.identity import FhirJson
from domain.revision import encode

LINKED = (
    *("Patient", "Location", "Organization", "Practitioner", "Encounter", "Observation", "MedicationRequest"),
    *("Claim", "ExplanationOfBenefit"),
)
"""The types of crud36, in the order in which they are created."""

_FAMILY, _NUMBER = "Zzfamilyzz", 98989898
_URN = "urn:uuid:9b1f5c2e-0c5e-4a52-9d0f-5f0f5ad0b3c1"
_STORY = (
    "Greta Amina, female, registered at Silverford Group Practice. Prefers appointments in the morning and to be "
    "called by her first name; needs a chair with arms in the waiting room.",
    "Came to the practice when she moved to the district; records of the former practice were received on paper and "
    "are kept in the archive. Her sister may be told about appointments, not about findings.",
    "Speaks English at home, reads large print.",
)


class Patients:
    """Patients of 2.1 KB whose family name and record number nobody else has, in this run or any other."""

    def __init__(self) -> None:
        content = patient_resource(
            Chart("bench/patient"), _NUMBER, "female", ["Greta", "Amina"], _FAMILY, date(1971, 4, 2)
        )
        content["text"] = narrative(*_STORY)
        self._template = encode(content)
        self._run = secrets.token_hex(4)
        self._count = itertools.count(1)

    def new(self, family: bytes | None = None) -> bytes:
        """The next Patient, of a `family` or of one of its own."""
        number = next(self._count)
        named = self._template.replace(_FAMILY.encode(), family or b"Fam%s%x" % (self._run.encode(), number))
        return named.replace(b"P-%08d" % _NUMBER, b"B-%s-%d" % (self._run.encode(), number))


def with_id(body: bytes, logical_id: str) -> bytes:
    """The body of an update: the same resource, with its id in second place."""
    return body.replace(b'",', b'","id":"%s",' % logical_id.encode(), 1)


def renamed(body: bytes, turn: int) -> bytes:
    """The Patient under another given name, so that every update is a new version."""
    return body.replace(b'"Greta"', b'"Greta%d"' % turn)


def one_field_changed(body: bytes) -> bytes:
    """The resource with one element more: https://hl7.org/fhir/R4/resource-definitions.html#Resource.language"""
    return body.replace(b'",', b'","language":"en-GB",', 1)


class Linked:
    """One resource of each type, from a chart. Each refers to those before it in `names`, or only to `targets`."""

    def __init__(self, names: Sequence[str] = LINKED, targets: frozenset[str] | None = None) -> None:
        (bundle,) = self_contained_bundles(1, seed=36)
        types = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in bundle["entry"]}
        self._templates: dict[str, bytes] = {}
        for position, name in enumerate(names):
            found = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == name]
            earlier = frozenset(names[:position]) if targets is None else targets
            self._templates[name] = encode(_pruned(max(found, key=lambda r: len(encode(r))), types, earlier))

    def body(self, name: str, ids: Mapping[str, str]) -> bytes:
        """The resource of a type, referring to the resources with these ids."""
        body = self._templates[name]
        for target, logical_id in ids.items():
            body = body.replace(b'"%s/"' % target.encode(), b'"%s/%s"' % (target.encode(), logical_id.encode()))
        return body


class Pairs:
    """Transactions of a new Patient and an Observation about it, linked by `urn:uuid`."""

    def __init__(self, patients: Patients, linked: Linked) -> None:
        self._patients = patients
        observation = linked.body("Observation", {}).replace(b'"Patient/"', b'"%s"' % _URN.encode())
        # The encounter is outside this transaction: the Observation does without.
        self._observation = observation.replace(b'"encounter":{"reference":"Encounter/"},', b"")

    def new(self) -> bytes:
        return (
            b'{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"%s","resource":%s,'
            b'"request":{"method":"POST","url":"Patient"}},{"resource":%s,'
            b'"request":{"method":"POST","url":"Observation"}}]}'
        ) % (_URN.encode(), self._patients.new(), self._observation)


def charts(count: int) -> list[tuple[bytes, int]]:
    """Transaction Bundles that create 126 to 267 resources each, and how many each creates."""
    return [(encode(bundle), len(bundle["entry"])) for bundle in self_contained_bundles(count, seed=40)]


def _pruned(content: FhirJson, types: Mapping[str, str], earlier: frozenset[str]) -> FhirJson:
    """A copy whose references read `Type/`, ready for an id. Where the target does not exist yet, what holds the
    reference is left out: half an element would break the rules of its type."""

    def copied(value: Any, root: bool = False) -> Any:
        if isinstance(value, dict):
            target = types.get(value.get("reference", ""))
            if "reference" in value:
                return {**value, "reference": f"{target}/"} if target in earlier else None
            kept = {name: copied(child) for name, child in value.items()}
            lost = any(kept[name] is None and isinstance(value[name], dict) for name in kept)
            if lost and not root:
                return None
            return {name: child for name, child in kept.items() if child is not None} or None
        if isinstance(value, list):
            return [child for child in map(copied, value) if child is not None] or None
        return value

    found: FhirJson = copied(content, root=True)
    return found
