"""Walks the audit chain by chain: numbers without gaps, links that hold, heads that agree, values that open.

A head is read before the entries of its chain, so that entries written meanwhile only follow it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument

from domain.errors import IntegrityFailure
from storage.crypto.keys import Keyring
from storage.crypto.progress import Progress
from storage.crypto.sealing import SealingKey, open_sealed, place
from storage.mongo.chains import head_message
from storage.mongo.client import Database
from storage.mongo.documents import AUDIT, HEADS, document_hash
from storage.mongo.findings import Finding
from storage.mongo.stored_bytes import stored_bytes

PAGE = 500
DIGITS = 12


async def verify_audit(database: Database, keyring: Keyring, progress: Progress) -> AsyncIterator[Finding]:
    """Every chain that has a head, then entries that belong to none."""
    entries = stored_bytes(database, AUDIT)
    done = 0
    chains: list[str] = []
    async for head in database[HEADS].find().sort("_id", 1):
        chain = head["_id"]
        examined = ChainExamination(chain, head, keyring)
        for finding in examined.beginning():
            yield finding
        page: list[RawBSONDocument] = []
        async for entry in entries.find(within(chain)).sort("_id", 1):
            page.append(entry)
            if len(page) == PAGE:
                async for finding in _entries(examined, page, keyring):
                    yield finding
                done, page = done + len(page), []
                progress("audit", done)
        async for finding in _entries(examined, page, keyring):
            yield finding
        for finding in examined.ending():
            yield finding
        done += len(page)
        progress("audit", done)
        chains.append(chain)
    async for finding in _strays(database):
        yield finding


def within(chain: str) -> dict[str, Any]:
    """Filter for the entries of one chain, by name."""
    return {"_id": {"$gt": f"{chain}-", "$lt": f"{chain}-~"}}


async def _entries(
    examined: ChainExamination, page: Sequence[RawBSONDocument], keyring: Keyring
) -> AsyncIterator[Finding]:
    keys = await keyring.for_reading({entry["key"] for entry in page if "key" in entry})
    for entry in page:
        for finding in examined.follow(entry):
            yield finding
        for finding in sealed_findings(entry, keys.get(entry.get("key", ""))):
            yield finding


def sealed_findings(entry: Mapping[str, Any], key: SealingKey | None) -> Iterator[Finding]:
    """Whether query and network address are what was sealed in this entry."""
    for field in ("query", "network"):
        if field in entry:
            where = f"{AUDIT}/{entry['_id']}"
            try:
                if key is None:
                    raise IntegrityFailure("no key")
                open_sealed(key, place(f"{where}/{field}"), entry[field])
            except (IntegrityFailure, TypeError):
                yield Finding("sealed", where, f"its {field} is not what was sealed in this place")


class ChainExamination:
    """One chain under examination. Feed it the entries in order, then ask for `ending`.

    One that goes on where another one stopped knows that entry `after` had the hash `digest`.
    """

    def __init__(
        self, chain: str, head: Mapping[str, Any], keyring: Keyring, *, after: int = 0, digest: bytes | None = None
    ) -> None:
        self._chain = chain
        self._head = head
        self._keyring = keyring
        self._sequence = after
        self._digest = digest
        self._broken = False

    @property
    def number(self) -> int:
        """Of the last entry."""
        return self._sequence

    @property
    def digest(self) -> bytes | None:
        """Of the last entry."""
        return self._digest

    def beginning(self) -> Iterator[Finding]:
        """The head itself: is it one that this service wrote?"""
        try:
            authentic = self._keyring.service.is_authentic(head_message(self._head), bytes(self._head["mac"]))
        except (KeyError, TypeError):
            authentic = False
        if not authentic:
            self._broken = True
            yield Finding("chain", f"{HEADS}/{self._chain}", "was altered, or was not written by this service")

    def follow(self, entry: RawBSONDocument) -> Iterator[Finding]:
        where = f"{AUDIT}/{entry['_id']}"
        digits = str(entry["_id"])[len(self._chain) + 1 :]
        if len(digits) != DIGITS or not digits.isdecimal():
            yield Finding("malformed", where, "is not named like an entry")
            return
        number = int(digits)
        for missing in range(self._sequence + 1, min(number, self._sequence + 100)):
            yield Finding("missing", self._where(missing), "this entry is gone")
        if number == self._sequence + 1 and entry.get("prev") != self._digest:
            altered = self._where(self._sequence) if self._sequence else where
            yield Finding("chain", altered, f"is not what entry {number} was written after: it was altered")
        self._sequence, self._digest = number, document_hash(bytes(entry.raw))
        if self._broken:
            return
        if number == self._head["sequence"] and self._digest != self._head["digest"]:
            yield Finding("chain", where, "is not the entry that the chain's head names: it was altered")
        elif number > self._head["sequence"] and self._head["closed"]:
            yield Finding("chain", where, "was added after the chain had ended")

    def ending(self) -> Iterator[Finding]:
        """What the head knows to have existed and was not met."""
        if self._broken:
            return
        last = self._head["sequence"]
        for missing in range(self._sequence + 1, min(last, self._sequence + 100) + 1):
            yield Finding("missing", self._where(missing), "this entry is gone")

    def _where(self, number: int) -> str:
        return f"{AUDIT}/{self._chain}-{number:0{DIGITS}d}"


async def _strays(database: Database) -> AsyncIterator[Finding]:
    """Chains whose head is gone: the head is stored before the first entry."""
    last = ""
    while found := await database[AUDIT].find_one({"_id": {"$gt": last}}, {"_id": 1}, sort=[("_id", 1)]):
        chain = str(found["_id"]).rpartition("-")[0]
        if await database[HEADS].find_one({"_id": chain}, {"_id": 1}) is None:
            yield Finding("missing", f"{HEADS}/{chain}", "the head of this audit chain is gone")
        last = f"{chain}-~"
