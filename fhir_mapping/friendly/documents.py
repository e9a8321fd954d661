"""A document's card as a DocumentReference and back: https://hl7.org/fhir/R4/documentreference.html

`date` of the card is when the document was made: `attachment.creation`, and `context.period`, by which it is found;
`DocumentReference.date` stays the time of filing. Where it comes from is a category of our own.
"""

from __future__ import annotations

import copy
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from domain.blobs import Blob
from domain.clinic.document_cards import DocumentCard, DocumentForm, Wanted
from domain.errors import InvalidFields
from domain.identity import FhirJson, ResourceKey, parse_reference
from fhir_mapping.attachments import PAGES
from fhir_mapping.friendly.elements import LOINC, first, instant, moment, put, reference
from fhir_mapping.search_values.escaping import escape

SOURCE = "urn:chartvault:document-source"


class Kind(NamedTuple):
    """A kind of document: its LOINC code and what it is called."""

    code: str
    label: str


TYPES: dict[str, Kind] = {
    "lab-report": Kind("11502-2", "Laboratory report"),
    "progress-note": Kind("11506-3", "Progress note"),
    "physical-assessment": Kind("29545-1", "Physical findings"),
    "consultation": Kind("11488-4", "Consult note"),
    "discharge-summary": Kind("18842-5", "Discharge summary"),
    "summary": Kind("34133-9", "Summary of episode note"),
    "referral": Kind("57133-1", "Referral note"),
    "imaging": Kind("18748-4", "Diagnostic imaging study"),
    "history": Kind("11348-0", "History of past illness"),
    "diet": Kind("61144-2", "Diet and nutrition"),
    "prescription": Kind("57833-6", "Prescription for medication"),
    "consent": Kind("59284-0", "Consent document"),
    "insurance": Kind("64290-0", "Health insurance card"),
    "other": Kind("34109-9", "Note"),
}
SOURCES = ("PHP", "DIETICIAN", "PRACTITIONER", "PATIENT", "LABORATORY", "OTHER")
_NAMES = {kind.code: name for name, kind in TYPES.items()}


class Documents:
    """Implements `domain.clinic.documents.DocumentRecords`."""

    def to_fhir(self, form: DocumentForm, *, patient: str, now: datetime, replaces: str | None = None) -> FhirJson:
        """See `DocumentRecords.to_fhir`."""
        content: FhirJson = {
            "resourceType": "DocumentReference",
            "status": "current",
            "docStatus": "final",
            "subject": {"reference": f"Patient/{patient}"},
            "date": instant(now),
            "content": [{"attachment": {}}],
        }
        if replaces is not None:
            content["relatesTo"] = [{"code": "replaces", "target": {"reference": replaces}}]
        return self.amended(content, form)

    def attached(self, content: FhirJson, blob: Blob, binary: ResourceKey, pages: int | None) -> FhirJson:
        """See `DocumentRecords.attached`."""
        content = copy.deepcopy(content)
        attachment = content["content"][0]["attachment"]
        attachment |= {
            "contentType": blob.content_type,
            "url": str(binary),
            "size": blob.size,
            "hash": b64encode(blob.sha1).decode(),
        }
        if pages is not None:
            attachment["extension"] = [{"url": PAGES, "valuePositiveInt": pages}]
        return content

    def amended(self, content: FhirJson, form: DocumentForm) -> FhirJson:
        """See `DocumentRecords.amended`."""
        content = copy.deepcopy(content)
        kind = _kind(form.type)
        content["type"] = {"coding": [{"system": LOINC, "code": kind.code, "display": kind.label}]}
        others = [each for each in content.get("category", ()) if _source_of(each) is None]
        if form.source is not None:
            others.append({"coding": [{"system": SOURCE, "code": _source(form.source)}]})
        put(content, "category", others)
        put(content, "description", form.description)
        put(content, "author", None if form.author is None else [{"reference": _author(form.author)}])
        attachment = content["content"][0]["attachment"]
        put(attachment, "title", form.title)
        put(attachment, "creation", None if form.date is None else instant(form.date))
        context = dict(content.get("context", {}))
        when = None if form.date is None else instant(form.date)
        put(context, "period", None if when is None else {"start": when, "end": when})
        put(content, "context", context)
        return content

    def withdrawn(self, content: FhirJson) -> FhirJson:
        """See `DocumentRecords.withdrawn`."""
        return {**content, "status": "entered-in-error"}

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> DocumentCard:
        """See `DocumentRecords.from_fhir`."""
        attachment: Mapping[str, Any] = content.get("content", [{}])[0].get("attachment", {})
        coding = first(content.get("type", {}).get("coding", ()), LOINC)
        subject, url = reference(content.get("subject", {})), reference({"reference": attachment.get("url")})
        sources = [source for each in content.get("category", ()) if (source := _source_of(each)) is not None]
        replaced = [
            each["target"].get("reference") for each in content.get("relatesTo", ()) if each.get("code") == "replaces"
        ]
        extensions = attachment.get("extension", ())
        pages = [each.get("valuePositiveInt") for each in extensions if each.get("url") == PAGES]
        return DocumentCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=subject.id if subject is not None and subject.type == "Patient" else None,
            type=_NAMES.get(coding.get("code", ""), "other"),
            type_label=_label(content.get("type", {}), coding),
            status=content["status"],
            title=attachment.get("title"),
            date=moment(attachment.get("creation")),
            description=content.get("description"),
            source=sources[0] if sources else None,
            author=next((each.get("reference") for each in content.get("author", ())), None),
            content_type=attachment.get("contentType"),
            size=attachment.get("size"),
            sha1=b64decode(attachment["hash"]).hex() if "hash" in attachment else None,
            pages=pages[0] if pages else None,
            replaces=replaced[0].rpartition("/")[2] if replaced and replaced[0] else None,
            binary=url if url is not None and url.type == "Binary" else None,
        )  # fmt: skip

    def query(self, wanted: Wanted) -> list[tuple[str, str]]:
        """See `DocumentRecords.query`."""
        found = [("patient", wanted.patient), ("_sort", "type,-date" if wanted.by_type else "-date")]
        if wanted.type is not None:
            found.append(("type", f"{LOINC}|{_kind(wanted.type).code}"))
        if wanted.source is not None:
            found.append(("category", f"{SOURCE}|{_source(wanted.source)}"))
        if wanted.since is not None:
            found.append(("period", f"ge{instant(wanted.since)}"))
        if wanted.until is not None:
            found.append(("period", f"lt{instant(wanted.until)}"))
        if wanted.author is not None:
            found.append(("author", _author(wanted.author)))
        if wanted.words is not None:
            found.append(("_content", escape(wanted.words)))
        if not wanted.all_states:
            found.append(("status", "current"))
        return found


def _kind(name: str) -> Kind:
    kind = TYPES.get(name)
    if kind is None:
        raise InvalidFields(f"The type is one of {', '.join(TYPES)}", expression="type")
    return kind


def _source(name: str) -> str:
    if name not in SOURCES:
        raise InvalidFields(f"The source is one of {', '.join(SOURCES)}", expression="source")
    return name


def _author(name: str) -> str:
    literal = parse_reference(name)
    if literal is None or literal.base is not None:
        raise InvalidFields("The author is written as Practitioner/1", expression="author")
    return str(literal.key)


def _source_of(category: Mapping[str, Any]) -> str | None:
    code: str | None = first(category.get("coding", ()), SOURCE).get("code")
    return code


def _label(concept: Mapping[str, Any], coding: Mapping[str, Any]) -> str:
    known = _NAMES.get(coding.get("code", ""))
    text: str = concept.get("text") or coding.get("display") or (TYPES[known].label if known else TYPES["other"].label)
    return text
