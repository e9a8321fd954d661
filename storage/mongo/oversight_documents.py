"""The stored shapes of what watches over access: emergency access, and counters of requests.

Protection as in `storage/mongo/documents.py`; `deploy/LEAKAGE.md` is the statement made of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

BREAK_GLASS, RATES = "break_glass", "rates"
RELATIONS = "relations"


class RelationDocument(TypedDict):
    """`relations`: how often the ties of an actor, or an account and its sessions, changed, so that every process knows when
    to read them again."""

    _id: str  # plain: actor, "#", a number of the writing process, so that processes do not wait for each other
    a: str  # plain: the actor, "Practitioner/1", or "account|" and the id of an account
    n: int  # plain: counts


class BreakGlassDocument(TypedDict, total=False):
    """`break_glass`: emergency access of one account to one patient (`domain/break_glass.py`)."""

    _id: str  # plain: grows with time
    account: str  # plain
    subject: str  # plain: as in the audit
    patient: str  # plain
    organizations: Sequence[str]  # plain: where the account works, decides who reviews
    since: datetime  # plain
    until: datetime  # plain
    request_id: str  # plain
    key: str  # plain: id of the patient's key that seals the two texts
    reason: bytes  # sealed at "chartvault/1|break_glass/<_id>/reason"
    alerted: bool  # plain: the privacy officers were told
    reviewed: bool  # plain
    reviewer: str  # plain: subject of who reviewed it; absent before, like all below
    at: datetime  # plain
    verdict: str  # plain
    note: bytes  # sealed at "chartvault/1|break_glass/<_id>/note"; absent without one


class RateDocument(TypedDict):
    """`rates`: how many requests one name made in the last minute (`domain/throttling.py`); kept five minutes."""

    _id: bytes  # keyed hash of policy and name: an account, a program or a network
    slots: Sequence[Mapping[str, int]]  # plain: {i: number of ten seconds since 1970, n: requests}
    granted: int  # plain: of the last question
    at: datetime  # plain
