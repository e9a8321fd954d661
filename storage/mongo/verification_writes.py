"""Versions against the audit: each version is named by the entry of the write that made it, and each name is a version.

Entries of commits are those of chains of kind `w` (`storage/mongo/chains.py`). There is no index on what they name, it
would cost every write; instead both sides are read once, in one snapshot, and compared through 8-byte hashes under a
key made for this run. More than `PART` versions are compared in several rounds, so that memory stays bounded.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern

from storage.crypto.progress import Progress
from storage.mongo.client import Database
from storage.mongo.documents import AUDIT, REVISIONS
from storage.mongo.findings import Finding

PART = 500_000
"""Names compared in one round: about 60 MB."""


async def verify_writes(database: Database, progress: Progress) -> AsyncIterator[Finding]:
    """Versions that no write's entry names, and names that are no version."""
    rounds = await database[REVISIONS].estimated_document_count() // PART + 1
    secret, done = os.urandom(32), 0
    for number in range(rounds):
        async with database.client.start_session(snapshot=True) as session:
            met: dict[int, bool] = {}
            async for name in _named(database, session):
                digest = _digest(secret, name)
                if digest % rounds == number:
                    met[digest] = False
            async for name in _versions(database, session):
                digest = _digest(secret, name)
                if digest % rounds != number:
                    continue
                done += 1
                if done % 1000 == 0:
                    progress("writes", done)
                if digest not in met:
                    yield Finding("audit", name, "no audit entry tells of the write that made this version")
                else:
                    met[digest] = True
            missing = {digest for digest, found in met.items() if not found}
            if missing:
                async for name in _named(database, session):
                    digest = _digest(secret, name)
                    if digest in missing:
                        missing.discard(digest)
                        yield Finding("audit", name, "an audit entry tells of this version, but it is gone")
    progress("writes", done)


def _digest(secret: bytes, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=secret).digest(), "big")


async def _named(database: Database, session: AsyncClientSession) -> AsyncIterator[str]:
    """Every version that the entry of a commit names."""
    entries = database[AUDIT].with_options(read_concern=ReadConcern("snapshot"))
    async for entry in entries.find({}, {"targets": 1}, session=session, batch_size=5000):
        kind = str(entry["_id"]).rpartition("-")[0].rpartition("-")[2]
        if kind == "w":
            for target in entry.get("targets", ()):
                if target.count("/") == 2:
                    yield target


async def _versions(database: Database, session: AsyncClientSession) -> AsyncIterator[str]:
    revisions = database[REVISIONS].with_options(read_concern=ReadConcern("snapshot"))
    async for found in revisions.find({}, {"_id": 1}, session=session, batch_size=5000).hint([("_id", 1)]):
        yield str(found["_id"])
