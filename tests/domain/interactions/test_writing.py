"""Races: a plan that was overtaken is made again, and never shows its loser more than a rule that is really broken."""

import asyncio
from typing import Any

import pytest

from domain.errors import AmbiguousMatch, Contention, Forbidden, InvalidRequest, NotFound, RepeatedKey, VersionConflict
from domain.identity import ResourceKey
from domain.interactions import writing
from domain.interactions.create import create
from domain.interactions.delete import conditional_delete, delete
from domain.interactions.parts import Occasion, Parts, Retryable
from domain.interactions.patch import PatchBody, conditional_patch, patch
from domain.interactions.read import read
from domain.interactions.update import conditional_update, update
from domain.revision import Write
from storage.memory.audit import MemoryAuditTrail

KEY = ResourceKey("Patient", "p1")
BODY = {"resourceType": "Patient", "id": "p1", "active": True}
MRN = [("identifier", "urn:mrn|1")]
WITH_MRN = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "1"}]}


async def overtaking(parts: Parts, monkeypatch: pytest.MonkeyPatch, meanwhile: Any, times: int = 1) -> list[int]:
    """Let `meanwhile` happen just before the next `times` commits; returns a list that grows with each commit tried."""
    commit, tried = parts.store.commit, []

    async def slow_commit(write: Write) -> None:
        tried.append(len(tried))
        if len(tried) <= times:
            monkeypatch.setattr(parts.store, "commit", commit)
            await meanwhile(len(tried))
            monkeypatch.setattr(parts.store, "commit", slow_commit)
        await commit(write)

    monkeypatch.setattr(parts.store, "commit", slow_commit)
    return tried


async def test_an_update_that_was_overtaken_builds_on_the_winner(
    parts: Parts, asked: Occasion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await update(parts, asked, KEY, BODY)

    async def other(turn: int) -> None:
        await update(parts, asked, KEY, {**BODY, "gender": "male"})

    tried = await overtaking(parts, monkeypatch, other)
    answer = await update(parts, asked, KEY, {**BODY, "active": False})
    assert answer.head is not None
    assert (answer.head.version, len(tried)) == (3, 2)


async def test_an_update_with_if_match_that_was_overtaken_is_refused(
    parts: Parts, asked: Occasion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await update(parts, asked, KEY, BODY)

    async def other(turn: int) -> None:
        await update(parts, asked, KEY, {**BODY, "gender": "male"})

    await overtaking(parts, monkeypatch, other)
    with pytest.raises(VersionConflict):
        await update(parts, asked, KEY, {**BODY, "active": False}, if_match=frozenset({"1"}))
    assert b"male" in ((await read(parts, asked, KEY)).content or b"")


async def test_a_conditional_create_that_was_overtaken_finds_the_winner(
    parts: Parts, asked: Occasion, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def other(turn: int) -> None:
        await create(parts, asked, "Patient", dict(WITH_MRN), MRN)

    await overtaking(parts, monkeypatch, other)
    answer = await create(parts, asked, "Patient", dict(WITH_MRN), MRN)
    assert (answer.status, str(answer.head.key) if answer.head else "") == (200, "Patient/new-2")


async def test_a_writer_that_keeps_losing_gives_up_without_storing(
    parts: Parts, asked: Occasion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await update(parts, asked, KEY, BODY)
    monkeypatch.setattr(writing, "GIVE_UP_SECONDS", 0.05)

    async def other(turn: int) -> None:
        await update(parts, asked, KEY, {**BODY, "multipleBirthInteger": turn})

    await overtaking(parts, monkeypatch, other, times=10_000)
    with pytest.raises(Contention):
        await update(parts, asked, KEY, {**BODY, "active": False})
    assert b'"active":true' in ((await read(parts, asked, KEY)).content or b"")


async def test_writers_of_one_resource_lose_once_and_then_have_their_turn(
    parts: Parts, asked: Occasion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await update(parts, asked, KEY, BODY)
    commit, tried = parts.store.commit, []

    async def slow_commit(write: Write) -> None:
        tried.append(write)
        await asyncio.sleep(0.001)
        await commit(write)

    monkeypatch.setattr(parts.store, "commit", slow_commit)
    await asyncio.gather(*(update(parts, asked, KEY, {**BODY, "multipleBirthInteger": n}) for n in range(20)))
    assert len(tried) <= 40


async def test_a_turn_that_somebody_keeps_too_long_is_not_waited_for(
    parts: Parts, asked: Occasion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await update(parts, asked, KEY, BODY)
    monkeypatch.setattr(writing, "GIVE_UP_SECONDS", 0.05)

    async def other(turn: int) -> None:
        await update(parts, asked, KEY, {**BODY, "gender": "male"})

    await overtaking(parts, monkeypatch, other)
    kept = writing._TURNS.setdefault(str(KEY), asyncio.Lock())
    async with kept:
        answer = await asyncio.wait_for(update(parts, asked, KEY, {**BODY, "active": False}), 10)
    assert answer.head is not None
    assert answer.head.version == 3


async def test_a_repeated_request_is_answered_from_its_receipt(parts: Parts, asked: Occasion) -> None:
    once = Occasion(asked.caller, "r1", "create", retryable=Retryable("k", b"f"))
    first = await create(parts, once, "Patient", {"resourceType": "Patient"})
    again = await create(parts, once, "Patient", {"resourceType": "Patient"})
    assert (again.status, again.content) == (201, first.content)
    other = Occasion(asked.caller, "r1", "create", retryable=Retryable("k", b"other"))
    with pytest.raises(RepeatedKey):
        await create(parts, other, "Patient", {"resourceType": "Patient"})


async def test_the_receipt_of_a_deletion_has_no_content(parts: Parts, asked: Occasion) -> None:
    await update(parts, asked, KEY, BODY)
    once = Occasion(asked.caller, "r1", "delete", retryable=Retryable("k", b"f"))
    assert [(await delete(parts, once, KEY)).content for _ in range(2)] == [None, None]
    nothing = Occasion(asked.caller, "r1", "delete", retryable=Retryable("n", b"f"))
    assert [(await delete(parts, nothing, ResourceKey("Patient", "none"))).status for _ in range(2)] == [204, 204]


async def test_each_interaction_needs_its_right(parts: Parts, asked: Occasion) -> None:
    nobody = Occasion(type(asked.caller)("ann", "app", "t", {}), "r", "x")
    body = PatchBody(b"[]", "application/json-patch+json")
    for attempt in (
        lambda: create(parts, nobody, "Patient", {}),
        lambda: update(parts, nobody, KEY, BODY),
        lambda: conditional_update(parts, nobody, "Patient", BODY, MRN),
        lambda: patch(parts, nobody, KEY, body),
        lambda: conditional_patch(parts, nobody, "Patient", body, MRN),
        lambda: delete(parts, nobody, KEY),
        lambda: conditional_delete(parts, nobody, "Patient", MRN),
        lambda: read(parts, nobody, KEY),
    ):
        with pytest.raises(Forbidden):
            await attempt()


async def test_a_conditional_update_never_takes_over_a_stranger(parts: Parts, asked: Occasion) -> None:
    await update(parts, asked, KEY, BODY)
    with pytest.raises(InvalidRequest):
        await conditional_update(parts, asked, "Patient", {**WITH_MRN, "id": "p1"}, MRN)


async def test_a_conditional_write_on_several_or_none_is_refused(parts: Parts, asked: Occasion) -> None:
    with pytest.raises(NotFound):
        await conditional_delete(parts, asked, "Patient", MRN)
    for _ in range(2):
        await create(parts, asked, "Patient", dict(WITH_MRN))
    with pytest.raises(AmbiguousMatch):
        await conditional_delete(parts, asked, "Patient", MRN)


async def test_a_patch_cannot_change_what_a_resource_is(parts: Parts, asked: Occasion) -> None:
    await update(parts, asked, KEY, BODY)
    for path, value in (("/id", '"x"'), ("/resourceType", '"Person"')):
        document = f'[{{"op":"replace","path":"{path}","value":{value}}}]'.encode()
        with pytest.raises(InvalidRequest):
            await patch(parts, asked, KEY, PatchBody(document, "application/json-patch+json"))


async def test_the_audit_names_every_version_that_a_write_makes(parts: Parts, asked: Occasion) -> None:
    attachment = {"contentType": "text/plain", "data": "bGV0dGVy"}
    answer = await create(
        parts,
        asked,
        "DocumentReference",
        {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}]},
    )
    assert isinstance(parts.trail, MemoryAuditTrail)
    (entry,) = parts.trail.entries
    assert entry.targets[0] == answer.targets[0]
    assert [name.split("/")[0] for name in entry.targets] == ["DocumentReference", "Binary"]
