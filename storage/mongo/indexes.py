"""Every collection and index of the data database, declared once and created at start-up.

Collections first: a transaction that creates one implicitly fails when two do it at once. Each index was weighed
against its cost on writes, see `DECISIONS.md`; changing one here means dropping the old one in a migration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from storage.mongo.account_documents import ACCOUNTS, ATTEMPTS, CREDENTIALS, REPLAYS, TICKETS
from storage.mongo.blob_documents import BLOBS
from storage.mongo.cds_feedback import CDS_FEEDBACK
from storage.mongo.client import Database
from storage.mongo.clients import CLIENTS
from storage.mongo.documents import AUDIT, CELLS, CLAIMS, HEADS, JOBS, RECEIPTS, RESOURCES, REVISIONS
from storage.mongo.drug_tables import DRUG_TABLES
from storage.mongo.failures import translated
from storage.mongo.notice_documents import NOTICES, NUMBERS, OUTBOX, PREFERENCES, WAITING, WEBHOOKS
from storage.mongo.oversight_documents import BREAK_GLASS, RATES, RELATIONS
from storage.mongo.provider_connections import PROVIDER_CONNECTIONS
from storage.mongo.session_documents import SESSIONS
from storage.mongo.signing_keys import SIGNING_KEYS
from storage.mongo.sync_documents import SYNC_ITEMS, SYNC_LOG, SYNC_RUNS
from storage.mongo.vouchers import VOUCHERS

DAY_SECONDS = 86_400
INDEX_NOT_FOUND = 27

HAS_SCOPED: Mapping[str, Any] = {"partialFilterExpression": {"scoped": {"$exists": True}}}
IS_LIVE: Mapping[str, Any] = {"partialFilterExpression": {"reach": {"$exists": True}}}
HAS_RANGES: Mapping[str, Any] = {"partialFilterExpression": {"ranges.p": {"$exists": True}}}

IS_OPEN: Mapping[str, Any] = {"open": True}

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    # `_id` alone serves reads by id, the type (an `_id` range) and sorting by id.
    RESOURCES: (
        # Searches by any value. Tokens hold the type already, so it is not repeated in 15 entries per resource; `place`
        # gives the order of pages, so that a page reads no more than it shows.
        IndexModel(["terms", "place"], name="terms"),
        # A value together with a patient, newest first; whose resources have a value, patient by patient.
        IndexModel(["scoped", "patient", ("low", -1), "place", "high"], name="scoped", **HAS_SCOPED),
        # By the leading date of a type, and sorted by it; live resources only. Nothing but the index is needed to count.
        IndexModel(["type", "reach", ("low", -1), "place", "high"], name="moment", **IS_LIVE),
        # Other dates, numbers, quantities and composites with them: one entry for each key of a range.
        IndexModel(["type", "ranges.p", "ranges.k", "ranges.l", "ranges.h", "place"], name="ranges", **HAS_RANGES),
        # `_lastUpdated`, as condition and as sort; the number of live resources of a type.
        IndexModel(["type", "deleted", "updated", "_id"], name="updated"),
        # What access leaves of a search, $everything, erasure.
        IndexModel(["compartments", "type", "_id"], name="compartments"),
        # Whom somebody treats, acts for or works with; what ended long ago is skipped. Few resources have any.
        IndexModel(["ties.a", "ties.h"], name="ties", partialFilterExpression={"ties.a": {"$exists": True}}),
    ),
    REVISIONS: (
        # Instance history; `verify` walks it.
        IndexModel(["type", "id", "version"], name="instance"),
        # System history.
        IndexModel(["recorded", "_id"], name="recorded"),
        # Type history.
        IndexModel(["type", "recorded", "_id"], name="type"),
    ),
    AUDIT: (
        # Who saw this record; what did this person do; who touched this resource; all there is. In the order of pages.
        IndexModel(["patients", "recorded", "_id"], name="patient_time"),
        IndexModel(["subject", "recorded", "_id"], name="subject_time"),
        IndexModel("targets", name="targets"),
        IndexModel(["recorded", "_id"], name="time"),
        # Of people only: by who they are in the records.
        IndexModel(
            ["profiles", "recorded", "_id"],
            name="profile_time",
            partialFilterExpression={"profiles": {"$exists": True}},
        ),
    ),
    HEADS: (),
    # The version of an actor's ties: answered from the index alone.
    RELATIONS: (IndexModel(["a", "_id", "n"], name="actor"),),
    BREAK_GLASS: (
        # Whether somebody has emergency access now: asked at every request that would be refused.
        IndexModel(["account", "until"], name="account"),
        # Told to nobody yet: looked for every second.
        IndexModel("alerted", name="alerted", partialFilterExpression={"alerted": False}),
    ),
    JOBS: (),
    ACCOUNTS: (
        # One account an address; logging in.
        IndexModel("email", name="email", unique=True),
        # Lists by beginnings of names.
        IndexModel(["terms", "_id"], name="terms"),
        # Lists by role, and whether anybody holds one.
        IndexModel(["roles", "status", "_id"], name="roles"),
        # Who is this in the records.
        IndexModel("profiles", name="profiles"),
    ),
    CREDENTIALS: (),
    TICKETS: (
        IndexModel("until", name="expiry", expireAfterSeconds=0),
        # Ending all of an account.
        IndexModel("account", name="account"),
    ),
    ATTEMPTS: (IndexModel("at", name="expiry", expireAfterSeconds=DAY_SECONDS),),
    REPLAYS: (IndexModel("at", name="expiry", expireAfterSeconds=DAY_SECONDS),),
    RATES: (IndexModel("at", name="expiry", expireAfterSeconds=300),),
    BLOBS: (
        # What the sweeper looks for: pending for too long, and doomed.
        IndexModel(["state", "at"], name="state"),
        # Erasure; and the same content of the same patient.
        IndexModel("patient", name="patient"),
        IndexModel("same", name="same", partialFilterExpression={"same": {"$exists": True}}),
        # What took the place of a document that was nobody's.
        IndexModel("was", name="was", partialFilterExpression={"was": {"$exists": True}}),
    ),
    CLAIMS: (IndexModel("at", name="expiry", expireAfterSeconds=DAY_SECONDS),),
    CELLS: (IndexModel("gone", name="expiry", expireAfterSeconds=0),),
    RECEIPTS: (IndexModel("at", name="expiry", expireAfterSeconds=DAY_SECONDS),),
    SESSIONS: (
        # The logins of one person.
        IndexModel(["account", "_id"], name="account"),
        IndexModel("expires", name="expiry", expireAfterSeconds=0),
    ),
    NOTICES: (
        # What somebody is told, newest first.
        IndexModel(["recipients", ("due", -1), ("_id", -1)], name="recipients"),
        # What was told to somebody since.
        IndexModel(["recipients", "number"], name="told", partialFilterExpression={"number": {"$exists": True}}),
        # What is due: looked for every second.
        IndexModel("due", name="due", partialFilterExpression={"state": WAITING}),
        # Erasure.
        IndexModel("patient", name="patient"),
        IndexModel("gone", name="expiry", expireAfterSeconds=0),
    ),
    NUMBERS: (),
    OUTBOX: (
        # What is due, channel by channel: looked for every second.
        IndexModel(["channel", "next"], name="due", partialFilterExpression={"state": WAITING}),
        # What was sent to a webhook, newest first.
        IndexModel(["to", ("created", -1), ("_id", -1)], name="to"),
        # Erasure.
        IndexModel("patient", name="patient"),
        IndexModel("gone", name="expiry", expireAfterSeconds=0),
    ),
    PREFERENCES: (),
    SYNC_RUNS: (
        # One run of a patient that is not over; what waits, or whose holder fell silent: looked for every second.
        IndexModel("patient", name="one", unique=True, partialFilterExpression=IS_OPEN),
        IndexModel("until", name="ready", partialFilterExpression=IS_OPEN),
        # The newest run of a patient; erasure.
        IndexModel(["patient", ("created", -1), ("_id", -1)], name="patient_time"),
        IndexModel("gone", name="expiry", expireAfterSeconds=0),
    ),
    SYNC_ITEMS: (
        # What a run took; what a resource of ours was at the provider, and erasure.
        IndexModel(["run", "local"], name="run"),
        IndexModel(["patient", "local"], name="patient"),
    ),
    SYNC_LOG: (
        # The log of a patient, newest first; erasure.
        IndexModel(["patient", ("at", -1), ("_id", -1)], name="patient_time"),
        IndexModel("gone", name="expiry", expireAfterSeconds=0),
    ),
    WEBHOOKS: (IndexModel(["owner", "_id"], name="owner"),),
    SIGNING_KEYS: (),
    CLIENTS: (),
    DRUG_TABLES: (),
    CDS_FEEDBACK: (),
    # What is due: looked for every second.
    PROVIDER_CONNECTIONS: (IndexModel("next", name="due", partialFilterExpression={"next": {"$exists": True}}),),
    VOUCHERS: (IndexModel("expires", name="expiry", expireAfterSeconds=0),),
}


RETIRED: Mapping[str, Sequence[str]] = {AUDIT: ("patients", "subject", "recorded")}
"""Indexes of earlier releases, dropped when their successors exist."""


async def create_collections(database: Database) -> None:
    """Create what is missing; harmless when it exists or another process does the same. Raises `Unavailable`."""
    with translated("The database cannot create its collections"):
        existing = set(await database.list_collection_names())
        for name, indexes in INDEXES.items():
            if name not in existing:
                await _create(database, name)
            if indexes:
                await database[name].create_indexes(list(indexes))
        for name, retired in RETIRED.items():
            for index in set(await database[name].index_information()) & set(retired):
                await _drop(database, name, index)


async def _drop(database: Database, name: str, index: str) -> None:
    try:
        await database[name].drop_index(index)
    except OperationFailure as error:
        if error.code != INDEX_NOT_FOUND:  # Another process was faster.
            raise


async def _create(database: Database, name: str) -> None:
    try:
        await database.create_collection(name)
    except CollectionInvalid:
        # Another process was faster.
        return
