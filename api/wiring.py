"""Everything put together, in reading order: the only module that imports storage.

`opened` builds and starts what one process needs and takes it down again in reverse; the server, the commands and the tests
all go through it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from api.background import repeated
from api.document_tools import document_tools
from api.identifiers import new_id
from api.listening import Heard, Listening
from api.outside import carriers_of, mail_and_pages, ways_of
from api.settings import Settings, UnusableSettings
from api.signatures import Signatures
from domain.access import Caller, parse_scopes
from domain.accounts.alerting import tell
from domain.accounts.erasing import forget_patient
from domain.accounts.people import People
from domain.audit import AuditEntry
from domain.clinic.telling import Telling
from domain.errors import Unavailable
from domain.interactions.links import solve_links
from domain.interactions.parts import Parts
from domain.operations.known_parameters import KnownParameters
from domain.operations.reindex import work
from domain.outbox import Carry, Channel
from domain.policy.resolving import Policy
from fhir_mapping.custom_parameters import CustomParameters
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.inspection import Inspection
from fhir_mapping.patches import PatchDocuments
from fhir_mapping.query_string import QueryStrings
from fhir_mapping.reading import ContentReading
from fhir_mapping.references import ResourceLinks
from fhir_mapping.validation import Validation
from storage.blobs import open_blob_store
from storage.crypto.keys import Keyring
from storage.crypto.master_key import MasterKey, UnsafeMasterKey
from storage.crypto.progress import Progress
from storage.embedded import EmbeddedMongo
from storage.mongo import client as mongo
from storage.mongo.accounts import MongoAccounts
from storage.mongo.audit import MongoAuditTrail
from storage.mongo.blob_upkeep import BlobUpkeep
from storage.mongo.blobs import MongoBlobs
from storage.mongo.cds_feedback import MongoFeedbackBook
from storage.mongo.clients import MongoClients
from storage.mongo.drug_tables import MongoDrugTables
from storage.mongo.erasure import erase_patient
from storage.mongo.explaining import Step, explain
from storage.mongo.findings import Finding
from storage.mongo.indexes import create_collections
from storage.mongo.jobs import MongoJobs
from storage.mongo.presence import Presence
from storage.mongo.relations import MongoRelations
from storage.mongo.replays import MongoReplays
from storage.mongo.revisions import MongoRevisionStore
from storage.mongo.rotation import reseal_patient, rotate_keys
from storage.mongo.sessions import MongoSessions
from storage.mongo.signing_keys import MongoSigningKeys
from storage.mongo.tombstones import Tombstone
from storage.mongo.verification import verify
from storage.mongo.vouchers import MongoVouchers
from storage.oversight import Oversight, oversight
from storage.people import people
from storage.provider_rows import ProviderRows, provider_rows
from storage.telling import telling


class Opened(NamedTuple):
    """What one process holds while it runs."""

    client: mongo.Client
    database: mongo.Database
    keyring: Keyring
    store: MongoRevisionStore
    trail: MongoAuditTrail
    parts: Parts
    upkeep: BlobUpkeep
    jobs: MongoJobs
    custom: CustomParameters
    oversight: Oversight
    accounts: MongoAccounts
    sessions: MongoSessions
    replays: MongoReplays
    signatures: Signatures
    policy: Policy
    people: People
    clients: MongoClients
    vouchers: MongoVouchers
    drug_tables: MongoDrugTables
    feedback: MongoFeedbackBook
    telling: Telling
    carriers: Mapping[Channel, Carry]
    providers: ProviderRows

    async def work(self) -> None:
        """Carry out the jobs there are; for the server's own processes."""
        while await work(self.parts, self.jobs):
            pass

    async def alert(self) -> None:
        """Tell the privacy officers of emergency access; for the server's own processes."""
        await tell(self.people, self.oversight.grants, self.oversight.officers)

    async def ready(self) -> None:
        """Raise `Unavailable` while the database does not answer."""
        if not await mongo.answers(self.client):
            raise Unavailable("The database does not answer")


def embedded_mongo(settings: Settings) -> EmbeddedMongo:
    """The private MongoDB of this installation, not yet started."""
    return EmbeddedMongo(
        settings.data_dir / "mongodb",
        binary=settings.mongod,
        cache_mb=settings.embedded_cache_mb,
        oplog_mb=settings.embedded_oplog_mb,
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Opened]:
    """Connect, check, create what is missing, and close in reverse order at the end.

    Raises `Unavailable` when database (`settings.mongodb_uri`) or keys cannot be reached, or the promises not be kept.
    """
    async with _reached(settings) as (client, database, keyring):
        custom = CustomParameters()
        describe = IndexTerms(settings.fhir_base, custom)
        store = MongoRevisionStore(database, keyring, Inspection(describe, now, custom))
        trail = MongoAuditTrail(database, keyring)
        accounts = MongoAccounts(database, keyring)
        presence = Presence(database, now)
        sessions = MongoSessions(database, keyring, now, presence)
        watch = oversight(database, keyring, now, settings.privacy_officers)
        signatures = Signatures(MongoSigningKeys(database, keyring), now)
        await signatures.start()
        upkeep = open_blobs(settings, database, keyring)
        told = telling(database, keyring, now, store.noticed, ways_of(settings))
        outside = mail_and_pages(settings, told)
        try:
            parts = parts_of(store, trail, upkeep.blobs, settings, describe, custom)
            jobs = MongoJobs(database, keyring.service.tokens)
            known = KnownParameters(parts, jobs, custom)
            await known.refresh()
            async with (
                repeated("search parameters", known.refresh),
                people(database, keyring, accounts, sessions, outside, clock=now, new_id=new_id) as folk,
                MongoRelations(database, presence) as relations,
            ):
                yield Opened(
                    client,
                    database,
                    keyring,
                    store,
                    trail,
                    parts,
                    upkeep,
                    jobs,
                    custom,
                    watch,
                    accounts,
                    sessions,
                    MongoReplays(database, keyring, now),
                    signatures,
                    Policy(relations, watch.grants, parts.search, now),
                    folk,
                    MongoClients(database, keyring.service, now),
                    MongoVouchers(database, keyring, now),
                    MongoDrugTables(database, now),
                    MongoFeedbackBook(database),
                    told,
                    carriers_of(settings, told, now),
                    provider_rows(database, keyring),
                )
        finally:
            await watch.throttle.close()
            await presence.close()
            await upkeep.blobs.close()
            await store.close()
            await trail.close()


@asynccontextmanager
async def _reached(settings: Settings) -> AsyncIterator[tuple[mongo.Client, mongo.Database, Keyring]]:
    """Database and keys. Starting the embedded server is the command's business."""
    if settings.mongodb_uri is None:
        raise Unavailable("No database: CHARTVAULT_MONGODB_URI is not set and no embedded server runs")
    client = mongo.connect(settings.mongodb_uri, pool_size=settings.mongodb_pool_size)
    try:
        await mongo.require_safe(client)
        database = mongo.data_database(client, settings.database)
        await create_collections(database)
        keyring = await open_keyring(settings, client)
        try:
            yield client, database, keyring
        finally:
            await keyring.close()
    finally:
        await client.close()


async def open_keyring(settings: Settings, client: mongo.Client) -> Keyring:
    """The keyring under the master key the settings name. Raises `UnusableSettings` for one that protects nothing."""
    path = {"path": str(settings.data_dir / "master-key")} if settings.kms_provider == "local" else {}
    options = {**path, **settings.kms_options}
    master = MasterKey(settings.kms_provider, options, settings.kms_credentials, settings.kms_tls)
    try:
        return await Keyring.start(
            client,
            master,
            database=settings.keys_database,
            production=settings.profile == "production",
            cached_owners=settings.key_cache_size,
            ttl_seconds=settings.key_cache_seconds,
        )
    except UnsafeMasterKey as error:
        raise UnusableSettings(str(error)) from error


def open_blobs(settings: Settings, database: mongo.Database, keyring: Keyring) -> BlobUpkeep:
    """Documents and what looks after them; the store is not touched yet. Raises `UnusableSettings` for a bad address."""
    try:
        store = open_blob_store(settings.blob_address, settings)
    except ValueError as error:
        raise UnusableSettings(f"CHARTVAULT_BLOB_URL: {error}") from None
    return BlobUpkeep(MongoBlobs(database, keyring, store), keyring.database, settings.blob_pending_hours)


def parts_of(
    store: MongoRevisionStore,
    trail: MongoAuditTrail,
    blobs: MongoBlobs,
    settings: Settings,
    describe: IndexTerms,
    custom: CustomParameters,
) -> Parts:
    """The ports of the use cases; under `settings.fhir_base` references mean this server."""
    return Parts(
        store=store,
        trail=trail,
        validate=Validation(),
        describe=describe,
        search=QueryStrings(settings.fhir_base, now, custom),
        links=ResourceLinks(),
        patches=PatchDocuments(),
        clock=now,
        new_id=new_id,
        reading=ContentReading(settings.fhir_base, custom),
        blobs=blobs,
        documents=document_tools(settings),
    )


def now() -> datetime:
    return datetime.now(UTC)


async def explained(opened: Opened, resource_type: str, pairs: Sequence[tuple[str, str]]) -> list[Step]:
    """How the database answers a search: each search that chains and `_has` ask first, and the search itself, last."""
    caller = Caller("cli", "chartvault-cli", "explain", parse_scopes("system/*.rs"))
    asked = opened.parts.search.parse(resource_type, pairs, strict=True).query
    store = Listening(opened.parts.store)
    query = await solve_links(opened.parts._replace(store=store), caller, asked)
    heard = [*store.heard, Heard("page", query)]
    return [await explain(opened.database, opened.keyring.service.tokens, each.query, each.wanted) for each in heard]


def findings(opened: Opened, progress: Progress) -> AsyncIterator[Finding]:
    """Every difference between what is stored and what was written; none means all is well."""
    return verify(opened.database, opened.keyring, opened.parts.describe, progress=progress)


async def erase(opened: Opened, entry: AuditEntry, *, patient: str, reason: str, progress: Progress) -> Tombstone:
    """Erase one patient for good, with their account; returns when no process can open anything of it any more."""
    stone = await erase_patient(
        opened.database, opened.keyring, opened.trail, entry, patient=patient, reason=reason, progress=progress
    )
    await forget_patient(opened.people, patient)
    return stone


async def rotate(opened: Opened, entry: AuditEntry, progress: Progress) -> bool:
    """Replace the keys above the patients' keys; false when it must be run again."""
    return await rotate_keys(opened.client, opened.keyring, opened.trail, entry, progress=progress)


async def reseal(opened: Opened, entry: AuditEntry, *, patient: str, progress: Progress) -> int:
    """Answer a leaked patient key: a new one, and a new version of each live resource under it. Returns how many."""
    stored = (opened.database, opened.store, opened.parts.describe, opened.keyring)
    return await reseal_patient(*stored, entry, patient=patient, now=opened.parts.clock, progress=progress)
