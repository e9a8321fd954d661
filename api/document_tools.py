"""What the use cases of documents are given, by the settings: the reader, the links, the rules."""

from __future__ import annotations

from api.extraction.reader import Bounds, DocumentReader
from api.scanner import Clamd
from api.settings import Settings
from domain.documents.media_types import MediaRules
from domain.documents.scanning import NoScanner
from domain.documents.tools import DocumentTools
from fhir_mapping.attachments import Attachments

MB = 1024 * 1024


def document_tools(settings: Settings) -> DocumentTools:
    """The tools of one process."""
    allowed = tuple(settings.document_types.replace(",", " ").lower().split())
    return DocumentTools(
        reader=DocumentReader(Bounds(largest=settings.max_searched_mb * MB, seconds=settings.reading_seconds)),
        links=Attachments(settings.fhir_base),
        scanner=Clamd(settings.clamd) if settings.clamd else NoScanner(),
        rules=MediaRules(allowed, settings.max_blob_mb * MB),
        inline_bytes=settings.max_inline_mb * MB,
    )
