"""How resources and documents hang together: the port that reads and writes the places where they do.

https://hl7.org/fhir/R4/documentreference.html, https://hl7.org/fhir/R4/binary.html.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from domain.documents.scanning import ScanState
from domain.identity import FhirJson, ResourceKey


class InlineData(NamedTuple):
    """An Attachment that holds its document: `node` is the element itself, to be changed in place, `data` its base64."""

    path: str
    node: FhirJson
    data: str


class Link(NamedTuple):
    """An Attachment that points at a Binary of this server; `node` is the element itself."""

    path: str
    node: FhirJson
    target: ResourceKey


class DocumentLinks(Protocol):
    """Implemented by `fhir_mapping.attachments`."""

    def inline(self, content: FhirJson) -> list[InlineData]:
        """Every Attachment with data; none for a Binary."""
        ...

    def links(self, content: FhirJson) -> list[Link]:
        """The Attachments that point at a Binary here."""
        ...

    def replaced(self, content: FhirJson) -> list[tuple[str, ResourceKey | None]]:
        """What a DocumentReference replaces, by path; `None` for what is not ours."""
        ...

    def context(self, content: FhirJson) -> ResourceKey | None:
        """The resource that decides who may see a Binary. Raises `InvalidContent` for one of another server."""
        ...

    def blob(self, content: FhirJson) -> str | None:
        """The id of the blob that a stored Binary names."""
        ...

    def scanned(self, content: FhirJson) -> ScanState:
        """What is known of malware in the document of a stored Binary."""
        ...

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
        """A Binary as it is stored. `patient` is the id of the one whose key seals it."""
        ...

    def shown(self, content: FhirJson, data: str | None) -> FhirJson:
        """A stored Binary as a client sees it, with `data` in base64 or without."""
        ...

    def count_pages(self, attachment: FhirJson, pages: int | None) -> None:
        """Note on an Attachment how many pages its document has."""
        ...
