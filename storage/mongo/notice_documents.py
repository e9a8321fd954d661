"""The stored shapes of what people are told: notices, parcels on their way, what somebody likes, and webhooks.

Protection as in `storage/mongo/documents.py`; `deploy/LEAKAGE.md` is the statement made of both. Who is told, and what kind of
thing happened, is plain, because lists and deliveries are decided by it; what is said is sealed with the patient's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

NOTICES, NUMBERS, OUTBOX = "notices", "notice_numbers", "outbox"
PREFERENCES, WEBHOOKS = "notice_preferences", "webhooks"

WAITING, TOLD, DROPPED = "WAITING", "TOLD", "DROPPED"


class NoticeDocument(TypedDict, total=False):
    """`notices`: one thing to tell (`domain/notices.py`)."""

    _id: str  # keyed hash of the notice's id, as 32 hexadecimal digits
    kind: str  # plain: "appointment-confirmed"
    recipients: Sequence[str]  # plain: "Patient/1", "Practitioner/2", "User/3", "Role/DIETICIAN"
    patient: str | None  # plain: whose key seals it
    due: datetime  # plain: told from then on
    state: str  # plain: WAITING, TOLD or DROPPED (what it was to be told under no longer holds)
    shown: bool  # plain: whether lists may show it once it is due; false while its condition has not been looked at
    taken: datetime  # plain: until then somebody is busy telling it
    number: int  # plain: its place in the order of telling; absent before
    readers: Sequence[str]  # plain: accounts that have read it
    gone: datetime  # plain: when the row is forgotten
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|notices/<_id>": what it is about and what is said


class NumberDocument(TypedDict):
    """`notice_numbers`: how many notices were told; every telling counts it in its own transaction."""

    _id: str  # plain: "told"
    n: int  # plain


class ParcelDocument(TypedDict, total=False):
    """`outbox`: one parcel on its way (`domain/outbox.py`); kept 30 days after it arrived or was given up."""

    _id: str  # plain: random, or a hash of what caused it
    channel: str  # plain: "mail", "sms", "webhook", "provider"
    kind: str  # plain: "letter", "appointment-confirmed"
    to: str | None  # plain: account or webhook; null for an address without an account
    patient: str | None  # plain: whose key seals it; null: the key of the accounts
    state: str  # plain: WAITING, SENT or FAILED
    next: datetime  # plain: when it is tried next, at the earliest
    tries: int  # plain: so far; also the fence of who has taken it
    since: int  # plain: tries before somebody asked for another round
    created: datetime  # plain
    said: str  # plain: a word of ours about the last try, "200", "no connection"
    gone: datetime  # plain: when the row is forgotten
    key: str  # plain: id of the key of the field below; absent when it has arrived
    sealed: bytes  # sealed at "chartvault/1|outbox/<_id>": address and text


class PreferenceDocument(TypedDict):
    """`notice_preferences`: how somebody likes to be told."""

    _id: str  # plain: account
    version: int  # plain: updates compare and swap on it
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|notice_preferences/<_id>": choices and telephone number


class WebhookDocument(TypedDict):
    """`webhooks`: a server that is told of events."""

    _id: str  # plain: grows with time
    owner: str  # plain: account or client that made it
    person: bool  # plain: whether the owner is a person
    types: Sequence[str]  # plain: types the owner might read; nothing else is told; "*" is all
    events: Sequence[str]  # plain: kinds that are told; none is all
    created: datetime  # plain
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|webhooks/<_id>": address and secret
