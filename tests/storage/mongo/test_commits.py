"""Commits under failures: a write is stored whole and once, or not at all, and the caller knows which."""

from __future__ import annotations

import asyncio
import hashlib

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern

from domain.errors import AuditUnavailable, Contention, OutcomeUnknown, Unavailable, VersionConflict
from domain.revision import Claim
from storage.crypto.keys import Keyring
from storage.mongo import transactions
from storage.mongo.client import Database
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.revision_store import create, found, outcomes, update
from tests.contracts.writes import change, deletion, entry, new_key, write
from tests.storage.mongo.failpoints import Admin, failing

TRANSIENT = {"errorLabels": ["TransientTransactionError"]}


async def counts(data: Database) -> list[int]:
    return [await data[name].count_documents({}) for name in ("revisions", "resources", "audit")]


async def test_stored_revisions_are_the_bytes_that_were_hashed(data: Database, store: MongoRevisionStore) -> None:
    key = new_key()
    await create(store, key)
    await update(store, key, text="two")
    await store.commit(write(deletion(key, await found(store, key))))
    raw = data.get_collection("revisions", codec_options=bson.CodecOptions(document_class=RawBSONDocument))
    documents = [await raw.find_one({"_id": key.at(number)}) for number in (1, 2, 3)]
    hashes = [hashlib.sha256(b"\x00" + document.raw).digest() for document in documents if document]
    assert [document["prev"] for document in documents if document] == [None, *hashes[:2]]
    current = await data["resources"].find_one({"_id": str(key)})
    assert current is not None
    assert current["tip"] == hashes[2]


async def test_the_current_document_of_a_deletion_keeps_nothing_protected(
    data: Database, store: MongoRevisionStore
) -> None:
    key = new_key()
    await create(store, key, patient="p1")
    await store.commit(write(deletion(key, await found(store, key))))
    current = await data["resources"].find_one({"_id": str(key)})
    assert current is not None
    assert not {
        "sealed",
        "key",
        "terms",
        "marks",
        "scoped",
        "reach",
        "low",
        "high",
        "ranges",
        "words",
        "outline",
    } & set(current)


async def test_a_write_whose_audit_fails_is_not_stored(
    data: Database, store: MongoRevisionStore, mongo_admin: Admin
) -> None:
    await create(store, new_key())
    before = await counts(data)
    with (
        failing(mongo_admin, "insert", errorCode=8000, namespace=f"{data.name}.audit"),
        pytest.raises(AuditUnavailable),
    ):
        await store.commit(write(change(new_key())))
    assert await counts(data) == before
    await create(store, new_key())
    assert await counts(data) == [count + 1 for count in before]


@pytest.mark.parametrize("command", ["insert", "commitTransaction"])
async def test_an_interrupted_transaction_is_done_again_once(
    data: Database, store: MongoRevisionStore, mongo_admin: Admin, command: str
) -> None:
    await create(store, new_key())
    keys = [new_key() for _ in range(10)]
    with failing(mongo_admin, command, times=2, errorCode=251, **TRANSIENT):
        await asyncio.gather(*(store.commit(write(change(key))) for key in keys))
    assert await counts(data) == [11, 11, 11]


@pytest.mark.parametrize("command", ["insert", "commitTransaction"])
async def test_a_lost_connection_neither_loses_nor_doubles_a_write(
    data: Database, store: MongoRevisionStore, mongo_admin: Admin, command: str
) -> None:
    await create(store, new_key())
    keys = [new_key() for _ in range(10)]
    with failing(mongo_admin, command, times=1, closeConnection=True):
        await asyncio.gather(*(store.commit(write(change(key))) for key in keys))
    assert await counts(data) == [11, 11, 11]


async def test_a_commit_that_happened_but_was_reported_uncertain_is_acknowledged(
    data: Database, store: MongoRevisionStore, mongo_admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_SECONDS", 0.2)
    await create(store, new_key())
    # MongoDB commits and then says that it could not satisfy the write concern in time.
    uncertain = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"}
    with failing(mongo_admin, "commitTransaction", writeConcernError=uncertain):
        await store.commit(write(change(new_key())))
    assert await counts(data) == [2, 2, 2]


async def test_a_commit_nobody_can_vouch_for_is_reported_as_unknown(
    data: Database, store: MongoRevisionStore, mongo_admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "COMMIT_SECONDS", 0.2)
    await create(store, new_key())
    key = new_key()
    # 50: out of time. The server has not committed, but the program cannot know.
    with failing(mongo_admin, "commitTransaction", errorCode=50), pytest.raises(OutcomeUnknown):
        await store.commit(write(change(key)))
    # Nobody committed or aborted it: without this the server would keep it open for a minute.
    mongo_admin.admin.command("killAllSessions", [])
    later = await create(store, new_key())
    assert later.head.version == 1
    heads = [head["_id"] async for head in data["audit_heads"].find()]
    assert len(heads) == 2, "the chain of the uncertain entry is left behind"


async def test_a_database_that_refuses_to_store_is_unavailable(
    data: Database, store: MongoRevisionStore, mongo_admin: Admin
) -> None:
    await create(store, new_key())
    # 14031: out of disk space.
    with failing(mongo_admin, "insert", errorCode=14031), pytest.raises(Unavailable):
        await store.commit(write(change(new_key())))
    assert await counts(data) == [1, 1, 1]


async def test_a_document_held_by_another_transaction_is_waited_for(data: Database, store: MongoRevisionStore) -> None:
    held, free = new_key(), [new_key() for _ in range(5)]
    await create(store, held)
    base = await found(store, held)
    async with data.client.start_session() as session:
        await session.start_transaction(write_concern=WriteConcern("majority"))
        await data["resources"].update_one({"_id": str(held)}, {"$set": {"author": "another"}}, session=session)
        blocked = asyncio.create_task(store.commit(write(change(held, base))))
        others = [asyncio.create_task(store.commit(write(change(key)))) for key in free]
        await asyncio.wait_for(asyncio.gather(*others), 1)
        assert not blocked.done()
        await session.abort_transaction()
    await blocked
    assert (await found(store, held)).head.version == 2


async def test_a_document_that_stays_held_by_somebody_at_work_is_contention(
    data: Database, store: MongoRevisionStore
) -> None:
    held = new_key()
    await create(store, held)
    async with data.client.start_session() as session:
        await session.start_transaction(write_concern=WriteConcern("majority"))
        await data["resources"].update_one({"_id": str(held)}, {"$set": {"author": "another"}}, session=session)

        async def work() -> None:
            while True:
                await asyncio.sleep(0.2)
                await data["resources"].update_one({"_id": str(held)}, {"$inc": {"n": 1}}, session=session)

        working = asyncio.create_task(work())
        with pytest.raises(Contention):
            await store.commit(write(change(held, await found(store, held))))
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await session.abort_transaction()


async def test_two_processes_never_make_one_version_twice(
    data: Database, keyring: Keyring, store: MongoRevisionStore
) -> None:
    """Two stores share nothing but the database, as two processes do."""
    other, key = MongoRevisionStore(data, keyring), new_key()
    await create(store, key)

    async def insist(writer: MongoRevisionStore) -> None:
        while True:
            try:
                await update(writer, key)
            except (VersionConflict, Contention):
                continue
            return

    await asyncio.gather(*(insist(writer) for writer in (store, other) for _ in range(10)))
    await other.close()
    assert (await found(store, key)).head.version == 21
    assert await data["revisions"].count_documents({"type": key.type, "id": key.id}) == 21


async def test_what_another_process_wrote_is_a_conflict_at_once(
    data: Database, keyring: Keyring, store: MongoRevisionStore
) -> None:
    other, key, free = MongoRevisionStore(data, keyring), new_key(), new_key()
    base = await create(store, key)
    await update(other, key)
    tasks = [store.commit(write(change(key, base))), store.commit(write(change(free)))]
    assert await asyncio.wait_for(outcomes(*tasks), 1) == [VersionConflict, None]
    await other.close()


@pytest.mark.parametrize("earlier", [0, 1], ids=["new condition", "condition relied on before"])
async def test_two_processes_never_both_win_a_condition(
    data: Database, keyring: Keyring, store: MongoRevisionStore, earlier: int
) -> None:
    other, name = MongoRevisionStore(data, keyring), f"Patient?identifier={new_key()}"
    for _ in range(earlier):
        await store.commit(write(change(new_key()), claims=(Claim(name, 0),)))
    (seen,) = await store.claim([name])
    keys = [new_key() for _ in range(20)]
    writers = [store, other] * 10
    results = await outcomes(
        *(
            writer.commit(write(change(key), claims=(Claim(name, seen),)))
            for writer, key in zip(writers, keys, strict=True)
        )
    )
    await other.close()
    assert sorted(str(result) for result in results).count("None") == 1
    assert sum(one is not None for one in await store.newest_of(keys)) == 1


async def test_a_cancelled_caller_leaves_a_whole_write_or_none(data: Database, store: MongoRevisionStore) -> None:
    keys = [(new_key(), new_key()) for _ in range(10)]
    tasks = [asyncio.create_task(store.commit(write(change(a), change(b)))) for a, b in keys]
    await asyncio.sleep(0.002)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for number, result in enumerate(results) if number != 3] == [None] * 9
    a, b = await store.newest_of(keys[3])
    assert (a is None) == (b is None)


async def test_closing_stores_what_was_accepted(data: Database, keyring: Keyring) -> None:
    store, keys = MongoRevisionStore(data, keyring), [new_key() for _ in range(20)]
    tasks = [asyncio.create_task(store.commit(write(change(key)))) for key in keys]
    await asyncio.sleep(0.005)
    await store.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert await data["revisions"].count_documents({}) == results.count(None) > 0
    assert all(result is None or isinstance(result, Unavailable) for result in results)


async def test_the_audit_entry_of_a_write_names_its_versions(data: Database, store: MongoRevisionStore) -> None:
    one = write(change(new_key()), change(new_key()))
    await store.commit(one)
    (stored,) = await data["audit"].find().to_list()
    assert stored["targets"] == list(one.audit.targets)
    assert stored["request_id"] == one.audit.request_id
    assert entry().network not in str(stored).encode().decode()
