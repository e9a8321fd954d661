"""Rotation: every key above the patients' is replaced while others read and write; a leaked key opens nothing new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from domain.decimals import exact
from domain.errors import Contention, Gone, Unavailable
from storage.crypto.keys import AUDIT, DIRECTORY
from storage.crypto.master_key import read_local_keys, replace_local_keys
from storage.crypto.rotation_steps import replace_master_key
from storage.crypto.vault import number_of, wrapped_under
from storage.mongo.erasure import destroy_key
from storage.mongo.lease import Lease
from storage.mongo.rotation import reseal_patient, rotate_keys
from tests.storage.mongo.clinic import Clinic, family, open_clinic


@pytest.fixture
async def clinic(mongo_uri: str, database: str, tmp_path: Path) -> AsyncIterator[Clinic]:
    async with open_clinic(mongo_uri, database, tmp_path) as clinic:
        await clinic.fill()
        yield clinic


async def rotate(clinic: Clinic, **options: Any) -> bool:
    sleep = options.pop("sleep", clinic.sleep)
    return await rotate_keys(
        clinic.client, clinic.keyring, clinic.audit, clinic.entry("rotate"), sleep=sleep, **options
    )


async def wrapping_keys(clinic: Clinic) -> set[bytes]:
    """The data keys that wrap the service's secrets, and the generations of the wrapping key that wrap all others."""
    found: set[bytes] = set()
    async for document in clinic.keys.index_keys.find():
        found |= {wrapped_under(value) for value in document["wrapped"]}
    async for document in clinic.keys.patient_keys.find():
        found |= {value[:3] for value in document["wrapped"]}
    return found


async def test_after_a_rotation_everything_opens_in_every_process(
    clinic: Clinic, mongo_uri: str, database: str, tmp_path: Path
) -> None:
    before = [await clinic.read(name) for name in ("Patient/1", "Patient/2/1", "Organization/clinic")]
    assert await rotate(clinic)
    async with open_clinic(mongo_uri, database, tmp_path) as other:
        for reader in (clinic, other):
            assert [await reader.read(n) for n in ("Patient/1", "Patient/2/1", "Organization/clinic")] == before
        assert await other.findings() == []


async def test_master_key_and_data_key_are_new_and_the_old_ones_gone(clinic: Clinic) -> None:
    path = clinic.keyring.vault.master.path
    old_master = set(read_local_keys(path).keys.values())
    old_data_keys = await wrapping_keys(clinic)
    await rotate(clinic)
    assert not old_master & set(read_local_keys(path).keys.values())
    assert len(read_local_keys(path).keys) == 1
    assert not old_data_keys & await wrapping_keys(clinic)
    assert [number_of(key) for key in await clinic.keys.vault.find().to_list()] == [2]


async def test_rotating_again_and_again_works(clinic: Clinic) -> None:
    for _ in range(3):
        assert await rotate(clinic)
    assert [number_of(key) for key in await clinic.keys.vault.find().to_list()] == [4]
    assert isinstance(await clinic.read("Patient/1"), bytes)


async def test_directory_and_audit_seal_under_a_new_generation(clinic: Clinic) -> None:
    await rotate(clinic)
    keys = await clinic.keyring.for_writing([DIRECTORY, AUDIT, "Patient/1"])
    assert [key.id for key in keys.values()] == ["directory#2", "audit#2", "Patient/1#1"]
    await clinic.put("Organization/new", name="New")
    assert (await clinic.raw.resources.find_one({"_id": "Organization/new"}))["key"] == "directory#2"


async def test_others_serve_while_keys_are_rotated(
    clinic: Clinic, mongo_uri: str, database: str, tmp_path: Path
) -> None:
    async with open_clinic(mongo_uri, database, tmp_path) as other:
        served = 0

        async def serve() -> None:
            nonlocal served
            while True:
                other.keyring.forget("Patient/1")
                await other.put("Patient/1", name=family(f"Ann-{served}"))
                await other.put(f"Patient/new-{served}", name=family("New"))
                assert isinstance(await other.read("Patient/1"), bytes)
                served += 1

        serving = asyncio.create_task(serve())
        await asyncio.sleep(0.05)

        async def brief(_: float) -> None:
            await asyncio.sleep(0.05)
            # As if the minute in which a data key may still be used had passed.
            other.keyring.vault.forget()
            other.keyring.stored.wrapper.forget()

        assert await rotate(clinic, sleep=brief)
        await asyncio.sleep(0.05)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        assert served > 3
        assert await other.findings() == []
    assert len(await wrapping_keys(clinic)) == 2


async def test_what_is_wrapped_late_keeps_the_old_data_key_alive(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If something stays wrapped under an old data key, deleting that key would destroy it."""
    stuck = clinic.keyring.stored.wrap_again

    async def all_but_one(document: Any) -> None:
        if document["_id"] != "Patient/1":
            await stuck(document)

    monkeypatch.setattr(clinic.keyring.stored, "wrap_again", all_but_one)
    assert not await rotate(clinic)
    assert len(await clinic.keys.vault.find().to_list()) == 2
    monkeypatch.undo()
    clinic.keyring.forget("Patient/1")
    assert isinstance(await clinic.read("Patient/1"), bytes)
    assert await rotate(clinic)
    assert len(await clinic.keys.vault.find().to_list()) == 1


async def test_a_rotation_killed_between_master_keys_is_finished_by_the_next(
    clinic: Clinic, mongo_uri: str, database: str, tmp_path: Path
) -> None:
    async def killed() -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await replace_master_key(clinic.keyring.vault, killed)
    assert len(read_local_keys(clinic.keyring.vault.master.path).keys) == 2
    async with open_clinic(mongo_uri, database, tmp_path) as other:
        assert isinstance(await other.read("Patient/1"), bytes)
        assert await rotate(other)
        assert len(read_local_keys(other.keyring.vault.master.path).keys) == 1
        assert isinstance(await other.read("Patient/1"), bytes)


async def test_a_process_that_missed_the_rotation_reads_the_new_master_key(clinic: Clinic) -> None:
    """Its data key is no longer remembered, and the master key it was started with opens nothing any more."""
    vault, path = clinic.keyring.vault, clinic.keyring.vault.master.path
    old = read_local_keys(path)
    assert await rotate(clinic)
    new = read_local_keys(path)

    def start_before_rotation() -> None:
        replace_local_keys(path, old)
        vault._connect()
        clinic.keyring.stored.wrapper.forget()
        replace_local_keys(path, new)

    start_before_rotation()
    clinic.keyring.forget("Patient/1")
    assert isinstance(await clinic.read("Patient/1"), bytes)
    start_before_rotation()
    assert await clinic.put("Patient/new", name=family("New")) == "Patient/new/1"
    start_before_rotation()
    path.unlink()
    clinic.keyring.forget("Patient/1")
    with pytest.raises(Unavailable):
        await clinic.read("Patient/1")


async def test_two_rotations_at_once_are_refused(clinic: Clinic, database: str) -> None:
    lease = Lease(clinic.client, f"{database}_keys", "key rotation")
    await lease.take()
    with pytest.raises(Contention):
        await rotate(clinic)
    await lease.release()
    assert await rotate(clinic)


async def test_a_lease_passes_on_when_its_holder_died(clinic: Clinic, database: str) -> None:
    dead = Lease(clinic.client, f"{database}_keys", "test", seconds=-1)
    await dead.take()
    alive = Lease(clinic.client, f"{database}_keys", "test")
    await alive.take()
    with pytest.raises(Contention):
        await dead.renew()
    await dead.release()
    await alive.renew()


async def test_erased_patients_stay_erased_through_a_rotation(clinic: Clinic) -> None:
    await destroy_key(clinic.keyring, "1", clinic.now())
    assert await rotate(clinic)
    assert isinstance(await clinic.read("Patient/1"), Gone)
    with pytest.raises(Gone):
        await clinic.put("Patient/1", name=family("Ann"))


async def test_a_rotation_is_audited_and_tells_how_far_it_is(clinic: Clinic) -> None:
    told: dict[str, int] = {}
    await rotate(clinic, progress=told.__setitem__)
    assert await clinic.raw.audit.count_documents({"interaction": "rotate"}) == 1
    assert told == {"data keys": 1, "generations": 3, "index_keys": 6, "patient_keys": 5}


async def reseal(clinic: Clinic, patient: str = "1", **options: Any) -> int:
    return await reseal_patient(
        clinic.data,
        clinic.store,
        clinic.describe,
        clinic.keyring,
        clinic.entry("rotate"),
        patient=patient,
        now=clinic.now,
        sleep=clinic.sleep,
        **options,
    )


async def test_a_resealed_patient_has_a_new_version_of_everything_under_a_new_key(clinic: Clinic) -> None:
    await clinic.put("Observation/closed", subject={"reference": "Patient/1"})
    await clinic.delete("Observation/closed")
    assert await reseal(clinic) == 2
    for name, version in (("Patient/1", 4), ("Observation/of-1", 2)):
        current = await clinic.raw.resources.find_one({"_id": name})
        assert (current["version"], current["key"]) == (version, "Patient/1#2")
    assert (await clinic.raw.resources.find_one({"_id": "Patient/2"}))["key"] == "Patient/2#1"
    assert await clinic.findings() == []


async def test_resealing_changes_no_content_and_keeps_history_readable(clinic: Clinic) -> None:
    before = await clinic.read("Patient/1")
    await reseal(clinic)
    assert await clinic.read("Patient/1/3") == before
    now = await clinic.read("Patient/1")
    assert isinstance(now, bytes)
    assert b'"family":"Annabel-1"' in now


async def test_resealing_keeps_the_text_of_decimals(clinic: Clinic) -> None:
    dose = {"value": exact("1.0e3"), "system": "http://unitsofmeasure.org", "code": "mg"}
    await clinic.put("Observation/dose", status="final", subject={"reference": "Patient/1"}, valueQuantity=dose)
    await reseal(clinic)
    now = await clinic.read("Observation/dose")
    assert isinstance(now, bytes)
    assert b'"value":1.0e3,' in now


async def test_the_leaked_key_opens_nothing_that_is_written_after_resealing(clinic: Clinic) -> None:
    await reseal(clinic)
    await clinic.put("Patient/1", name=family("Ann again"))
    assert (await clinic.raw.revisions.find_one({"_id": "Patient/1/5"}))["key"] == "Patient/1#2"


async def test_an_erased_patient_is_not_resealed(clinic: Clinic) -> None:
    await destroy_key(clinic.keyring, "1", clinic.now())
    with pytest.raises(Gone):
        await reseal(clinic)


async def test_resealing_while_others_write_leaves_nothing_under_the_old_key(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.mongo.rotation.BATCH", 2)
    for number in range(6):
        await clinic.put(f"Observation/more-{number}", subject={"reference": "Patient/1"})

    async def write() -> None:
        for number in range(10):
            await clinic.put(f"Observation/more-{number % 6}", subject={"reference": "Patient/1"}, status=str(number))

    writing = asyncio.create_task(write())
    await reseal(clinic)
    await writing
    old = {"patient": "1", "deleted": False, "key": "Patient/1#1"}
    assert await clinic.raw.resources.count_documents(old) == 0
    assert await clinic.findings() == []
