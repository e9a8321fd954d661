"""The use cases over the in-memory store and the real mapping: no database, no HTTP."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from api.extraction.reader import DocumentReader
from domain.access import Caller, parse_scopes
from domain.documents.tools import DocumentTools
from domain.interactions.parts import Occasion, Parts, Retryable
from fhir_mapping.attachments import Attachments
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.patches import PatchDocuments
from fhir_mapping.query_string import QueryStrings
from fhir_mapping.reading import ContentReading
from fhir_mapping.references import ResourceLinks
from fhir_mapping.validation import Validation
from storage.memory.audit import MemoryAuditTrail
from storage.memory.revisions import MemoryRevisionStore


@pytest.fixture
def parts() -> Parts:
    """Parts with a clock that ticks a second per look and ids that count."""
    trail = MemoryAuditTrail()
    ticks = itertools.count()
    ids = itertools.count(1)
    store = MemoryRevisionStore(trail)
    return Parts(
        store=store,
        trail=trail,
        validate=Validation(),
        describe=IndexTerms("http://x/fhir"),
        search=QueryStrings("http://x/fhir"),
        reading=ContentReading("http://x/fhir"),
        links=ResourceLinks(),
        patches=PatchDocuments(),
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks)),
        new_id=lambda: f"new-{next(ids)}",
        blobs=store.blobs,
        documents=DocumentTools(reader=DocumentReader(), links=Attachments("http://x/fhir")),
    )


@pytest.fixture
def asked() -> Occasion:
    """A caller who may do everything."""
    return asking("system/*.cruds")


def asking(scopes: str, key: str | None = None) -> Occasion:
    caller = Caller("ann", "app", "t1", parse_scopes(scopes))
    return Occasion(caller, "r1", "update", retryable=Retryable(key, b"f") if key else None)
