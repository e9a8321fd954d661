"""Verification: a healthy database has no findings, and each attack with raw writes is named by its victim."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bson.codec_options import CodecOptions
from bson.decimal128 import Decimal128
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from domain.errors import IntegrityFailure
from storage.crypto.sealing import place, seal
from storage.mongo import verification_resources, verification_writes
from storage.mongo.documents import document_hash, encode_document
from storage.mongo.findings import Finding
from storage.mongo.verification import verify
from tests.storage.mongo.clinic import Clinic, family, open_clinic

Saved = dict[tuple[str, str], list[RawBSONDocument]]


@pytest.fixture(scope="module")
async def filled(
    mongo_uri: str, mongo_admin: MongoClient[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Clinic, Saved]]:
    """A filled clinic and its stored bytes. Made once: creating its indexes takes longer than any test here."""
    database, folder = f"test_{secrets.token_hex(6)}", tmp_path_factory.mktemp("verification")
    # A process that has ended: its audit chains are closed. Another one looks at what it left.
    async with open_clinic(mongo_uri, database, folder) as clinic:
        await clinic.fill()
    async with open_clinic(mongo_uri, database, folder) as clinic:
        raw = CodecOptions(document_class=RawBSONDocument)
        saved = {
            (name, collection): list(mongo_admin[name].get_collection(collection, codec_options=raw).find())
            for name in (database, f"{database}_keys")
            for collection in mongo_admin[name].list_collection_names()
        }
        yield clinic, saved
    for name in {name for name, _ in saved}:
        mongo_admin.drop_database(name)


@pytest.fixture
async def clinic(filled: tuple[Clinic, Saved], mongo_admin: MongoClient[dict[str, Any]]) -> AsyncIterator[Clinic]:
    """The filled clinic, whose stored bytes are put back after each attack."""
    clinic, saved = filled
    yield clinic
    for (name, collection), documents in saved.items():
        mongo_admin[name][collection].delete_many({})
        if documents:
            mongo_admin[name][collection].insert_many(documents)
    for patient in ("1", "2"):
        clinic.keyring.forget(f"Patient/{patient}")


def named(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.kind, finding.where) for finding in findings}


async def flip(collection: Any, name: str, field: str) -> None:
    value = bytearray((await collection.find_one({"_id": name}))[field])
    value[-1] ^= 1
    await collection.update_one({"_id": name}, {"$set": {field: bytes(value)}})


async def test_a_healthy_database_has_no_findings(clinic: Clinic) -> None:
    assert await clinic.findings() == []


async def test_an_empty_database_has_no_findings(mongo_uri: str, database: str, tmp_path: Path) -> None:
    async with open_clinic(mongo_uri, database, tmp_path) as clinic:
        assert await clinic.findings() == []


@pytest.mark.parametrize("resources", [1, 2, 3])
async def test_slices_of_any_size_meet_everything_once(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, resources: int
) -> None:
    monkeypatch.setattr(verification_resources, "SLICE", resources)
    monkeypatch.setattr(verification_resources, "PAGE", resources)
    monkeypatch.setattr(verification_writes, "PART", 4)
    assert await clinic.findings() == []
    await clinic.raw.revisions.delete_one({"_id": "Patient/2/2"})
    await clinic.raw.resources.delete_one({"_id": "Organization/clinic"})
    assert named(await clinic.findings()) == {
        ("missing", "Patient/2/2"),
        ("missing", "Organization/clinic"),
        ("audit", "Patient/2/2"),
    }


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_one_flipped_bit_of_a_version_is_refused_and_named(clinic: Clinic, version: int) -> None:
    name = f"Patient/1/{version}"
    await flip(clinic.raw.revisions, name, "sealed")
    assert isinstance(await clinic.read(name), IntegrityFailure)
    found = named(await clinic.findings())
    assert ("sealed", name) in found
    assert ("chain", name) in found
    assert {where for _, where in found} <= {name, "Patient/1"}


async def test_one_flipped_bit_of_a_current_document_is_named(clinic: Clinic) -> None:
    await flip(clinic.raw.resources, "Patient/1", "sealed")
    assert named(await clinic.findings()) == {("current", "Patient/1")}


@pytest.mark.parametrize("target", ["Patient/2/2", "Patient/1/1", "Observation/of-1/1", "Organization/clinic/1"])
async def test_a_sealed_value_copied_elsewhere_is_named(clinic: Clinic, target: str) -> None:
    source = await clinic.raw.revisions.find_one({"_id": "Patient/1/2"})
    await clinic.raw.revisions.update_one({"_id": target}, {"$set": {"sealed": source["sealed"], "key": source["key"]}})
    found = named(await clinic.findings())
    assert ("sealed", target) in found
    assert ("chain", target) in found


async def test_a_query_copied_to_another_field_or_entry_is_named(clinic: Clinic) -> None:
    entries = await clinic.raw.audit.find({"query": {"$exists": True}}).sort("_id", 1).to_list()
    first, second = entries[0], entries[1]
    await clinic.raw.audit.update_one({"_id": first["_id"]}, {"$set": {"network": first["query"]}})
    await clinic.raw.audit.update_one({"_id": second["_id"]}, {"$set": {"query": first["query"]}})
    found = named(await clinic.findings())
    for name in (first["_id"], second["_id"]):
        assert {("sealed", f"audit/{name}"), ("chain", f"audit/{name}")} <= found


async def test_a_deleted_middle_version_is_named(clinic: Clinic) -> None:
    await clinic.raw.revisions.delete_one({"_id": "Patient/1/2"})
    assert named(await clinic.findings()) == {("missing", "Patient/1/2"), ("audit", "Patient/1/2")}


async def test_a_deleted_first_version_is_named(clinic: Clinic) -> None:
    await clinic.raw.revisions.delete_one({"_id": "Patient/1/1"})
    assert named(await clinic.findings()) == {("missing", "Patient/1/1"), ("audit", "Patient/1/1")}


async def test_a_deleted_last_version_is_named(clinic: Clinic) -> None:
    await clinic.raw.revisions.delete_one({"_id": "Patient/1/3"})
    assert named(await clinic.findings()) == {("missing", "Patient/1/3"), ("audit", "Patient/1/3")}


async def test_a_rollback_of_version_and_current_document_is_named_by_the_audit(clinic: Clinic) -> None:
    second = await clinic.raw.revisions.find_one({"_id": "Patient/1/2"})
    raw = (await clinic.client[clinic.raw.name].revisions.find_one({"_id": "Patient/1/2"})) or {}
    await clinic.raw.revisions.delete_one({"_id": "Patient/1/3"})
    fields = {name: second[name] for name in ("version", "sealed", "key", "method")}
    fields |= {"updated": second["recorded"], "tip": document_hash(encode_document(raw))}
    tokens = clinic.keyring.service.tokens.tokens("Patient", [])
    await clinic.raw.resources.update_one({"_id": "Patient/1"}, {"$set": {**fields, "terms": tokens}})
    found = named(await clinic.findings())
    assert ("audit", "Patient/1/3") in found


async def test_a_resource_removed_with_all_its_versions_is_named_by_the_audit(clinic: Clinic) -> None:
    await clinic.raw.revisions.delete_many({"type": "Organization", "id": "clinic"})
    await clinic.raw.resources.delete_one({"_id": "Organization/clinic"})
    assert named(await clinic.findings()) == {("audit", "Organization/clinic/1")}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "PATCH"),
        ("labels", ["R"]),
        ("recorded", None),
        ("patient", "2"),
        ("key", "Patient/2#1"),
        ("prev", b"x"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
async def test_an_edited_plain_field_of_a_version_is_named(
    clinic: Clinic, field: str, value: Any, version: int
) -> None:
    name = f"Patient/1/{version}"
    if field == "recorded":
        value = (await clinic.raw.revisions.find_one({"_id": "Patient/1/1"}))["recorded"]
    await clinic.raw.revisions.update_one({"_id": name}, {"$set": {field: value}})
    assert ("chain", name) in named(await clinic.findings())


async def test_two_swapped_versions_are_named(clinic: Clinic) -> None:
    first = await clinic.raw.revisions.find_one({"_id": "Patient/1/1"})
    second = await clinic.raw.revisions.find_one({"_id": "Patient/1/2"})
    swapped = ("sealed", "recorded", "key", "method", "prev")
    for name, other in (("Patient/1/1", second), ("Patient/1/2", first)):
        await clinic.raw.revisions.update_one({"_id": name}, {"$set": {field: other[field] for field in swapped}})
    found = named(await clinic.findings())
    for name in ("Patient/1/1", "Patient/1/2"):
        assert {("sealed", name), ("chain", name)} <= found
    assert ("order", "Patient/1/2") in found


async def test_versions_renamed_to_each_other_are_named(clinic: Clinic) -> None:
    first = await clinic.raw.revisions.find_one({"_id": "Patient/1/1"})
    await clinic.raw.revisions.delete_one({"_id": "Patient/1/1"})
    await clinic.raw.revisions.insert_one({**first, "_id": "Patient/1/9"})
    found = named(await clinic.findings())
    assert {("malformed", "Patient/1/9"), ("missing", "Patient/1/1")} <= found


@pytest.mark.parametrize("change", [{"id": 5}, {"version": "2"}, {"type": None}, {"recorded": "now"}, {"labels": 1}])
async def test_a_version_of_another_shape_is_named(clinic: Clinic, change: dict[str, Any]) -> None:
    await clinic.raw.revisions.update_one({"_id": "Patient/1/2"}, {"$set": change})
    assert ("malformed", "Patient/1/2") in named(await clinic.findings())


async def test_a_forged_version_sealed_with_a_real_key_is_named(clinic: Clinic) -> None:
    """Someone who stole one patient's key and writes to the database still cannot rewrite what the chain holds."""
    key = (await clinic.keyring.for_writing(["Patient/1"]))["Patient/1"]
    forged = seal(key, place("Patient/1/2"), b'{"resourceType":"Patient","id":"1","meta":{"versionId":"2"}}')
    await clinic.raw.revisions.update_one({"_id": "Patient/1/2"}, {"$set": {"sealed": forged}})
    assert {("sealed", "Patient/1/2"), ("chain", "Patient/1/2")} <= named(await clinic.findings())


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"version": 2}, "current"),
        ({"deleted": True}, "current"),
        ({"erased": True}, "current"),
        ({"patient": "2"}, "current"),
        ({"labels": ["R"]}, "current"),
        ({"method": "POST"}, "current"),
        ({"tip": b"x" * 32}, "chain"),
        ({"terms": []}, "index"),
        ({"outline": {"name": "leaked"}}, "index"),
        ({"compartments": ["1", "2"]}, "index"),
        ({"ranges": [{"p": "date", "l": 1, "h": 2}]}, "index"),
        ({"low": 1}, "index"),
        ({"marks": [b"12345678"]}, "index"),
        ({"scoped": [b"12345678"]}, "index"),
    ],
)
async def test_an_edited_current_document_is_named(clinic: Clinic, change: dict[str, Any], kind: str) -> None:
    await clinic.raw.resources.update_one({"_id": "Patient/1"}, {"$set": change})
    found = named(await clinic.findings())
    assert any(found_kind == kind and where.startswith("Patient/1") for found_kind, where in found)
    assert {where for _, where in found} <= {"Patient/1", "Patient/1/3"}


async def test_the_order_of_terms_does_not_matter(clinic: Clinic) -> None:
    current = await clinic.raw.resources.find_one({"_id": "Patient/1"})
    await clinic.raw.resources.update_one({"_id": "Patient/1"}, {"$set": {"terms": current["terms"][::-1]}})
    assert await clinic.findings() == []


async def test_a_removed_current_document_is_named(clinic: Clinic) -> None:
    await clinic.raw.resources.delete_one({"_id": "Patient/1"})
    assert named(await clinic.findings()) == {("missing", "Patient/1")}


async def test_a_current_document_without_versions_is_named(clinic: Clinic) -> None:
    current = await clinic.raw.resources.find_one({"_id": "Patient/1"})
    await clinic.raw.resources.insert_one({**current, "_id": "Patient/3", "id": "3"})
    assert named(await clinic.findings()) == {("missing", "Patient/3")}


async def test_a_deletion_undone_is_named(clinic: Clinic) -> None:
    await clinic.raw.resources.update_one({"_id": "Organization/closed"}, {"$set": {"deleted": False, "terms": []}})
    assert ("current", "Organization/closed") in named(await clinic.findings())


@pytest.mark.parametrize("kind", ["w", "r"])
@pytest.mark.parametrize("position", [0, 1, -1])
async def test_a_removed_audit_entry_is_named(clinic: Clinic, kind: str, position: int) -> None:
    entries = await clinic.raw.audit.find({"_id": {"$regex": f"-{kind}-"}}).sort("_id", 1).to_list()
    gone = entries[position]
    await clinic.raw.audit.delete_one({"_id": gone["_id"]})
    found = named(await clinic.findings())
    assert ("missing", f"audit/{gone['_id']}") in found
    if kind == "w":
        assert ("audit", gone["targets"][0]) in found


@pytest.mark.parametrize("position", [0, 1, -1])
async def test_an_edited_audit_entry_is_named(clinic: Clinic, position: int) -> None:
    entries = await clinic.raw.audit.find({"_id": {"$regex": "-r-"}}).sort("_id", 1).to_list()
    await clinic.raw.audit.update_one({"_id": entries[position]["_id"]}, {"$set": {"subject": "someone else"}})
    assert named(await clinic.findings()) == {("chain", f"audit/{entries[position]['_id']}")}


async def test_two_swapped_audit_entries_are_named(clinic: Clinic) -> None:
    first, second = (await clinic.raw.audit.find({"_id": {"$regex": "-r-"}}).sort("_id", 1).to_list())[:2]
    for one, other in ((first, second), (second, first)):
        await clinic.raw.audit.replace_one({"_id": one["_id"]}, {**other, "_id": one["_id"]})
    found = named(await clinic.findings())
    assert {("chain", f"audit/{first['_id']}"), ("chain", f"audit/{second['_id']}")} <= found


async def test_an_entry_added_after_the_end_of_its_chain_is_named(clinic: Clinic) -> None:
    last = (await clinic.raw.audit.find({"_id": {"$regex": "-r-"}}).sort("_id", -1).to_list())[0]
    chain, _, number = last["_id"].rpartition("-")
    added = {**last, "_id": f"{chain}-{int(number) + 1:012d}", "prev": document_hash(encode_document(last))}
    added.pop("query")
    added.pop("network")
    await clinic.raw.audit.insert_one(added)
    assert ("chain", f"audit/{added['_id']}") in named(await clinic.findings())


async def test_a_removed_altered_or_forged_head_is_named(clinic: Clinic) -> None:
    heads = await clinic.raw.audit_heads.find().sort("_id", 1).to_list()
    assert len(heads) == 2
    await clinic.raw.audit_heads.update_one({"_id": heads[0]["_id"]}, {"$set": {"sequence": 1}})
    await clinic.raw.audit_heads.delete_one({"_id": heads[1]["_id"]})
    found = named(await clinic.findings())
    assert ("chain", f"audit_heads/{heads[0]['_id']}") in found
    assert ("missing", f"audit_heads/{heads[1]['_id']}") in found


async def test_a_version_without_its_audit_entry_is_named(clinic: Clinic) -> None:
    organization = await clinic.raw.revisions.find_one({"_id": "Organization/clinic/1"})
    await clinic.raw.revisions.insert_one({**organization, "_id": "Organization/forged/1", "id": "forged"})
    assert ("audit", "Organization/forged/1") in named(await clinic.findings())


async def test_a_lost_key_is_named_and_is_not_taken_for_an_erasure(clinic: Clinic) -> None:
    await clinic.keys.patient_keys.delete_one({"_id": "Patient/1"})
    clinic.keyring.forget("Patient/1")
    found = named(await clinic.findings())
    assert {("sealed", f"Patient/1/{version}") for version in (1, 2, 3)} <= found
    assert not any("2" in where.split("/")[1] for _, where in found if where.startswith("Patient"))


async def test_findings_quote_no_content(clinic: Clinic) -> None:
    await flip(clinic.raw.revisions, "Patient/1/2", "sealed")
    await clinic.raw.resources.update_one({"_id": "Patient/2"}, {"$set": {"outline": {"name": "canary"}}})
    text = " ".join(map(str, await clinic.findings()))
    assert text
    assert "Ann" not in text
    assert "canary" not in text


async def test_writers_at_work_cause_no_findings(mongo_uri: str, database: str, tmp_path: Path) -> None:
    async with open_clinic(mongo_uri, database, tmp_path) as clinic:
        await clinic.fill()

        async def write() -> None:
            for number in range(40):
                await clinic.put("Patient/1", name=family(f"Ann-{number}"))
                await clinic.put(f"Observation/new-{number}", subject={"reference": "Patient/2"})

        writing = asyncio.create_task(write())
        rounds = 0
        while not writing.done():
            assert await clinic.findings() == []
            rounds += 1
        await writing
        assert rounds > 1


async def test_progress_tells_of_every_stage(clinic: Clinic) -> None:
    told: dict[str, int] = {}
    async for _ in verify(clinic.data, clinic.keyring, progress=told.__setitem__):
        pass
    assert told["versions"] == 12
    assert told["audit"] == 15
    assert told["writes"] == 12


async def test_a_decimal_of_the_outline_is_compared_by_its_digits(clinic: Clinic) -> None:
    current = await clinic.raw.resources.find_one({"_id": "Observation/control"})
    assert str(current["outline"]["valueQuantity"]["value"]) == "0.50"
    await clinic.raw.resources.update_one(
        {"_id": "Observation/control"}, {"$set": {"outline.valueQuantity.value": Decimal128("0.5")}}
    )
    assert named(await clinic.findings()) == {("index", "Observation/control")}
