"""Audit chains: contiguous, linked, and honest about how far they had come."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument

from domain.errors import AuditUnavailable, IntegrityFailure
from storage.crypto.keys import AUDIT, Keyring
from storage.crypto.sealing import open_sealed, place
from storage.mongo import chains
from storage.mongo.audit import MongoAuditTrail
from storage.mongo.chains import head_message
from storage.mongo.client import Database
from storage.mongo.revisions import MongoRevisionStore
from tests.contracts.writes import change, entry, new_key, write
from tests.storage.mongo.failpoints import Admin, failing


async def linked(data: Database) -> dict[str, list[bytes]]:
    """The hash of every entry by chain, having checked numbers and links."""
    raw = data.get_collection("audit", codec_options=bson.CodecOptions(document_class=RawBSONDocument))
    found: dict[str, list[bytes]] = {}
    async for document in raw.find(sort=["_id"]):
        chain, _, number = document["_id"].rpartition("-")
        hashes = found.setdefault(chain, [])
        assert int(number) == len(hashes) + 1
        assert document["prev"] == (hashes[-1] if hashes else None)
        hashes.append(hashlib.sha256(b"\x00" + document.raw).digest())
    return found


async def heads(data: Database) -> dict[str, dict[str, Any]]:
    return {head["_id"]: head async for head in data["audit_heads"].find()}


async def test_writes_and_reads_have_a_chain_each_without_gaps(
    data: Database, store: MongoRevisionStore, trail: MongoAuditTrail
) -> None:
    await asyncio.gather(
        *(store.commit(write(change(new_key()))) for _ in range(30)), *(trail.record(entry("read")) for _ in range(30))
    )
    found = await linked(data)
    assert sorted((chain[-2:], len(hashes)) for chain, hashes in found.items()) == [("-r", 30), ("-w", 30)]


async def test_a_chain_has_a_head_before_its_first_entry_and_a_final_one_when_closed(
    data: Database, keyring: Keyring
) -> None:
    trail = MongoAuditTrail(data, keyring)
    await trail.record(entry("read"))
    (head,) = (await heads(data)).values()
    assert (head["sequence"], head["digest"], head["closed"]) == (0, None, False)
    await trail.close()
    (head,) = (await heads(data)).values()
    (hashes,) = (await linked(data)).values()
    assert (head["sequence"], head["digest"], head["closed"]) == (1, hashes[-1], True)


async def test_a_head_follows_its_chain_while_it_grows(
    data: Database, trail: MongoAuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "HEAD_SECONDS", 0.05)
    for _ in range(5):
        await trail.record(entry("read"))
    await asyncio.sleep(0.3)
    (head,) = (await heads(data)).values()
    (hashes,) = (await linked(data)).values()
    assert (head["sequence"], head["digest"]) == (5, hashes[-1])


async def test_a_head_is_authenticated(data: Database, trail: MongoAuditTrail, keyring: Keyring) -> None:
    await trail.record(entry("read"))
    await trail.close()
    (head,) = (await heads(data)).values()
    assert keyring.service.is_authentic(head_message(head), head["mac"])
    for field, forged in (("sequence", 0), ("digest", b"\0" * 32), ("closed", False), ("_id", "another")):
        assert not keyring.service.is_authentic(head_message({**head, field: forged}), head["mac"])


async def test_a_failed_entry_leaves_its_chain_behind(
    data: Database, trail: MongoAuditTrail, mongo_admin: Admin
) -> None:
    await trail.record(entry("read"))
    failure = failing(mongo_admin, "insert", errorCode=14031, namespace=f"{data.name}.audit")
    with failure, pytest.raises(AuditUnavailable):
        await trail.record(entry("read"))
    await trail.record(entry("read"))
    found = await linked(data)
    assert [len(hashes) for hashes in found.values()] == [1, 1]


async def test_query_and_network_are_sealed_in_their_places(
    data: Database, trail: MongoAuditTrail, keyring: Keyring
) -> None:
    await trail.record(entry("search-type", query="family=Chalmers"))
    stored = await data["audit"].find_one()
    assert stored is not None
    key = (await keyring.for_reading([stored["key"]]))[stored["key"]]
    name = stored["_id"]
    assert stored["key"].startswith(AUDIT)
    assert open_sealed(key, place(f"audit/{name}/query"), stored["query"]) == b"family=Chalmers"
    assert open_sealed(key, place(f"audit/{name}/network"), stored["network"]) == b"192.0.2.7"
    with pytest.raises(IntegrityFailure):
        open_sealed(key, place(f"audit/{name}/network"), stored["query"])
    assert b"Chalmers" not in bson.encode(stored)
    assert b"token-1" not in bson.encode(stored)


async def test_an_entry_without_protected_fields_names_no_key(data: Database, trail: MongoAuditTrail) -> None:
    plain = entry("read")
    await trail.record(type(plain)(**{**{f: getattr(plain, f) for f in plain.__struct_fields__}, "network": None}))
    stored = await data["audit"].find_one()
    assert stored is not None
    assert not {"key", "query", "network"} & set(stored)
