"""The audit examined in parts: so many entries from where the last part ended, chain by chain.

What is carried from part to part, the chain, its number and its last hash, is all an examination knows.
"""

from __future__ import annotations

from typing import NamedTuple

from bson.raw_bson import RawBSONDocument

from domain.audit_check import Examined
from storage.crypto.keys import Keyring
from storage.mongo.client import Database, Document
from storage.mongo.documents import AUDIT, HEADS
from storage.mongo.failures import translated
from storage.mongo.findings import Finding
from storage.mongo.stored_bytes import stored_bytes
from storage.mongo.verification_audit import DIGITS, ChainExamination, sealed_findings, within

MOST_FINDINGS = 200


class _Place(NamedTuple):
    """After entry `number` of `chain`, whose hash is `digest`."""

    chain: str = ""
    number: int = 0
    digest: bytes | None = None

    def __str__(self) -> str:
        return f"{self.chain}|{self.number}|{(self.digest or b'').hex()}"


async def examine_part(database: Database, keyring: Keyring, place: str, count: int) -> Examined:
    """At most `count` entries from `place` on, and what is wrong with them. Raises `Unavailable`."""
    chain, number, digest = place.split("|") if place else ("", "0", "")
    here = _Place(chain, int(number), bytes.fromhex(digest) or None)
    findings: list[Finding] = []
    done = 0
    with translated("The audit could not be examined"):
        while done < count and len(findings) < MOST_FINDINGS:
            head = await _head(database, here)
            if head is None:
                return _answer(done, findings, None)
            if head["_id"] != here.chain or here.number == 0:
                here = _Place(head["_id"])
            page = await _entries(database, here, min(1_000, count - done))
            examination = ChainExamination(here.chain, head, keyring, after=here.number, digest=here.digest)
            if here.number == 0:
                findings += examination.beginning()
            keys = await keyring.for_reading({entry["key"] for entry in page if "key" in entry})
            for entry in page:
                findings += examination.follow(entry)
                findings += sealed_findings(entry, keys.get(entry.get("key", "")))
            done += max(1, len(page))
            here = _Place(here.chain, examination.number, examination.digest)
            if not page:
                findings += examination.ending()
                here = _Place(f"{here.chain}~")  # Greater than this chain, smaller than the next.
    return _answer(done, findings, here)


def _answer(done: int, findings: list[Finding], here: _Place | None) -> Examined:
    said = tuple((finding.where, finding.message) for finding in findings)
    return Examined(done, said, None if here is None else str(here))


async def _head(database: Database, here: _Place) -> Document | None:
    """The head of the chain under examination, or of the first one after it."""
    return await database[HEADS].find_one({"_id": {"$gte": here.chain}}, sort=[("_id", 1)])


async def _entries(database: Database, here: _Place, count: int) -> list[RawBSONDocument]:
    bounds = within(here.chain)["_id"]
    if here.number:
        bounds = {**bounds, "$gt": f"{here.chain}-{here.number:0{DIGITS}d}"}
    return await stored_bytes(database, AUDIT).find({"_id": bounds}).sort("_id", 1).limit(count).to_list()
