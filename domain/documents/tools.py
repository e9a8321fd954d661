"""What the use cases of documents work with, besides the blobs."""

from __future__ import annotations

from typing import NamedTuple

from domain.documents.extracting import ReadDocuments
from domain.documents.linking import DocumentLinks
from domain.documents.media_types import MediaRules
from domain.documents.scanning import NoScanner, ScanDocuments


class DocumentTools(NamedTuple):
    """The ports and bounds. Documents of up to `inline_bytes` are given back as base64 inside JSON; data of up to
    `kept_bytes` stays in resources that are no documents themselves (a photo of a Patient)."""

    reader: ReadDocuments
    links: DocumentLinks
    scanner: ScanDocuments = NoScanner()
    rules: MediaRules = MediaRules()
    inline_bytes: int = 10 * 1024 * 1024
    kept_bytes: int = 16 * 1024
