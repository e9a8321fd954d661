"""`domain.sessions.Sessions` on MongoDB: one document per login, changed by single atomic updates.

Rotation is one `find_one_and_update` that matches the digest of the token it uses up: of two at once one matches, and the
other finds a token that has been used. Who is asked for at every request is found by `Presence`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pymongo import ReturnDocument

from domain.errors import Unauthenticated
from domain.grounds import Grounds
from domain.sessions import Grant, Lifetime, Login, Present, RefreshReused, Session
from storage.crypto.keys import ACCOUNTS as OWNER
from storage.crypto.keys import Keyring
from storage.crypto.sealing import open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.counters import actor_of, count
from storage.mongo.failures import translated
from storage.mongo.presence import Presence
from storage.mongo.refresh_tokens import RefreshToken, new_refresh_token, next_refresh_token, read_refresh_token
from storage.mongo.session_documents import SESSIONS, live, session_of

RETRY_SECONDS = 60
_REFUSED = "The refresh token is not valid"


class MongoSessions:
    """The sessions of one database."""

    def __init__(self, database: Database, keyring: Keyring, clock: Callable[[], datetime], presence: Presence) -> None:
        self._sessions = database[SESSIONS]
        self._keyring = keyring
        self._service = keyring.service
        self._clock = clock
        self._presence = presence

    async def open(self, login: Login, lifetime: Lifetime) -> Grant:
        """See `domain.sessions.Sessions.open`."""
        now = self._clock()
        token = new_refresh_token(self._service, secrets.token_hex(16))
        document: Document = {
            "_id": token.session,
            "account": login.account,
            "client": login.client,
            "scope": login.scope,
            "patient": login.patient,
            "authenticated_at": login.authenticated_at,
            "second_factor_at": login.second_factor_at,
            "created": now,
            "last_used": now,
            "idle_until": now + lifetime.idle,
            "expires": now + lifetime.total,
            "ended": None,
            "current": token.digest,
        }
        if login.label:
            document |= await self._sealed_label(token.session, login.label)
        with translated("The session could not be stored"):
            await self._sessions.insert_one(document)
        return Grant(session_of(document, login.label), token.text)

    async def present(self, session_id: str, account: str, grounds: Grounds | None = None) -> Present | None:
        """See `domain.sessions.Sessions.present`."""
        return await self._presence.session(session_id, account, grounds)

    async def still(self, grounds: Grounds) -> bool:
        """See `domain.sessions.Sessions.still`."""
        return await self._presence.still(grounds)

    async def holder(self, refresh_token: str) -> Session | None:
        token = read_refresh_token(self._service, refresh_token)
        if token is None:
            return None
        with translated("The session could not be read"):
            found = await self._sessions.find_one(live(self._clock(), _id=token.session), max_time_ms=READ_MS)
        if found is None or not hmac.compare_digest(found["current"], token.digest):
            return None
        return session_of(found)

    async def refresh(self, refresh_token: str, *, client: str, retry: str | None = None) -> Grant:
        """See `domain.sessions.Sessions.refresh`."""
        token = read_refresh_token(self._service, refresh_token)
        if token is None:
            raise Unauthenticated(_REFUSED)
        following = (
            new_refresh_token(self._service, token.session)
            if retry is None
            else next_refresh_token(self._service, token, retry)
        )
        document = await self._rotate(token, following, client)
        if document is None:
            document = await self._repeated(token, following, client)
        return Grant(session_of(document), following.text)

    async def end(self, session_id: str, *, account: str | None = None) -> bool:
        whose = {} if account is None else {"account": account}
        with translated("The session could not be ended"):
            done = await self._sessions.update_one(
                {"_id": session_id, "ended": None, **whose}, {"$set": {"ended": self._clock()}}
            )
            found = await self._sessions.find_one({"_id": session_id, **whose}, {"account": 1})
            if found is not None:
                await self._count(found["account"])
        return done.modified_count > 0

    async def end_all(self, account: str, *, keep: str | None = None) -> int:
        with translated("The sessions could not be ended"):
            done = await self._sessions.update_many(
                {"account": account, "ended": None, "_id": {"$ne": keep}}, {"$set": {"ended": self._clock()}}
            )
            await self._count(account)
        return done.modified_count

    async def _count(self, account: str) -> None:
        """Tell every process, also where nothing was left to end: an earlier attempt may have died before it told."""
        await count(self._sessions.database, [actor_of(account)])

    async def of(self, account: str, *, after: str = "", count: int = 50) -> Sequence[Session]:
        wanted = live(self._clock(), account=account, _id={"$gt": after})
        with translated("The sessions could not be read"):
            cursor = self._sessions.find(wanted, sort=[("_id", 1)], limit=count, max_time_ms=READ_MS)
            found = await cursor.to_list()
        keys = await self._keyring.for_reading([row["key"] for row in found if "key" in row])
        return [
            session_of(
                row,
                open_sealed(keys[row["key"]], _label_place(row["_id"]), row["label"]).decode()
                if row.get("key") in keys
                else "",
            )
            for row in found
        ]

    async def _rotate(self, used: RefreshToken, following: RefreshToken, client: str) -> Document | None:
        """Put `following` in the place of `used`; `None` when that is not the good one."""
        now = self._clock()
        with translated("The session could not be renewed"):
            return await self._sessions.find_one_and_update(
                live(now, _id=used.session, current=used.digest, client=client),
                # The idle time is kept as the distance that was chosen when the session was opened.
                [
                    {
                        "$set": {
                            "current": following.digest,
                            "idle_until": {"$add": [now, {"$subtract": ["$idle_until", "$last_used"]}]},
                            "last_used": now,
                        }
                    }
                ],
                return_document=ReturnDocument.AFTER,
            )

    async def _repeated(self, used: RefreshToken, following: RefreshToken, client: str) -> Document:
        """The session of a token that has been used, for the same attempt once more; ends it for any other."""
        now = self._clock()
        with translated("The session could not be read"):
            found = await self._sessions.find_one(live(now, _id=used.session), max_time_ms=READ_MS)
        if found is None:
            raise Unauthenticated(_REFUSED)
        same_attempt = found["current"] == following.digest and found["client"] == client
        if same_attempt and now - found["last_used"] < timedelta(seconds=RETRY_SECONDS):
            return found
        await self.end(used.session)
        raise RefreshReused(_REFUSED, session=used.session, account=found["account"])

    async def _sealed_label(self, session: str, label: str) -> Document:
        key = (await self._keyring.for_writing([OWNER]))[OWNER]
        return {"key": key.id, "label": seal(key, _label_place(session), label.encode())}


def _label_place(session: str) -> str:
    return place(f"{SESSIONS}/{session}/label")
