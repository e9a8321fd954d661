"""The commands that store a batch of prepared writes, in the order in which they are sent."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson.raw_bson import RawBSONDocument

from domain.blobs import BlobClaim
from storage.mongo.blob_documents import BLOBS, DOOMED, OPENING, PENDING, READY
from storage.mongo.chains import Links
from storage.mongo.client import Collection
from storage.mongo.counters import raises
from storage.mongo.documents import AUDIT, CELLS, CLAIMS, RECEIPTS, RESOURCES, REVISIONS, encode_document
from storage.mongo.notice_documents import NOTICES
from storage.mongo.notice_rows import upserts
from storage.mongo.oversight_documents import RELATIONS
from storage.mongo.preparing import Prepared
from storage.mongo.transactions import SLICE_DOCUMENTS, Statement, inserts, updates


def claimed(writes: Sequence[Prepared]) -> dict[str | bytes, int]:
    """What the claims and cells of this batch will count.

    A new one starts at the time in microseconds, not at 1: they expire, and one that is made again must not count
    what an older one has counted.
    """
    now = time.time_ns() // 1_000
    counted: list[tuple[bytes, int]] = [claim for write in writes for claim in write.claims]
    counted += [(cell.name, cell.seen) for write in writes for cell in write.cells]
    return {name: seen + 1 if seen else now for name, seen in counted}


def _cells(writes: Sequence[Prepared], numbers: Mapping[str | bytes, int]) -> Iterator[Statement]:
    """Book and release."""
    cells = [cell for write in writes for cell in write.cells]
    rows = [(cell, {**cell.fields, "n": numbers[cell.name]}) for cell in cells]
    yield from inserts(CELLS, [encode_document({"_id": cell.name, **row}) for cell, row in rows if not cell.seen])
    yield from updates(
        CELLS, [({"_id": cell.name, "n": cell.seen}, {"$set": row}, 150) for cell, row in rows if cell.seen]
    )


def _retied(actors: set[str]) -> Iterator[Statement]:
    """Tell every process that the ties of these actors changed (`storage/mongo/relations.py`)."""
    yield from _upserts(RELATIONS, raises(actors))


def _upserts(collection: str, ops: Sequence[dict[str, Any]]) -> Iterator[Statement]:
    for start in range(0, len(ops), SLICE_DOCUMENTS):
        part = ops[start : start + SLICE_DOCUMENTS]
        yield Statement(collection, {"update": collection, "ordered": True, "updates": part}, len(part))


def statements(
    writes: Sequence[Prepared], numbers: Mapping[str | bytes, int], links: Links, keys: Collection
) -> Iterator[Statement]:
    """The commands of one transaction, what collides most first."""
    now = datetime.now(UTC)
    claims = [claim for write in writes for claim in write.claims]
    yield from inserts(
        CLAIMS,
        [encode_document({"_id": name, "n": numbers[name], "at": now}) for name, seen in claims if not seen],
    )
    used: dict[str, Any] = {"$inc": {"n": 1}, "$set": {"at": now}}
    yield from updates(CLAIMS, [({"_id": name, "n": seen}, used, 100) for name, seen in claims if seen])
    yield from _cells(writes, numbers)
    yield from updates(BLOBS, [update for write in writes for blob in write.blobs for update in _published(blob, now)])
    yield from inserts(RECEIPTS, [write.receipt for write in writes if write.receipt is not None])
    currents = [current for write in writes for current in write.currents]
    yield from updates(
        RESOURCES,
        [
            # Not over the remains of an erased patient, whose version is still the one that was read before.
            ({"_id": name, "version": replaces, "erased": False}, RawBSONDocument(document), len(document))
            for name, replaces, document in currents
            if replaces
        ],
    )
    yield from inserts(keys.name, [key for write in writes for key in write.keys], keys.database.name)
    yield from inserts(RESOURCES, [document for _, replaces, document in currents if not replaces])
    yield from _retied({actor for write in writes for actor in write.tied})
    told = upserts([row for write in writes for row in write.notices])
    yield from _upserts(NOTICES, [{"q": selected, "u": change, "upsert": True} for selected, change in told])
    yield from inserts(REVISIONS, [raw for write in writes for raw in write.revisions])
    yield from inserts(AUDIT, links.documents)


def _published(blob: BlobClaim, now: datetime) -> Iterator[tuple[dict[str, Any], dict[str, Any], int]]:
    """A pending blob becomes ready; what it takes the place of is doomed, and cannot be opened from that moment on."""
    pending = {"_id": blob.id, "state": PENDING, "whole": True, "patient": blob.patient}
    ready = {"state": READY, "at": now, "resource": blob.resource}
    if blob.replaces is None:
        yield pending, {"$set": ready}, 200
        return
    yield pending, {"$set": {**ready, "was": blob.replaces}}, 250
    nobodys = {"_id": blob.replaces, "state": READY, "patient": None}
    yield nobodys, {"$set": {"state": DOOMED, "at": now}, "$unset": dict.fromkeys(OPENING, 1)}, 250
