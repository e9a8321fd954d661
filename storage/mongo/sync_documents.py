"""The stored shapes of synchronisation with providers: runs, what came, and the log.

Protection as in `storage/mongo/documents.py`; `deploy/LEAKAGE.md` is the statement made of both. Times, states and whose record
it is are plain, because work is found by them; what came, from whom and what went wrong is sealed with the patient's key.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

SYNC_RUNS, SYNC_ITEMS, SYNC_LOG = "sync_runs", "sync_items", "sync_log"


class SyncRunDocument(TypedDict, total=False):
    """`sync_runs`: one synchronisation (`domain/clinic/sync_runs.py`)."""

    _id: str  # plain: that of its Task
    patient: str  # plain: whose key seals it
    state: str  # plain: QUEUED, RUNNING, COMPLETED, PARTIAL, FAILED, CANCELLED
    open: bool  # plain: whether it is not over; a patient has one such run at most
    cancel: bool  # plain: whether somebody wants it to end
    created: datetime  # plain
    until: datetime  # plain: until then it belongs to the process that runs it
    fence: int  # plain: how often it was taken by one
    gone: datetime  # plain: when the row is forgotten
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|sync_runs/<_id>": who asked, how far it is, what went wrong


class SyncItemDocument(TypedDict, total=False):
    """`sync_items`: an entry of a provider that came (`domain/clinic/sync_items.py`)."""

    _id: str  # keyed hash of patient, provider and what the provider calls it
    patient: str  # plain: whose key seals it
    local: str  # plain: the resource it has become, "Observation/3"
    same: bytes  # keyed hash of what it said when it came last
    run: str  # plain: the run that took it
    coming: str  # plain: NEW, CHANGED or CONFLICT
    at: datetime  # plain
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|sync_items/<_id>": name and version there, title, why it is told of


class SyncLogDocument(TypedDict, total=False):
    """`sync_log`: one line of the log (`domain/clinic/sync_log.py`)."""

    _id: str  # keyed hash of what caused it
    patient: str  # plain: whose key seals it
    action: str  # plain: MANUAL_SYNC, AUTO_UPDATE, PUSH, REQUEST
    status: str  # plain: SUCCESS, PARTIAL, FAILED, CANCELLED
    at: datetime  # plain
    about: str | None  # plain: a resource, "DocumentReference/3"
    run: str | None  # plain: the run or request it belongs to
    gone: datetime  # plain: when the row is forgotten
    key: str  # plain: id of the key of the field below
    sealed: bytes  # sealed at "chartvault/1|sync_log/<_id>": words for people
