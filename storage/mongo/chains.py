"""Audit chains: each writer links its own entries, so that a removed, edited or swapped entry shows.

An entry's `_id` is chain and sequence (1, 2, 3 … without gaps), its `prev` the hash of the entry before. One chain for
the whole database would make every writer wait for every other (2.4 retries per transaction, RELIABILITY.md section 4),
so each process has two: one for entries inside commits, one for all others. A chain's head is stored when it starts,
about once a second while it grows, and when it ends; `verify` compares.

Invariant: the sequence moves on only when a batch is durable. When that is uncertain the chain is left behind for a new
one: a chain never has two entries of one number, and never a gap.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import bson
from pymongo.errors import PyMongoError

from domain.audit import AuditEntry
from storage.crypto.keys import AUDIT, Keyring
from storage.crypto.sealing import SealingKey, place, seal
from storage.mongo.batching import Breath
from storage.mongo.client import Collection
from storage.mongo.documents import HeadDocument, document_hash, encode_document, token_hash

HEAD_SECONDS = 1.0


class Links(NamedTuple):
    """Entries ready to be stored, and where the chain stands once they are."""

    documents: list[bytes]
    names: list[str]
    sequence: int
    digest: bytes


class AuditChain:
    """The chain of one writer. Not for two writers at a time: `link`, store, then `stored` or `abandon`."""

    def __init__(self, heads: Collection, keyring: Keyring, kind: str) -> None:
        self._heads = heads
        self._keyring = keyring
        self._kind = kind
        self._id: str | None = None
        self._sequence = 0
        self._digest: bytes | None = None
        self._saved = 0
        self._saver: asyncio.Task[None] | None = None

    async def link(self, entries: Sequence[AuditEntry]) -> Links:
        """Encode `entries` as the next ones of the chain; starts a chain, durably, when there is none.

        Raises the driver's error when the head of a new chain cannot be stored, `Unavailable` without the audit key.
        """
        key = self._keyring.cached_for_writing(AUDIT) or (await self._keyring.for_writing([AUDIT]))[AUDIT]
        chain = self._id or await self._start()
        sequence, digest = self._sequence, self._digest
        documents, names, breath = [], [], Breath()
        for entry in entries:
            sequence += 1
            name = f"{chain}-{sequence:012d}"
            raw = encode_document(audit_document(entry, name, digest, key))
            digest = document_hash(raw)
            documents.append(raw)
            names.append(name)
            if breath.due():
                await breath.take()
        return Links(documents, names, sequence, digest or b"")

    def stored(self, links: Links) -> None:
        """The entries are durable: the next ones follow them."""
        self._sequence, self._digest = links.sequence, links.digest
        if self._saver is None:
            self._saver = asyncio.create_task(self._save_later())

    def abandon(self) -> None:
        """Nobody knows whether the entries are durable: whatever comes next starts a new chain."""
        self._id = None

    async def close(self) -> None:
        """Store the last head, marked as the end."""
        if self._saver is not None:
            self._saver.cancel()
            self._saver = None
        if self._id is not None:
            await self._save(self._id, closed=True)
            self._id = None

    async def _start(self) -> str:
        chain = f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(5)}-{self._kind}"
        head = self._head(chain, 0, None, closed=False)
        await self._heads.insert_one(dict(head))
        self._id, self._sequence, self._digest, self._saved = chain, 0, None, 0
        return chain

    async def _save_later(self) -> None:
        await asyncio.sleep(HEAD_SECONDS)
        self._saver = None
        if self._id is not None and self._saved != self._sequence:
            try:
                await self._save(self._id, closed=False)
            except PyMongoError:
                # The entries themselves are durable; the next batch, or the end, saves a newer head.
                return

    async def _save(self, chain: str, *, closed: bool) -> None:
        head = self._head(chain, self._sequence, self._digest, closed=closed)
        saved = self._sequence
        fields = {name: value for name, value in head.items() if name not in ("_id", "started")}
        await self._heads.update_one({"_id": chain, "sequence": {"$lte": saved}, "closed": False}, {"$set": fields})
        self._saved = saved

    def _head(self, chain: str, sequence: int, digest: bytes | None, *, closed: bool) -> HeadDocument:
        now = datetime.now(UTC)
        head = HeadDocument(
            _id=chain, started=now, updated=now, sequence=sequence, digest=digest, closed=closed, mac=b""
        )
        head["mac"] = self._keyring.service.authenticate(head_message(head))
        return head


def head_message(head: Mapping[str, Any]) -> bytes:
    """What a head's `mac` authenticates: how far the chain had come, and whether it had ended."""
    return bson.encode({name: head[name] for name in ("_id", "sequence", "digest", "closed")})


def audit_document(entry: AuditEntry, name: str, prev: bytes | None, key: SealingKey) -> dict[str, Any]:
    """The stored form of one entry (`documents.AuditDocument`), query and network address sealed in their places."""
    document: dict[str, Any] = {
        "_id": name,
        "prev": prev,
        "recorded": entry.recorded,
        "interaction": entry.interaction,
        "action": entry.action,
        "outcome": entry.outcome,
        "status": entry.status,
        "subject": entry.subject,
        "client": entry.client,
        "token": token_hash(entry.token_id),
        "request_id": entry.request_id,
        "targets": entry.targets,
        "patients": entry.patients,
    }
    person = (
        ("roles", entry.roles),
        ("profiles", entry.profiles),
        ("organizations", entry.organizations),
        ("purpose", entry.purpose),
    )
    document |= {field: values for field, values in person if values}
    if entry.query is not None:
        document["query"] = seal(key, place(f"audit/{name}/query"), entry.query.encode())
    if entry.network is not None:
        document["network"] = seal(key, place(f"audit/{name}/network"), entry.network.encode())
    if "query" in document or "network" in document:
        document["key"] = key.id
    return document
