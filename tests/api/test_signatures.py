"""Signing keys shared through the database: `api/signatures.py` and `storage/mongo/signing_keys.py`"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import bson
import jwt
import pytest

from api.settings import Settings
from api.signatures import Signatures
from api.wiring import Opened, opened
from domain.errors import Unavailable
from domain.signing import RENEWED_AFTER, KeyRow
from storage.mongo.signing_keys import MongoSigningKeys


class Clock:
    now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


def signatures(parts: Opened, clock: Clock) -> Signatures:
    """Another process over the same database."""
    return Signatures(MongoSigningKeys(parts.database, parts.keyring), clock)


async def test_processes_that_start_at_once_agree_on_one_key(settings: Settings) -> None:
    clock = Clock()
    async with opened(settings) as parts:
        await parts.database["signing_keys"].delete_many({})
        processes = [signatures(parts, clock) for _ in range(6)]
        await asyncio.gather(*[each.start() for each in processes])
        sets = [each.key_set()["keys"] for each in processes]
        assert all(found == sets[0] for found in sets)
        token = processes[0].sign("access", {"sub": "ana"}, kind="at+jwt")
        kid = jwt.get_unverified_header(token)["kid"]
        assert jwt.decode(token, processes[5].public("access", kid), algorithms=["EdDSA"]) == {"sub": "ana"}


async def test_what_was_signed_is_believed_across_a_rotation_by_every_process(settings: Settings) -> None:
    clock = Clock()
    async with opened(settings) as parts:
        await parts.database["signing_keys"].delete_many({})
        one, two = signatures(parts, clock), signatures(parts, clock)
        await one.start()
        await two.start()
        before = jwt.get_unverified_header(one.sign("access", {}, kind="at+jwt"))["kid"]
        clock.now += RENEWED_AFTER
        await one.start()
        assert jwt.get_unverified_header(one.sign("access", {}, kind="at+jwt"))["kid"] == before
        await two.start()
        clock.now += timedelta(minutes=6)
        after = jwt.get_unverified_header(one.sign("access", {}, kind="at+jwt"))["kid"]
        assert after != before
        assert two.public("access", after) is not None
        assert two.public("access", before) is not None
        clock.now += timedelta(days=1)
        assert two.public("access", before) is None


async def test_revoked_keys_are_gone_from_every_process_and_replaced(settings: Settings) -> None:
    clock = Clock()
    async with opened(settings) as parts:
        one = signatures(parts, clock)
        await one.ensure("id")
        old = {jwk["kid"] for jwk in one.key_set()["keys"]}
        await MongoSigningKeys(parts.database, parts.keyring).revoke(clock.now)
        await one.start()
        await one.ensure("id")
        new = {jwk["kid"] for jwk in one.key_set()["keys"]}
        assert len(old) == len(new) == 2
        assert old.isdisjoint(new)


async def test_the_key_set_holds_no_private_member_and_the_database_no_readable_key(settings: Settings) -> None:
    async with opened(settings) as parts:
        one = signatures(parts, Clock())
        await one.ensure("id")
        for jwk in one.key_set()["keys"]:
            assert {"d", "p", "q", "dp", "dq", "qi"}.isdisjoint(jwk)
            assert {"kid", "alg", "use", "kty"} <= set(jwk)
        for row in await MongoSigningKeys(parts.database, parts.keyring).all():
            stored = await parts.database["signing_keys"].find_one({"kid": row.id})
            assert stored is not None
            assert row.private[-32:] not in bson.encode(stored)


async def test_an_identity_key_signs_no_access_token(settings: Settings) -> None:
    async with opened(settings) as parts:
        one = signatures(parts, Clock())
        await one.ensure("id")
        kid = jwt.get_unverified_header(one.sign("id", {}, kind="JWT"))["kid"]
        assert one.public("id", kid) is not None
        assert one.public("access", kid) is None


async def test_without_a_key_nothing_is_signed() -> None:
    class Nothing:
        async def all(self) -> list[KeyRow]:
            return []

        async def add(self, key: KeyRow) -> bool:
            return False

        async def revoke(self, at: datetime) -> int:
            return 0

    with pytest.raises(Unavailable):
        Signatures(Nothing(), Clock()).sign("access", {}, kind="at+jwt")
