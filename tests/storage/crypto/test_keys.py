"""The keyring as properties: one key per owner however many ask, one command per page, gone means gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient

from domain.errors import Gone, IntegrityFailure, Unavailable
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.master_key import MasterKey, UnsafeMasterKey, create_local_keys
from storage.crypto.sealing import SealingKey, open_sealed, seal

NOW = datetime(2026, 1, 31, tzinfo=UTC)
StartKeyring = Callable[..., Awaitable[Keyring]]


def same(one: SealingKey, other: SealingKey) -> bool:
    return one.id == other.id and open_sealed(other, "here", seal(one, "here", b"text")) == b"text"


def finds(commands: Any) -> int:
    return commands.sent.count(("find", "patient_keys"))


async def test_a_key_is_created_on_first_use_and_kept(start_keyring: StartKeyring) -> None:
    first = (await (await start_keyring()).for_writing(["Patient/1"]))["Patient/1"]
    later = (await (await start_keyring()).for_writing(["Patient/1"]))["Patient/1"]
    assert first.id == "Patient/1#1"
    assert same(first, later)


async def test_each_owner_has_a_key_of_its_own(keyring: Keyring) -> None:
    keys = await keyring.for_writing(["Patient/1", "Patient/2", "directory", "audit", "Patient/1"])
    assert list(keys) == ["Patient/1", "Patient/2", "directory", "audit"]
    for owner, key in keys.items():
        for other in keys:
            if other != owner:
                with pytest.raises(IntegrityFailure):
                    open_sealed(keys[other], "here", seal(key, "here", b"text"))


async def test_sixteen_racing_writers_create_one_key(start_keyring: StartKeyring, client: Any, database: str) -> None:
    keyrings = [await start_keyring() for _ in range(16)]
    made = await asyncio.gather(*(keyring.for_writing(["Patient/1", "Patient/2"]) for keyring in keyrings))
    for owner in ("Patient/1", "Patient/2"):
        assert all(same(made[0][owner], keys[owner]) for keys in made)
    assert await client[f"{database}_keys"].patient_keys.count_documents({"_id": "Patient/1"}) == 1


async def test_sixteen_callers_of_one_process_ask_once(keyring: Keyring, commands: Any) -> None:
    commands.sent.clear()
    made = await asyncio.gather(*(keyring.for_writing(["Patient/1"]) for _ in range(16)))
    assert len({id(keys["Patient/1"]) for keys in made}) == 1
    assert [name for name, where in commands.sent if where == "patient_keys"] == ["find", "insert", "find"]


async def test_sixteen_processes_start_at_once_on_an_empty_vault(
    start_keyring: StartKeyring, client: Any, database: str
) -> None:
    keyrings = await asyncio.gather(*(start_keyring() for _ in range(16)))
    assert await client[f"{database}_keys"].vault.count_documents({}) == 1
    assert len({keyring.service.link_secret for keyring in keyrings}) == 1
    assert len({keyring.service.public_key for keyring in keyrings}) == 1


async def test_a_page_of_keys_is_one_command(start_keyring: StartKeyring, commands: Any) -> None:
    owners = [f"Patient/{n}" for n in range(100)]
    ids = [key.id for key in (await (await start_keyring()).for_writing(owners)).values()]
    other = await start_keyring()
    commands.sent.clear()
    assert set(await other.for_reading(ids)) == set(ids)
    assert finds(commands) == 1
    assert await other.for_reading(ids) == {name: other.cached(name) for name in ids}
    assert finds(commands) == 1


async def test_a_cancelled_caller_does_not_take_the_key_from_the_others(keyring: Keyring) -> None:
    callers = [asyncio.create_task(keyring.for_writing(["Patient/1"])) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    done = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert all(isinstance(keys, dict) and keys["Patient/1"].id == "Patient/1#1" for keys in done[1:])


async def test_nothing_is_cached_before_and_everything_after_a_look_up(keyring: Keyring) -> None:
    assert keyring.cached("Patient/1#1") is None
    assert keyring.cached_for_writing("Patient/1") is None
    key = (await keyring.for_writing(["Patient/1"]))["Patient/1"]
    assert keyring.cached("Patient/1#1") is key
    assert keyring.cached_for_writing("Patient/1") is key
    keyring.forget("Patient/1")
    assert keyring.cached("Patient/1#1") is None


async def test_an_erased_key_is_unreadable_everywhere_after_the_ttl(start_keyring: StartKeyring, clock: Any) -> None:
    here, there = await start_keyring(), await start_keyring()
    await here.for_writing(["Patient/1"])
    await there.for_writing(["Patient/1"])
    await here.stored.erase("Patient/1", NOW)
    here.forget("Patient/1")
    assert await here.for_reading(["Patient/1#1"]) == {}
    clock.move(29.9)
    assert there.cached("Patient/1#1") is not None
    clock.move(0.1)
    assert there.cached("Patient/1#1") is None
    assert await there.for_reading(["Patient/1#1"]) == {}
    assert isinstance(there.why_absent("Patient/1#1"), Gone)


async def test_use_does_not_prolong_the_life_of_a_cached_key(keyring: Keyring, clock: Any) -> None:
    await keyring.for_writing(["Patient/1"])
    for _ in range(3):
        clock.move(10.0)
        await keyring.for_reading(["Patient/2#1"])
        keyring.cached("Patient/1#1")
    assert keyring.cached("Patient/1#1") is None


async def test_an_erased_owner_never_gets_a_key_again(keyring: Keyring, clock: Any) -> None:
    await keyring.for_writing(["Patient/1"])
    for owner in ("Patient/1", "Patient/never-had-one"):
        await keyring.stored.erase(owner, NOW)
        keyring.forget(owner)
        for _ in range(2):
            with pytest.raises(Gone):
                await keyring.for_writing([owner])
            with pytest.raises(Gone):
                await keyring.stored.add_generation(owner)
            clock.move(60)


async def test_an_erased_owner_of_a_batch_does_not_fail_the_others(keyring: Keyring) -> None:
    await keyring.stored.erase("Patient/1", NOW)
    keys = await keyring.writable(["Patient/1", "Patient/2"])
    assert isinstance(keys["Patient/1"], Gone)
    assert isinstance(keys["Patient/2"], SealingKey)


async def test_erasing_twice_keeps_the_first_time(keyring: Keyring, client: Any, database: str) -> None:
    await keyring.for_writing(["Patient/1"])
    await keyring.stored.erase("Patient/1", NOW)
    await keyring.stored.erase("Patient/1", datetime(2027, 1, 1, tzinfo=UTC))
    document = await client[f"{database}_keys"].patient_keys.find_one({"_id": "Patient/1"})
    assert document == {"_id": "Patient/1", "wrapped": [], "erased": NOW}


async def test_a_look_up_that_an_erasure_overtakes_is_not_remembered(keyring: Keyring) -> None:
    await keyring.for_writing(["Patient/1"])
    keyring.forget("Patient/1")
    reading = asyncio.create_task(keyring.for_reading(["Patient/1#1"]))
    await asyncio.sleep(0)
    keyring.forget("Patient/1")
    await reading
    assert keyring.cached("Patient/1#1") is None


async def test_the_cache_is_bounded(start_keyring: StartKeyring) -> None:
    keyring = await start_keyring(cached_owners=10)
    for n in range(30):
        await keyring.for_writing([f"Patient/{n}"])
    assert len(keyring._cache) == 10
    assert keyring.cached("Patient/0#1") is None
    assert keyring.cached("Patient/29#1") is not None


async def test_a_new_generation_seals_and_the_old_one_still_opens(start_keyring: StartKeyring, clock: Any) -> None:
    keyring, other = await start_keyring(), await start_keyring()
    old = (await keyring.for_writing(["Patient/1"]))["Patient/1"]
    await other.for_writing(["Patient/1"])
    assert await keyring.stored.add_generation("Patient/1") == 2
    clock.move(30)
    for ring in (keyring, other):
        assert (await ring.for_writing(["Patient/1"]))["Patient/1"].id == "Patient/1#2"
        assert same((await ring.for_reading(["Patient/1#1"]))["Patient/1#1"], old)


async def test_racing_generations_are_both_kept(start_keyring: StartKeyring) -> None:
    rings = [await start_keyring() for _ in range(4)]
    made = await asyncio.gather(*(ring.stored.add_generation("Patient/1") for ring in rings))
    assert sorted(made) == [2, 3, 4, 5]
    assert len((await rings[0].stored.find(["Patient/1"]))["Patient/1"].keys) == 5


@pytest.mark.parametrize("damage", ["flipped", "moved", "not a value", "no list", "no field"])
async def test_a_damaged_key_fails_its_own_entry_only(
    keyring: Keyring, client: AsyncMongoClient[dict[str, Any]], database: str, damage: str
) -> None:
    keys = client[f"{database}_keys"].patient_keys
    await keyring.for_writing(["Patient/1", "Patient/2", "Patient/3"])
    document = await keys.find_one({"_id": "Patient/1"}) or {}
    value = document["wrapped"][0]
    if damage == "flipped":
        wrapped: Any = value[:-1] + bytes([value[-1] ^ 1])
    elif damage == "moved":
        wrapped = ((await keys.find_one({"_id": "Patient/2"})) or {})["wrapped"][0]
    else:
        wrapped = "text"
    change = {"no list": {"$set": {"wrapped": 1}}, "no field": {"$unset": {"wrapped": 1, "erased": 1}}}
    await keys.update_one({"_id": "Patient/1"}, change.get(damage, {"$set": {"wrapped": [wrapped]}}))
    for owner in ("Patient/1", "Patient/2", "Patient/3"):
        keyring.forget(owner)
    found = await keyring.for_reading(["Patient/1#1", "Patient/2#1", "Patient/3#1"])
    assert sorted(found) == ["Patient/2#1", "Patient/3#1"]
    assert isinstance(keyring.why_absent("Patient/1#1"), IntegrityFailure)
    with pytest.raises(IntegrityFailure):
        await keyring.for_writing(["Patient/1"])


async def test_an_unknown_key_is_absent_and_not_said_to_be_erased(keyring: Keyring) -> None:
    assert await keyring.for_reading(["Patient/1#1", "nonsense", "Patient/1#7"]) == {}
    assert not isinstance(keyring.why_absent("Patient/1#1"), Gone)


async def test_without_the_key_database_nothing_is_sealed_or_opened(
    mongo_uri: str, master: MasterKey, database: str, mongo_admin: MongoClient[dict[str, Any]]
) -> None:
    async with AsyncMongoClient[dict[str, Any]](mongo_uri, retryReads=False) as client:
        keyring = await Keyring.start(client, master, database=f"{database}_keys")
        failing = {"failCommands": ["find"], "closeConnection": True, "namespace": f"{database}_keys.patient_keys"}
        mongo_admin.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=failing)
        try:
            for asking in (keyring.for_writing(["Patient/1"]), keyring.for_reading(["Patient/1#1"])):
                with pytest.raises(Unavailable):
                    await asking
        finally:
            mongo_admin.admin.command("configureFailPoint", "failCommand", mode="off")
        assert (await keyring.for_writing(["Patient/1"]))["Patient/1"].id == "Patient/1#1"
        await keyring.close()


async def test_a_kms_that_cannot_be_reached_means_unavailable(client: Any, database: str) -> None:
    aws = MasterKey(
        "aws",
        {"region": "eu-central-1", "key": "arn:aws:kms:eu-central-1:1:key/1", "endpoint": "127.0.0.1:1"},
        {"accessKeyId": "id", "secretAccessKey": "canary-credential"},
    )
    with pytest.raises(Unavailable) as caught:
        await Keyring.start(client, aws, database=f"{database}_keys")
    assert "canary" not in f"{caught.value!r} {aws!r}"


async def test_a_lost_master_key_is_not_silently_replaced(start_keyring: StartKeyring, master: MasterKey) -> None:
    await start_keyring()
    master.path.unlink()
    with pytest.raises(UnsafeMasterKey, match="missing"):
        await start_keyring()
    assert not master.path.exists()


async def test_another_master_key_opens_nothing(start_keyring: StartKeyring, master: MasterKey) -> None:
    await start_keyring()
    master.path.unlink()
    create_local_keys(master.path)
    with pytest.raises(Unavailable):
        await start_keyring()


async def test_production_refuses_the_local_key_file(start_keyring: StartKeyring, master: MasterKey) -> None:
    with pytest.raises(UnsafeMasterKey, match="KMS"):
        await start_keyring(production=True)
    assert not master.path.exists()


async def test_a_keyring_shows_nothing(keyring: Keyring) -> None:
    await keyring.for_writing(["Patient/1"])
    shown = f"{keyring.service!r} {keyring._cache!r} {await keyring.for_reading(['Patient/1#1'])!r}"
    assert shown == "ServiceKeys(…) KeyCache(4 owners) {'Patient/1#1': SealingKey(Patient/1#1)}"


async def test_no_secret_is_stored_in_clear(keyring: Keyring, client: Any, database: str) -> None:
    await keyring.for_writing(["Patient/1"])
    link = keyring.service.link_secret
    for collection in await client[f"{database}_keys"].list_collection_names():
        async for raw in client[f"{database}_keys"][collection].find():
            assert link not in repr(raw).encode()
            assert all(len(value) > 60 for value in raw.get("wrapped", ()))


def test_the_owner_of_a_resource_is_its_patient_or_the_directory() -> None:
    assert (patient_owner("7"), patient_owner(None)) == ("Patient/7", "directory")
