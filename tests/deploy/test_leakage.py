"""The leakage statement against the code it describes: `deploy/LEAKAGE.md`"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import msgspec
import pytest
from pymongo import MongoClient

from domain.accounts.account import Account, Credentials, Totp
from domain.accounts.ports import Limit, Ticket
from domain.audit import AuditEntry
from domain.break_glass import Grant, Review
from domain.cells import Cell
from domain.clients import Client
from domain.clinic.cds_feedback import Feedback
from domain.clinic.drug_knowledge import starter, write
from domain.clinic.notice_ports import Likes, Webhook
from domain.clinic.provider_ports import Auth, Connection
from domain.clinic.sync_items import Item, Source
from domain.clinic.sync_log import Line
from domain.clinic.sync_runs import Run
from domain.identity import FhirJson, ResourceKey
from domain.jobs import Job
from domain.notices import Notice
from domain.outbox import Parcel
from domain.protection import Protection
from domain.revision import Change, Claim, Description, Receipt, Stored, Write, next_revision, tombstone
from domain.sessions import Lifetime, Login
from domain.signing import KeyRow
from domain.throttling import Policy
from fhir_mapping.index_terms import IndexTerms
from fhir_mapping.outline import OPAQUE, PERSONS, POLICY, RESTRICTED
from storage.crypto.blind_index import TokenMaker
from storage.crypto.keys import Keyring
from storage.memory.blob_store import MemoryBlobStore
from storage.mongo.accounts import MongoAccounts
from storage.mongo.attempts import MongoAttempts
from storage.mongo.blobs import MongoBlobs
from storage.mongo.break_glass import MongoGrantBook
from storage.mongo.cds_feedback import MongoFeedbackBook
from storage.mongo.client import Database
from storage.mongo.clients import MongoClients
from storage.mongo.drug_tables import MongoDrugTables
from storage.mongo.jobs import MongoJobs
from storage.mongo.notice_preferences import MongoLikes
from storage.mongo.notices import MongoNotices
from storage.mongo.outbox import MongoOutbox
from storage.mongo.presence import Presence
from storage.mongo.provider_connections import MongoConnections
from storage.mongo.replays import MongoReplays
from storage.mongo.revisions import MongoRevisionStore
from storage.mongo.sessions import MongoSessions
from storage.mongo.shapes import SHAPES
from storage.mongo.signing_keys import MongoSigningKeys
from storage.mongo.sync_items import MongoItems
from storage.mongo.sync_log import MongoLogBook
from storage.mongo.sync_runs import MongoRuns
from storage.mongo.throttling import MongoCounters
from storage.mongo.tickets import MongoTickets
from storage.mongo.tombstones import Tombstone
from storage.mongo.vouchers import MongoVouchers
from storage.mongo.webhooks import MongoWebhooks

STATEMENT = (Path(__file__).parents[2] / "deploy" / "LEAKAGE.md").read_text()
NAMED = set(re.findall(r"`([^`]+)`", STATEMENT))


def section(title: str) -> str:
    return STATEMENT.partition(f"### `{title}`")[2].partition("\n#")[0]


def test_every_data_type_that_shows_is_on_the_page_and_no_other() -> None:
    table = section("outline").partition("Never, whatever the type")[0]
    first_cells = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    stated = set(re.findall(r"`([^`]+)`", first_cells))
    assert stated == {name for name, protection in POLICY.items() if protection is Protection.PLAIN}


def test_every_type_with_rules_of_its_own_is_on_the_page_with_what_shows() -> None:
    rows = [row for row in section("outline").splitlines() if row.startswith("|")]
    for kind, elements in PERSONS.items():
        (row,) = [row for row in rows if row.startswith(f"| `{kind}`")]
        assert set(re.findall(r"`([^`]+)`", row)) == {kind, *elements}
    assert NAMED >= OPAQUE | RESTRICTED


NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CANARIES = (
    *("Chalmers", "Peregrine", "756.9217.0769.85", "Erewhon", "EH1-3999", "555-6473", "1974-12-25", "gender"),
    "Prosperous",
)
"""Six letters or more: three are found in a megabyte of random bytes once in seventeen times."""
PATIENT: FhirJson = {
    "resourceType": "Patient",
    "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>Prosperous Chalmers</div>"},
    "active": True,
    "name": [{"family": "Chalmers", "given": ["Peregrine"], "text": "Peregrine Chalmers"}],
    "identifier": [{"system": "urn:oid:1.2", "value": "756.9217.0769.85"}],
    "address": [{"line": ["534 Erewhon St"], "postalCode": "EH1-3999"}],
    "telecom": [{"system": "phone", "value": "555-6473"}],
    "gender": "male",
    "birthDate": "1974-12-25",
    "generalPractitioner": [{"reference": "Practitioner/1", "display": "Prosperous"}],
}
OBSERVATION: FhirJson = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Prosperous weight"}]},
    "subject": {"reference": "Patient/1", "display": "Peregrine Chalmers"},
    "effectiveDateTime": "2026-01-30",
    "note": [{"text": "Chalmers looks Prosperous"}],
}


def entry(method: str) -> AuditEntry:
    return AuditEntry(
        recorded=NOW,
        interaction=method,
        status=200,
        subject="dr",
        client="app",
        token_id="t",
        request_id="r",
        targets=("Patient/1",),
        patients=("1",),
        network="10.0.0.1",
        query="family=Chalmers",
    )


async def fill(store: MongoRevisionStore) -> None:
    """A patient and an observation: created under a condition and a key, changed, and one deleted."""
    describe = IndexTerms().describe
    for content in (PATIENT, OBSERVATION, {**PATIENT, "active": False}, None):
        key = ResourceKey("Observation" if content in (OBSERVATION, None) else "Patient", "1")
        base: Stored | None = await store.newest(key)
        if content is None:
            assert base is not None
            change = Change(tombstone(key, base=base, now=NOW), None, base)
        else:
            revision = next_revision(key, content, method="PUT", base=base, now=NOW)
            change = Change(revision, describe(content, key), base)
        claim = Claim(
            f"{key}?identifier=756.9217.0769.85", (await store.claim([f"{key}?identifier=756.9217.0769.85"]))[0]
        )
        receipt = Receipt(f"Chalmers/{key}/{change.revision.version}", b"f", ((201, key.at(1)),))
        cell = Cell(
            f"patient/Chalmers/{change.revision.version}/{key}", 0, "a1", datetime.now(UTC) + timedelta(days=1), NOW
        )
        await store.commit(Write((change,), entry("update"), (claim,), receipt, cells=(cell,)))
    await store.close()


def documents(admin: MongoClient[dict[str, Any]], database: str) -> dict[str, list[dict[str, Any]]]:
    return {name: list(admin[database][name].find()) for name in admin[database].list_collection_names()}


def stated_fields() -> dict[str, set[str]]:
    rows = [row.split("|") for row in STATEMENT.splitlines() if row.startswith("| `") and row.count("|") == 4]
    cells = {re.findall(r"`([^`]+)`", row[1])[0]: row[2] + row[3] for row in rows}
    return {name: set(re.findall(r"`([a-z_]+)`", text)) for name, text in cells.items()}


@pytest.mark.parametrize(("collection", "shape"), SHAPES.items())
def test_the_page_names_the_fields_that_are_stored_and_no_other(collection: str, shape: type) -> None:
    stored = {"_id" if (shape, name) == (Tombstone, "patient") else name for name in shape.__annotations__}
    assert stated_fields()[collection] == stored


async def add_document(data: Database, keyring: Keyring, store: MongoRevisionStore) -> dict[str, bytes]:
    """A published document about the patient; returns what lies in the blob store."""
    objects = MemoryBlobStore()
    blobs = MongoBlobs(data, keyring, objects)

    async def letter() -> AsyncIterator[bytes]:
        yield b"Peregrine Chalmers of Erewhon is Prosperous. " * 5_000

    blob = await blobs.receive(
        letter(), patient="1", content_type="text/Prosperous", limit=10**6, title="Chalmers discharge.pdf"
    )
    key = ResourceKey("Binary", "letter")
    revision = next_revision(key, {"resourceType": "Binary"}, method="POST", base=None, now=NOW)
    written = Change(revision, Description(patient="1", patients=("1",)), None)
    await store.commit(Write((written,), entry("create"), blobs=(blob.claim(key.at(1)),)))
    await blobs.close()
    return objects.contents


async def open_the_glass(data: Database, keyring: Keyring) -> None:
    """Emergency access, reviewed."""
    book = MongoGrantBook(data, keyring, lambda: NOW)
    reason, until = "Chalmers collapsed at Erewhon", NOW + timedelta(minutes=15)
    await book.add(
        Grant(id="g1", account="dr", subject="dr", patient="1", reason=reason, since=NOW, until=until, request_id="r")
    )
    assert await book.record_review("g1", Review("boss", NOW, "justified", "Chalmers was Prosperous before"))


async def tell(data: Database, keyring: Keyring, store: MongoRevisionStore) -> None:
    """A notice, told and read; a letter given up; choices; a webhook; a provider."""
    notice = Notice(
        id="Chalmers", kind="result-ready", recipients=("Patient/1",), due=NOW, patient="1", values={"title": "Erewhon"}
    )
    key = ResourceKey("Basic", "told")
    revision = next_revision(key, {"resourceType": "Basic"}, method="POST", base=None, now=NOW)
    await store.commit(Write((Change(revision, Description(), None),), entry("create"), notices=(notice,)))
    notices = MongoNotices(data, keyring, lambda: datetime.now(UTC), store.noticed)
    taken = await notices.take()
    assert taken is not None
    await notices.told(taken.id)
    assert await notices.read(["Patient/1"], "a1") == 1
    outbox = MongoOutbox(data, keyring, lambda: datetime.now(UTC))
    content = b"Dear Peregrine Chalmers, you are Prosperous"
    await outbox.put([Parcel(id="p1", channel="mail", kind="letter", content=content, to="a1", patient="1")])
    parcel = await outbox.take("mail")
    assert parcel is not None
    await outbox.failed(parcel, "451", again=None)
    await MongoLikes(data, keyring).keep("a1", Likes(version=1, phone="555-6473"))
    hook = Webhook(
        id="w1",
        url="https://Chalmers.example",
        secret="Prosperous",
        owner="app",
        person=False,
        created=NOW,
        types=("*",),
    )
    await MongoWebhooks(data, keyring).add(hook, most=9)
    auth = Auth(kind="BASIC", name="Chalmers", secret="Prosperous")
    provider = Connection(
        id="c", patient="1", name="Erewhon", base="https://Erewhon", remote_patient="Peregrine", auth=auth
    )
    await MongoConnections(data, keyring).put(provider, seen=None, due=NOW)
    await synchronise(data, keyring)


async def synchronise(data: Database, keyring: Keyring) -> None:
    """A run that was taken and is over, another that waits; an entry; a line of the log."""
    runs = MongoRuns(data, keyring)
    run = Run(id="r1", patient="1", trigger="MANUAL", created=NOW, agreed=1, place="https://Erewhon/Patient/Peregrine")
    await runs.enqueue(run)
    taken = await runs.claim(now=NOW, until=datetime.now(UTC))
    assert taken is not None
    await runs.end(msgspec.structs.replace(taken, state="COMPLETED", ended=datetime.now(UTC)))
    await runs.enqueue(msgspec.structs.replace(run, id="r2"))
    item = Item(
        name="Observation/Chalmers",
        local="Observation/3",
        digest=b"d",
        run="r1",
        coming="NEW",
        at=NOW,
        title="Prosperous",
    )
    await MongoItems(data, keyring).keep(Source("1", "https://Erewhon"), [item])
    line = Line(
        cause="run/r1/Chalmers",
        patient="1",
        action="MANUAL_SYNC",
        status="SUCCESS",
        at=datetime.now(UTC),
        details="Peregrine Chalmers",
        about="Observation/3",
        run="r1",
    )
    await MongoLogBook(data, keyring).write([line])


async def add_person(accounts: MongoAccounts) -> None:
    """Somebody who can log in, with every field there is."""
    account = Account(
        id="a1",
        email="Peregrine.Chalmers@Erewhon.example",
        first_name="Peregrine",
        last_name="Chalmers",
        status="ACTIVE",
        roles=("PATIENT",),
        asked="NURSE",
        profiles=("Patient/1",),
        organizations=("Organization/1",),
        created=NOW,
        updated=NOW,
    )
    credentials = Credentials(account="a1", password="$argon2id$Chalmers", totp=Totp("Prosperous"))
    await accounts.add(account, credentials)
    await accounts.replace(msgspec.structs.replace(account, version=2), keep="PATIENT")


async def test_a_dump_of_the_database_shows_no_person_and_only_the_fields_on_the_page(
    store: MongoRevisionStore,
    keyring: Keyring,
    data: Database,
    mongo_admin: MongoClient[dict[str, Any]],
    database: str,
) -> None:
    objects = await add_document(data, keyring, store)
    await tell(data, keyring, store)
    await fill(store)
    await open_the_glass(data, keyring)
    await MongoCounters(data, keyring.service, lambda: datetime.now(UTC)).charge(
        Policy("default", 9), "dr", used=1, wanted=0
    )
    accounts = MongoAccounts(data, keyring)
    await add_person(accounts)
    sessions = MongoSessions(data, keyring, lambda: datetime.now(UTC), Presence(data, lambda: datetime.now(UTC)))
    login = Login(account="a1", client="app", scope="user/*.rs", authenticated_at=1.0, label="Phone of Chalmers")
    await sessions.open(login, Lifetime(timedelta(hours=1), timedelta(hours=1)))
    tickets = MongoTickets(data, keyring, lambda: datetime.now(UTC))
    await tickets.issue("verify-email", Ticket("a1", b"1974-12-25"), timedelta(hours=1))
    await MongoAttempts(data, keyring.service, lambda: datetime.now(UTC)).begin([Limit("Peregrine.Chalmers", 0, 9)])
    replays = MongoReplays(data, keyring, lambda: datetime.now(UTC))
    assert await replays.begin("Chalmers", b"f") is None
    await replays.keep("Chalmers", b"Peregrine Chalmers")
    row = KeyRow(use="id", number=1, id="k1", algorithm="RS256", private=b"Prosperous", since=NOW)
    assert await MongoSigningKeys(data, keyring).add(row)
    client = Client(
        id="app",
        name="App",
        proof="client_secret_basic",
        grants=("refresh_token",),
        scope="openid",
        created=NOW,
        created_by="a1",
    )
    await MongoClients(data, keyring.service, lambda: NOW).add(client, "Prosperous")
    vouchers = MongoVouchers(data, keyring, lambda: NOW)
    assert await vouchers.put("code", "Chalmers", b"Peregrine Chalmers", expires=datetime.now(UTC) + timedelta(hours=1))
    assert await vouchers.take("code", "Chalmers")
    assert await vouchers.bind("code", "Chalmers", "s1")
    await MongoDrugTables(data, lambda: NOW).put("own", write(starter()), by="a1")
    said = Feedback(service="s", card="c", alert="a", outcome="accepted", reason=None, at=NOW, by="a1")
    await MongoFeedbackBook(data).add([said])
    jobs = MongoJobs(data, TokenMaker(bytes(32)))
    await jobs.enqueue(Job("own.1", ("Patient",), NOW))
    assert await jobs.claim(before=datetime.now(UTC), now=NOW, until=NOW) is not None
    dump = documents(mongo_admin, database)
    for name, content in objects.items():
        assert not [canary for canary in (*CANARIES, "discharge") if canary.encode() in name.encode() + content]
    assert {"revisions", "resources", "audit", "audit_heads", "claims", "idempotency"} <= set(dump)
    stated = stated_fields()
    for name, rows in dump.items():
        assert rows, name
        for row in rows:
            assert set(row) <= stated[name], name
            raw = bson.encode(row)
            assert not [canary for canary in CANARIES if canary.encode() in raw], name


async def test_the_order_of_tokens_does_not_tell_their_parameters(
    store: MongoRevisionStore, mongo_admin: MongoClient[dict[str, Any]], database: str
) -> None:
    await fill(store)
    (patient,) = mongo_admin[database]["resources"].find({"_id": "Patient/1"})
    assert len(patient["terms"]) > 20
    assert patient["terms"] == sorted(patient["terms"])
