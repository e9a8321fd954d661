"""Start-up refuses a database that may lose what it acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from domain.errors import Unavailable
from storage.mongo.client import Client, answers, connect, data_database, objection_to, require_safe
from tests.storage.mongo.failpoints import Admin, failing

MEMBER = {"setName": "rs0", "hosts": ["a:1", "b:1", "c:1"]}


async def test_a_replica_set_with_default_concerns_is_accepted(client: Client) -> None:
    await require_safe(client)
    assert await answers(client)


@pytest.mark.parametrize(
    ("hello", "default", "objection"),
    [
        (MEMBER, {}, None),
        (MEMBER, {"w": "majority", "wtimeout": 0}, None),
        ({"msg": "isdbgrid"}, {}, None),
        ({}, {}, "standalone"),
        ({**MEMBER, "arbiters": ["d:1"]}, {}, "arbiter"),
        (MEMBER, {"w": 1, "wtimeout": 0}, "majority"),
        (MEMBER, {"w": 2}, "majority"),
    ],
)
def test_what_is_refused_is_named(hello: dict[str, Any], default: dict[str, Any], objection: str | None) -> None:
    said = objection_to(hello, default)
    assert (said is None) == (objection is None)
    assert objection is None or (said is not None and objection in said)


async def test_a_cluster_whose_default_write_concern_is_one_is_refused(client: Client, mongo_admin: Admin) -> None:
    mongo_admin.admin.command("setDefaultRWConcern", 1, defaultWriteConcern={"w": 1, "wtimeout": 0})
    try:
        with pytest.raises(Unavailable, match="default write concern"):
            await require_safe(client)
    finally:
        mongo_admin.admin.command("setDefaultRWConcern", 1, defaultWriteConcern={"w": "majority", "wtimeout": 0})


@pytest.mark.parametrize("w", ["0", "1", "2"])
async def test_an_address_that_asks_for_less_is_refused(mongo_uri: str, w: str) -> None:
    client = connect(f"{mongo_uri}{'&' if '?' in mongo_uri else '/?'}w={w}")
    with pytest.raises(Unavailable, match="majority"):
        await require_safe(client)
    await client.close()


async def test_an_account_that_may_not_ask_for_the_default_is_accepted(client: Client, mongo_admin: Admin) -> None:
    with failing(mongo_admin, "getDefaultRWConcern", errorCode=13):
        await require_safe(client)


async def test_every_operation_names_its_concerns_and_times_are_in_utc(client: Client, database: str) -> None:
    data = data_database(client, database)
    assert data.write_concern.document == {"w": "majority", "j": True, "wtimeout": 10_000}
    assert data.read_concern.document == {"level": "majority"}
    assert data.codec_options.tz_aware
