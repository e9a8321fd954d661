"""Every collection of the data database with the shape of its documents, and what their fields point at.

The statement of what leaks (`deploy/LEAKAGE.md`) is held to these shapes by a test, and the diagram in `deploy/docs` is
made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from storage.mongo import account_documents as people
from storage.mongo import documents as records
from storage.mongo import notice_documents as told
from storage.mongo import oversight_documents as oversight
from storage.mongo import sync_documents as synced
from storage.mongo.blob_documents import BLOBS, BlobDocument
from storage.mongo.cds_feedback import CDS_FEEDBACK, CdsFeedbackDocument
from storage.mongo.clients import CLIENTS, ClientDocument
from storage.mongo.drug_tables import DRUG_TABLES, DrugTablesDocument
from storage.mongo.provider_connections import PROVIDER_CONNECTIONS, ProviderConnectionDocument
from storage.mongo.session_documents import SESSIONS, SessionDocument
from storage.mongo.signing_keys import SIGNING_KEYS, SigningKeyDocument
from storage.mongo.tombstones import ERASURES, Tombstone
from storage.mongo.vouchers import VOUCHERS, VoucherDocument

SHAPES: Mapping[str, type] = {
    records.RESOURCES: records.ResourceDocument,
    records.REVISIONS: records.RevisionDocument,
    records.AUDIT: records.AuditDocument,
    records.HEADS: records.HeadDocument,
    records.CLAIMS: records.ClaimDocument,
    records.RECEIPTS: records.ReceiptDocument,
    records.CELLS: records.CellDocument,
    records.JOBS: records.JobDocument,
    BLOBS: BlobDocument,
    ERASURES: Tombstone,
    people.ACCOUNTS: people.AccountDocument,
    people.CREDENTIALS: people.CredentialDocument,
    SESSIONS: SessionDocument,
    people.TICKETS: people.TicketDocument,
    people.ATTEMPTS: people.AttemptDocument,
    people.REPLAYS: people.ReplayDocument,
    CLIENTS: ClientDocument,
    VOUCHERS: VoucherDocument,
    SIGNING_KEYS: SigningKeyDocument,
    oversight.BREAK_GLASS: oversight.BreakGlassDocument,
    oversight.RATES: oversight.RateDocument,
    oversight.RELATIONS: oversight.RelationDocument,
    DRUG_TABLES: DrugTablesDocument,
    CDS_FEEDBACK: CdsFeedbackDocument,
    PROVIDER_CONNECTIONS: ProviderConnectionDocument,
    synced.SYNC_RUNS: synced.SyncRunDocument,
    synced.SYNC_ITEMS: synced.SyncItemDocument,
    synced.SYNC_LOG: synced.SyncLogDocument,
    told.NOTICES: told.NoticeDocument,
    told.NUMBERS: told.NumberDocument,
    told.OUTBOX: told.ParcelDocument,
    told.PREFERENCES: told.PreferenceDocument,
    told.WEBHOOKS: told.WebhookDocument,
}


class Link(NamedTuple):
    """The `field` of a document names one (or, with `many`, several) of another collection."""

    source: str
    field: str
    target: str
    many: bool = False


LINKS: tuple[Link, ...] = (
    Link(records.REVISIONS, "id", records.RESOURCES),
    Link(records.RESOURCES, "patient", records.RESOURCES),
    Link(records.RESOURCES, "compartments", records.RESOURCES, many=True),
    Link(records.AUDIT, "targets", records.REVISIONS, many=True),
    Link(records.AUDIT, "subject", people.ACCOUNTS),
    Link(records.AUDIT, "prev", records.AUDIT),
    Link(records.CELLS, "holder", records.RESOURCES),
    Link(BLOBS, "resource", records.REVISIONS),
    Link(ERASURES, "patient", records.RESOURCES),
    Link(people.ACCOUNTS, "profiles", records.RESOURCES, many=True),
    Link(people.CREDENTIALS, "_id", people.ACCOUNTS),
    Link(people.TICKETS, "account", people.ACCOUNTS),
    Link(SESSIONS, "account", people.ACCOUNTS),
    Link(SESSIONS, "client", CLIENTS),
    Link(oversight.BREAK_GLASS, "account", people.ACCOUNTS),
    Link(oversight.BREAK_GLASS, "patient", records.RESOURCES),
    Link(oversight.RELATIONS, "a", records.RESOURCES),
    Link(synced.SYNC_RUNS, "patient", records.RESOURCES),
    Link(synced.SYNC_ITEMS, "local", records.RESOURCES),
    Link(synced.SYNC_ITEMS, "run", synced.SYNC_RUNS),
    Link(synced.SYNC_LOG, "about", records.RESOURCES),
    Link(synced.SYNC_LOG, "run", synced.SYNC_RUNS),
    Link(told.NOTICES, "recipients", records.RESOURCES, many=True),
    Link(told.OUTBOX, "to", people.ACCOUNTS),
    Link(told.PREFERENCES, "_id", people.ACCOUNTS),
    Link(told.WEBHOOKS, "owner", people.ACCOUNTS),
)
