"""`domain.grants.GrantBook` on MongoDB: one document per grant, reason and note sealed under the patient's key.

Who may see what is asked of the database at every request, with the clock in the filter; nothing has to run for a grant
to end. Erasing the patient takes the reason along and leaves the fact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from domain.break_glass import Grant, Review
from domain.errors import IntegrityFailure
from domain.grants import GrantPage
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.oversight_documents import BREAK_GLASS, BreakGlassDocument

_UNANSWERED = "Emergency access could not be looked up"


class MongoGrantBook:
    """The grants of one database; `clock` decides what is active."""

    def __init__(self, database: Database, keyring: Keyring, clock: Callable[[], datetime]) -> None:
        self._grants = database[BREAK_GLASS]
        self._keyring = keyring
        self._clock = clock

    async def active(self, account: str, patient: str) -> bool:
        filter = {**self._active(account), "patient": patient}
        with translated(_UNANSWERED):
            return await self._grants.find_one(filter, {"_id": 1}, max_time_ms=READ_MS) is not None

    async def patients(self, account: str) -> frozenset[str]:
        with translated(_UNANSWERED):
            found = await self._grants.find(self._active(account), {"patient": 1}, max_time_ms=READ_MS).to_list()
        return frozenset(each["patient"] for each in found)

    def _active(self, account: str) -> Document:
        now = self._clock()
        return {"account": account, "until": {"$gt": now}, "since": {"$lte": now}, "verdict": {"$ne": "unjustified"}}

    async def add(self, grant: Grant) -> None:
        """See `domain.grants.GrantBook.add`."""
        owner = patient_owner(grant.patient)
        key = (await self._keyring.for_writing([owner]))[owner]
        document: dict[str, Any] = BreakGlassDocument(
            _id=grant.id,
            account=grant.account,
            subject=grant.subject,
            patient=grant.patient,
            organizations=grant.organizations,
            since=grant.since,
            until=grant.until,
            request_id=grant.request_id,
            key=key.id,
            reason=_seal(key, grant.id, "reason", grant.reason),
            alerted=False,
            reviewed=False,
        )  # type: ignore[assignment]
        with translated("Emergency access could not be recorded"):
            await self._grants.insert_one(document)

    async def find(self, grant_id: str) -> Grant | None:
        with translated(_UNANSWERED):
            found = await self._grants.find_one({"_id": grant_id}, max_time_ms=READ_MS)
        return None if found is None else (await self._opened([found]))[0]

    async def page(
        self, *, pending: bool, organizations: Sequence[str] | None, account: str | None, after: str | None, count: int
    ) -> GrantPage:
        """See `domain.grants.GrantBook.page`. Ids grow with time, so their order is that of opening."""
        filter: Document = {"reviewed": False} if pending else {}
        if organizations is not None:
            filter["organizations"] = {"$in": list(organizations)}
        if account is not None:
            filter["account"] = account
        if after is not None:
            filter["_id"] = {"$gt": after}
        with translated(_UNANSWERED):
            found = await self._grants.find(filter, max_time_ms=READ_MS).sort("_id", 1).limit(count + 1).to_list()
        shown = found[:count]
        return GrantPage(await self._opened(shown), shown[-1]["_id"] if len(found) > count and shown else None)

    async def record_review(self, grant_id: str, review: Review) -> bool:
        with translated("The review could not be stored"):
            found = await self._grants.find_one({"_id": grant_id}, {"key": 1}, max_time_ms=READ_MS)
            if found is None:
                return False
            change: Document = {"reviewed": True, "reviewer": review.by, "at": review.at, "verdict": review.verdict}
            key = (await self._keyring.for_reading([found["key"]])).get(found["key"])
            if review.note and key is not None:
                change["note"] = _seal(key, grant_id, "note", review.note)
            stored = await self._grants.find_one_and_update(
                {"_id": grant_id, "reviewed": False}, {"$set": change}, {"_id": 1}, return_document=ReturnDocument.AFTER
            )
        return stored is not None

    async def untold(self) -> Grant | None:
        with translated(_UNANSWERED):
            found = await self._grants.find_one({"alerted": False}, sort=[("_id", 1)], max_time_ms=READ_MS)
        return None if found is None else (await self._opened([found]))[0]

    async def told(self, grant_id: str) -> None:
        with translated("Emergency access could not be marked"):
            await self._grants.update_one({"_id": grant_id}, {"$set": {"alerted": True}})

    async def _opened(self, documents: Sequence[Document]) -> list[Grant]:
        keys = await self._keyring.for_reading({document["key"] for document in documents})
        return [_grant(document, keys.get(document["key"])) for document in documents]


def _seal(key: SealingKey, grant_id: str, field: str, text: str) -> bytes:
    return seal(key, place(f"{BREAK_GLASS}/{grant_id}/{field}"), text.encode())


def _text(key: SealingKey | None, document: Document, field: str) -> str:
    """The opened text; empty when the patient's key was erased. Raises `IntegrityFailure` for altered bytes."""
    sealed = document.get(field)
    if key is None or sealed is None:
        return ""
    if not isinstance(sealed, bytes):
        raise IntegrityFailure("A stored value is not what was sealed in its place")
    return open_sealed(key, place(f"{BREAK_GLASS}/{document['_id']}/{field}"), sealed).decode()


def _grant(document: Document, key: SealingKey | None) -> Grant:
    review = None
    if document["reviewed"]:
        review = Review(document["reviewer"], document["at"], document["verdict"], _text(key, document, "note"))
    return Grant(
        id=document["_id"],
        account=document["account"],
        subject=document["subject"],
        patient=document["patient"],
        reason=_text(key, document, "reason"),
        since=document["since"],
        until=document["until"],
        request_id=document["request_id"],
        organizations=tuple(document["organizations"]),
        review=review,
    )
