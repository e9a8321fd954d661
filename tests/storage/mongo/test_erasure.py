"""Erasure: one patient is gone for good, nobody else notices, and every chain still verifies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from domain.errors import AuditUnavailable, Contention, Gone, NotFound, Unavailable
from domain.identity import ResourceKey
from domain.ports import AuditTrail
from domain.revision import Change, Description, Write, next_revision
from domain.search import SearchQuery
from storage.mongo.erasure import COMMIT_SECONDS, PROTECTED_FIELDS, destroy_key, erase_patient, strip_current
from storage.mongo.tombstones import Tombstone, tombstone_of
from tests.storage.mongo.clinic import START, Clinic, family, open_clinic


@pytest.fixture
async def clinic(mongo_uri: str, database: str, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with open_clinic(mongo_uri, database, tmp_path) as clinic:
        await clinic.fill()
        yield clinic


async def erase(clinic: Clinic, patient: str = "1", **options: Any) -> Tombstone:
    return await erase_patient(
        clinic.data,
        clinic.keyring,
        options.pop("audit", clinic.audit),
        clinic.entry("erase", [f"Patient/{patient}"]),
        patient=patient,
        reason="requested by the canary family",
        sleep=clinic.sleep,
        **options,
    )


async def test_every_version_of_the_compartment_is_gone(clinic: Clinic) -> None:
    await erase(clinic)
    for name in ("Patient/1", "Patient/1/1", "Patient/1/2", "Patient/1/3", "Observation/of-1", "Observation/of-1/1"):
        assert isinstance(await clinic.read(name), Gone), name


async def test_nobody_else_notices(clinic: Clinic) -> None:
    others = ("Patient/2", "Patient/2/1", "Observation/of-2", "Organization/clinic")
    before = [await clinic.read(name) for name in others]
    await erase(clinic)
    after = [await clinic.read(name) for name in others]
    assert before == after
    assert all(isinstance(content, bytes) for content in after)


async def test_the_chain_still_verifies(clinic: Clinic) -> None:
    await erase(clinic)
    assert await clinic.findings() == []


async def test_current_documents_keep_the_plain_part_only(clinic: Clinic) -> None:
    await erase(clinic)
    for name in ("Patient/1", "Observation/of-1"):
        stub = await clinic.raw.resources.find_one({"_id": name})
        assert stub["deleted"]
        assert stub["erased"]
        assert (
            not {"sealed", "key", "terms", "marks", "scoped", "reach", "low", "high", "ranges", "words", "outline"}
            & stub.keys()
        )


async def test_searches_no_longer_find_it(clinic: Clinic) -> None:
    await erase(clinic)
    page = await clinic.store.find(SearchQuery("Patient"))
    assert [stored.head.key.id for stored in page.matches] == ["2"]


async def test_no_key_is_left_and_none_is_made_again(clinic: Clinic) -> None:
    await erase(clinic)
    document = await clinic.keys.patient_keys.find_one({"_id": "Patient/1"})
    assert document["wrapped"] == []
    with pytest.raises(Gone):
        await clinic.put("Observation/new", status="final", subject={"reference": "Patient/1"})
    with pytest.raises(Gone):
        await clinic.put("Patient/1", name=family("Ann again"))


async def test_another_process_forgets_within_the_ttl(
    clinic: Clinic, mongo_uri: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_clinic(mongo_uri, database, tmp_path) as other:
        assert isinstance(await other.read("Patient/1/1"), bytes)
        await erase(clinic)
        clock = other.keyring._cache.clock() + other.keyring.ttl_seconds
        monkeypatch.setattr(other.keyring._cache, "clock", lambda: clock)
        assert isinstance(await other.read("Patient/1/1"), Gone)


async def test_erasure_waits_for_the_other_processes_and_sweeps_up_after_them(clinic: Clinic) -> None:
    late = await clinic.raw.resources.find_one({"_id": "Observation/of-1"})

    async def write_late(seconds: float) -> None:
        clinic.waited.append(seconds)
        await clinic.raw.resources.replace_one({"_id": "Observation/of-1"}, late)

    clinic.sleep = write_late  # type: ignore[method-assign]
    await erase(clinic)
    assert clinic.waited == [clinic.keyring.ttl_seconds + COMMIT_SECONDS]
    assert (await clinic.raw.resources.find_one({"_id": "Observation/of-1"}))["erased"]
    assert await clinic.findings() == []


async def test_a_writer_that_read_before_does_not_overwrite_the_remains(clinic: Clinic) -> None:
    key = ResourceKey("Observation", "of-1")
    base = await clinic.store.newest(key)
    await strip_current(clinic.data, "1")
    content = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    revision = next_revision(key, content, method="PUT", base=base, now=clinic.now())
    change = Change(revision, Description(patient="2", patients=("2",)), base)
    with pytest.raises(Contention):
        await clinic.store.commit(Write((change,), clinic.entry("update", ["Observation/of-1/2"])))
    assert (await clinic.raw.resources.find_one({"_id": "Observation/of-1"}))["erased"]


async def test_the_tombstone_is_signed_and_counts_the_versions(clinic: Clinic) -> None:
    tombstone = await erase(clinic)
    stored = tombstone_of(await clinic.data.erasures.find_one({"_id": "1"}))
    assert (stored.patient, stored.by, stored.revisions) == ("1", "admin", 4)
    assert tombstone.is_signed(clinic.keyring)
    assert stored.at > START


@pytest.mark.parametrize("change", [{"patient": "2"}, {"by": "x"}, {"at": START}, {"revisions": 3}, {"reason": b"x"}])
async def test_no_field_of_a_tombstone_can_be_changed(clinic: Clinic, change: dict[str, Any]) -> None:
    tombstone = await erase(clinic)
    assert not msgspec.structs.replace(tombstone, **change).is_signed(clinic.keyring)


async def test_the_reason_is_sealed_and_can_be_read_by_the_service(clinic: Clinic) -> None:
    tombstone = await erase(clinic)
    assert b"canary" not in repr(await clinic.raw.erasures.find_one({})).encode()
    assert await tombstone.reason_text(clinic.keyring) == "requested by the canary family"
    assert repr(tombstone) == "Tombstone(1)"


async def test_the_erasure_is_audited_before_anything_is_destroyed(clinic: Clinic) -> None:
    class Failing:
        async def record(self, entry: Any) -> None:
            raise AuditUnavailable("not stored")

    refusing: AuditTrail = Failing()
    with pytest.raises(AuditUnavailable):
        await erase(clinic, audit=refusing)
    assert isinstance(await clinic.read("Patient/1"), bytes)
    await erase(clinic)
    entry = await clinic.raw.audit.find_one({"interaction": "erase"})
    assert entry["targets"] == ["Patient/1"]


async def test_an_unknown_patient_is_not_erased(clinic: Clinic) -> None:
    with pytest.raises(NotFound):
        await erase(clinic, "unknown")
    assert await clinic.keys.patient_keys.find_one({"_id": "Patient/unknown"}) is None


async def test_erasing_twice_keeps_the_first_time(clinic: Clinic) -> None:
    first = await erase(clinic)
    second = await erase(clinic)
    assert second.at == first.at
    assert await clinic.raw.erasures.count_documents({}) == 1
    assert await clinic.findings() == []


@pytest.mark.parametrize("step", ["key", "some documents", "all documents"])
async def test_an_erasure_killed_half_way_is_named_and_finished_by_asking_again(clinic: Clinic, step: str) -> None:
    await destroy_key(clinic.keyring, "1", clinic.now())
    if step == "some documents":
        stripped = {"$set": {"deleted": True, "erased": True}, "$unset": dict.fromkeys(PROTECTED_FIELDS, 1)}
        await clinic.raw.resources.update_one({"_id": "Patient/1"}, stripped)
    if step == "all documents":
        await strip_current(clinic.data, "1")
    assert isinstance(await clinic.read("Patient/1"), Gone)
    assert any(finding.kind == "erasure" for finding in await clinic.findings())
    await erase(clinic)
    assert await clinic.findings() == []


async def test_many_documents_are_stripped_in_batches(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.mongo.erasure.BATCH", 3)
    for number in range(10):
        await clinic.put(f"Observation/more-{number}", subject={"reference": "Patient/1"})
    told: list[tuple[str, int]] = []
    await erase(clinic, progress=lambda stage, done: told.append((stage, done)))
    assert told == [("documents", 3), ("documents", 6), ("documents", 9), ("documents", 12)]


async def test_a_page_read_while_a_patient_is_erased_never_fails(clinic: Clinic) -> None:
    erasing = asyncio.create_task(erase(clinic))
    while not erasing.done():
        page = await clinic.store.find(SearchQuery("Patient"))
        for stored, opened in zip(page.matches, await clinic.store.open(page.matches), strict=True):
            assert isinstance(opened, bytes) or (stored.head.key.id == "1" and isinstance(opened, Gone))
    await erasing


async def test_a_tombstone_that_is_forged_or_undone_is_named(clinic: Clinic) -> None:
    kept = await clinic.keys.patient_keys.find_one({"_id": "Patient/1"})
    await erase(clinic)
    await clinic.keys.patient_keys.replace_one({"_id": "Patient/1"}, kept)
    assert ("erasure", "erasures/1") in {(f.kind, f.where) for f in await clinic.findings()}
    await clinic.raw.erasures.update_one({"_id": "1"}, {"$set": {"by": "someone else"}})
    assert ("erasure", "erasures/1") in {(f.kind, f.where) for f in await clinic.findings()}


async def test_destroying_a_key_behind_the_back_of_the_service_is_named(clinic: Clinic) -> None:
    await clinic.keys.patient_keys.update_one({"_id": "Patient/2"}, {"$set": {"erased": START, "wrapped": []}})
    clinic.keyring.forget("Patient/2")
    found = {(finding.kind, finding.where) for finding in await clinic.findings()}
    assert {("erasure", "Patient/2"), ("sealed", "Patient/2/1")} <= found


async def test_a_version_removed_after_the_erasure_is_named(clinic: Clinic) -> None:
    await erase(clinic)
    await clinic.raw.revisions.delete_many({"id": "of-1"})
    await clinic.raw.resources.delete_one({"_id": "Observation/of-1"})
    found = {(finding.kind, finding.where) for finding in await clinic.findings()}
    assert {("erasure", "erasures/1"), ("audit", "Observation/of-1/1")} <= found


async def test_a_database_that_fails_half_way_says_so_and_can_be_asked_again(
    clinic: Clinic, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    failing = {"failCommands": ["update"], "errorCode": 11602, "namespace": f"{clinic.raw.name}.resources"}
    mongo_admin.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=failing)
    try:
        with pytest.raises(Unavailable):
            await erase(clinic)
    finally:
        mongo_admin.admin.command("configureFailPoint", "failCommand", mode="off")
    assert isinstance(await clinic.read("Patient/1/1"), Gone)
    await erase(clinic)
    assert await clinic.findings() == []
