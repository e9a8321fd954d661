"""From a `Write` to the bytes that will be stored: contents sealed, terms made into tokens, documents encoded.

Happens while the batch before is in flight, in the caller's own task, so that a transaction only sends bytes. Long
writes (a Bundle of 2,000 entries) let others run every few milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from domain.audit import AuditEntry
from domain.blobs import BlobClaim
from domain.cells import Cell
from domain.errors import VersionConflict
from domain.revision import Change, Claim, Description, Receipt, Write
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey, place, seal
from storage.crypto.wrapped_keys import NewKey
from storage.mongo.batching import Breath
from storage.mongo.blob_documents import touched
from storage.mongo.documents import (
    Sealed,
    document_hash,
    encode_document,
)
from storage.mongo.found_words import found_fields
from storage.mongo.index_entries import index_entries, new_place, ties
from storage.mongo.notice_rows import notice_rows

NOTHING = Description()


class Current(NamedTuple):
    """A `resources` document to be stored in place of version `replaces` (0: there must be none)."""

    name: str
    replaces: int
    document: bytes


class Expected(NamedTuple):
    """A condition under which the write may happen: `name` (of one collection) still counts `number`."""

    name: bytes
    number: int


class Booked(NamedTuple):
    """A cell as it will be, `n` but for its count: expected is `seen`."""

    name: bytes
    seen: int
    fields: Mapping[str, Any]


class Prepared(NamedTuple):
    """One write, ready to be sent. `touches` maps every stored name it depends on to the number expected there, `tied` are
    the actors whose relations it changes."""

    revisions: tuple[bytes, ...]
    currents: tuple[Current, ...]
    claims: tuple[Expected, ...]
    receipt: bytes | None
    receipt_name: bytes | None
    keys: tuple[bytes, ...]
    blobs: tuple[BlobClaim, ...]
    audit: AuditEntry
    touches: Mapping[str | bytes, int]
    size: int
    tied: frozenset[str] = frozenset()
    cells: tuple[Booked, ...] = ()
    notices: tuple[tuple[str, bytes], ...] = ()

    def __repr__(self) -> str:
        return f"Prepared({len(self.revisions)} revisions, {self.size} bytes)"


def owners(write: Write) -> set[str]:
    """Whose keys the write needs. A deletion seals nothing."""
    sealed = {
        patient_owner((change.description or NOTHING).patient)
        for change in write.changes
        if change.revision.content is not None
    }
    return sealed | {patient_owner(notice.patient) for notice in write.notices}


def born(write: Write) -> list[str]:
    """The patients this write brings into being: their ids were made for it, so nobody else can have given them a key.

    Except for blobs of theirs, which were sealed before.
    """
    if write.blobs:
        return []
    return [
        patient_owner(change.revision.key.id)
        for change in write.changes
        if change.base is None and change.revision.method == "POST" and change.revision.key.type == "Patient"
    ]


async def prepare(
    write: Write,
    keys: Mapping[str, SealingKey],
    tips: Mapping[str, bytes],
    keyring: Keyring,
    made: Sequence[NewKey] = (),
) -> Prepared:
    """Seal and encode `write`. `keys` holds a key per owner, `tips` the hash of each base, by resource.

    `made` are the keys that are stored together with the write.
    """
    revisions: list[bytes] = []
    currents: list[Current] = []
    touches: dict[str | bytes, int] = {}
    breath = Breath()
    for change in write.changes:
        name = str(change.revision.key)
        if name in touches:
            raise VersionConflict(f"{name} is written twice by one request")
        touches[name] = change.replaces
        revision, current = _documents(change, keys, tips, write.audit.subject, keyring)
        revisions.append(revision)
        currents.append(Current(name, change.replaces, current))
        if breath.due():
            await breath.take()
    claims = tuple(_claims(write.claims, keyring))
    touches.update(claims)
    cells = tuple(_booked(write.cells, keyring))
    touches.update({cell.name: cell.seen for cell in cells})
    touches.update(_published(write))
    receipt_name = None
    if write.receipt is not None:
        receipt_name = keyring.service.name_hash("receipt", write.receipt.name)
        touches[receipt_name] = 0
    size = sum(map(len, revisions)) + sum(len(current.document) for current in currents)
    return Prepared(
        revisions=tuple(revisions),
        currents=tuple(currents),
        claims=claims,
        receipt=_receipt(write.receipt, receipt_name) if write.receipt else None,
        receipt_name=receipt_name,
        keys=tuple(encode_document(new.document) for new in made),
        blobs=write.blobs,
        audit=write.audit,
        touches=touches,
        size=size,
        tied=frozenset(actor for change in write.changes for actor in changed_actors(change)),
        cells=cells,
        notices=notice_rows(write.notices, keys, keyring),
    )


def _documents(
    change: Change, keys: Mapping[str, SealingKey], tips: Mapping[str, bytes], author: str, keyring: Keyring
) -> tuple[bytes, bytes]:
    """The revision and the current document of one change, encoded."""
    revision, name = change.revision, str(change.revision.key)
    version_name = revision.key.at(revision.version)
    described = change.description or NOTHING
    access = _access_fields(change, author)
    sealed: bytes | None = None
    key_id: str | None = None
    if revision.content is not None:
        key = keys[patient_owner(described.patient)]
        sealed, key_id = seal(key, place(version_name), revision.content), key.id
    named = {
        "type": revision.key.type,
        "id": revision.key.id,
        "version": revision.version,
        "method": revision.method,
    }
    history = {"recorded": revision.recorded, "key": key_id, "sealed": sealed, "prev": tips.get(name)}
    raw = encode_document({"_id": version_name, **named, **access, **history})
    deletion = revision.content is None
    current: dict[str, Any] = {
        "_id": name,
        **named,
        **access,
        "updated": revision.recorded,
        "deleted": deletion,
        "erased": False,
        "author": author,
        "tip": document_hash(raw),
        "place": place_of(change),
    }
    if not deletion:
        current["key"] = key_id
        current["sealed"] = sealed
        current |= index_entries(revision.key.type, described, keyring.service.tokens)
        current["outline"] = described.outline
        if described.found:
            key = keys[patient_owner(described.patient)]
            current |= found_fields(described.found, key, version_name, keyring.service.tokens)
    return raw, encode_document(current)


def _access_fields(change: Change, author: str) -> dict[str, Any]:
    """What access is decided by. Who may know of a deletion: those who might have seen what was deleted."""
    base = change.base.head if change.base else None
    shown = base if change.revision.content is None and base is not None else change.description or NOTHING
    return {
        "patient": shown.patient,
        "labels": shown.labels,
        "compartments": shown.patients,
        "facets": shown.facets,
        "source": author if base is None else base.source,
    }


def changed_actors(change: Change) -> set[str]:
    """The actors whose ties a change makes, ends or alters; none when it leaves them as they are."""
    handle = change.base.handle if change.base else None
    old = handle.ties if isinstance(handle, Sealed) else ()
    new = ties(change.description) if change.description is not None else []
    if not old and not new:
        return set()
    rows = {encode_document(row): str(row["a"]) for row in (*old, *new)}
    kept = {encode_document(row) for row in old} & {encode_document(row) for row in new}
    return {actor for raw, actor in rows.items() if raw not in kept}


def place_of(change: Change) -> int:
    """Where the resource stands in the store's order: where it stood, when the base was read from `resources`."""
    handle = change.base.handle if change.base else None
    kept = handle.place if isinstance(handle, Sealed) else None
    return new_place() if kept is None else kept


def tip_of(change: Change) -> bytes | None:
    """The hash the new version links to, when the base was read from `resources`."""
    handle = change.base.handle if change.base else None
    return handle.tip if isinstance(handle, Sealed) else None


def _published(write: Write) -> dict[str | bytes, int]:
    """The blobs that must still be pending. Raises `ValueError` for a claim on behalf of a version that is not written."""
    written = {change.revision.key.at(change.revision.version) for change in write.changes}
    if any(blob.resource not in written for blob in write.blobs):
        raise ValueError("a blob is published with a version of the same write")
    return {touched(blob.id, blob.patient): 0 for blob in write.blobs}


def _claims(claims: tuple[Claim, ...], keyring: Keyring) -> list[Expected]:
    found = {keyring.service.name_hash("claim", claim.name): claim.seen for claim in claims}
    return [Expected(name, seen) for name, seen in found.items()]


def _booked(cells: tuple[Cell, ...], keyring: Keyring) -> list[Booked]:
    """Raises `ValueError` for a cell that one write books twice."""
    found = {keyring.service.name_hash("cell", cell.name): cell for cell in cells}
    if len(found) < len(cells):
        raise ValueError("a write books or releases a cell once")
    return [
        Booked(name, cell.seen, {"holder": cell.holder, "until": cell.until, "gone": cell.gone})
        for name, cell in found.items()
    ]


def _receipt(receipt: Receipt, name: bytes | None) -> bytes:
    return encode_document(
        {"_id": name, "fingerprint": receipt.fingerprint, "outcomes": receipt.outcomes, "at": datetime.now(UTC)}
    )
