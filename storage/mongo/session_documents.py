"""The stored shape of sessions; protection as in `storage/mongo/documents.py`, stated in `deploy/LEAKAGE.md`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypedDict

from domain.sessions import Login, Session
from storage.mongo.client import Document

SESSIONS = "sessions"


class SessionDocument(TypedDict, total=False):
    """`sessions`: one login; goes when it expires."""

    _id: str  # plain: 32 random hexadecimal digits
    account: str  # plain: id of the account
    client: str  # plain: id of the client
    scope: str  # plain: what was granted
    patient: str | None  # plain: launch context
    authenticated_at: float  # plain
    second_factor_at: float | None  # plain
    created: datetime  # plain
    last_used: datetime  # plain: when its tokens were last renewed
    idle_until: datetime  # plain: it is over when its tokens were not renewed by then
    expires: datetime  # plain: it is over then, whatever happens
    ended: datetime | None  # plain: logged out, revoked, or a refresh token came twice
    current: bytes  # SHA-256 of the refresh token that is good now: 256 random bits, so nothing can be guessed from it
    key: str  # plain: id of the key that sealed the label; absent without one
    label: bytes  # sealed at "chartvault/1|sessions/<_id>/label": browser or app, as its owner knows it


def session_of(document: Document, label: str = "") -> Session:
    """A `sessions` document as the domain knows it."""
    return Session(
        id=document["_id"],
        login=Login(
            account=document["account"],
            client=document["client"],
            scope=document["scope"],
            patient=document["patient"],
            authenticated_at=document["authenticated_at"],
            second_factor_at=document["second_factor_at"],
            label=label,
        ),
        created=document["created"],
        last_used=document["last_used"],
        expires=document["expires"],
    )


def live(now: datetime, **conditions: Any) -> Document:
    """The filter of sessions that are not over."""
    return {**conditions, "ended": None, "expires": {"$gt": now}, "idle_until": {"$gt": now}}
