"""The connection: explicit concerns and limits on everything, and a refusal to run on a database that may lose writes.

Every handle handed out here reads `majority` and writes `majority, j:true`: what was acknowledged survives a failover,
and what was read was acknowledged. https://www.mongodb.com/docs/manual/reference/write-concern/
The defaults of the URI and of the cluster never decide; where they contradict, start-up ends with a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, TypeAlias

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from domain.errors import Unavailable
from storage.mongo.failures import translated

Document: TypeAlias = dict[str, Any]
Client: TypeAlias = AsyncMongoClient[Document]
Database: TypeAlias = AsyncDatabase[Document]
Collection: TypeAlias = AsyncCollection[Document]

DURABLE = WriteConcern(w="majority", j=True, wtimeout=10_000)
COMMITTED = ReadConcern("majority")
SNAPSHOT = ReadConcern("snapshot")
CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)

APPLICATION = "chartvault"
"""How our connections name themselves to the server."""

READ_MS = 5_000
"""`maxTimeMS` of lookups by id; searches and histories have their own, see `MongoRevisionStore`."""


def connect(uri: str, *, pool_size: int = 100) -> Client:
    """A client of the cluster; nothing is sent yet. Times out: connect 2 s, server selection 4 s, an answer 30 s.

    A server that says nothing for 5 s (heartbeat and connect) is given up, and what waits for it ends: with the default
    heartbeat of 10 s a request took 20 s to be answered 503, and its audit entry is a second wait.
    """
    return AsyncMongoClient(
        uri,
        appname=APPLICATION,
        connectTimeoutMS=2_000,
        heartbeatFrequencyMS=3_000,
        serverSelectionTimeoutMS=4_000,
        socketTimeoutMS=30_000,
        waitQueueTimeoutMS=10_000,
        maxPoolSize=pool_size,
        retryWrites=True,
        retryReads=True,
    )


def data_database(client: Client, name: str) -> Database:
    """The database `name` with our codecs and concerns."""
    return client.get_database(
        name,
        codec_options=CODEC,
        read_preference=ReadPreference.PRIMARY,
        write_concern=DURABLE,
        read_concern=COMMITTED,
    )


async def require_safe(client: Client) -> None:
    """Raise `Unavailable`, with what to do about it, when acknowledged writes could be lost here.

    Refused: a standalone server (no transactions), a replica set with an arbiter (majority can be one data copy), a
    write concern below majority in the URI or as the cluster's default.
    """
    if client.write_concern.document.get("w", "majority") != "majority":
        raise Unavailable("The MongoDB address asks for w other than majority: remove it, writes could be lost")
    with translated("MongoDB does not answer"):
        hello = await client.admin.command("hello")
        default = await _default_write_concern(client)
    objection = objection_to(hello, default)
    if objection is not None:
        raise Unavailable(objection)


def objection_to(hello: Mapping[str, Any], default: Mapping[str, Any]) -> str | None:
    """What is wrong with a cluster that answers so to `hello` and has this default write concern; `None` for nothing."""
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        return "MongoDB runs as a standalone server: start it as a replica set, one member is enough"
    if hello.get("arbiters"):
        return "The replica set has an arbiter: replace it by a member with data, writes could be lost"
    if default.get("w", "majority") != "majority":
        return "The cluster's default write concern is below majority: set it to majority"
    return None


async def _default_write_concern(client: Client) -> Document:
    try:
        answer = await client.admin.command("getDefaultRWConcern")
    except OperationFailure as error:
        # 13 Unauthorized: an account confined to its databases may not ask. Our writes name their concern anyway.
        if error.code == 13:
            return {}
        raise
    found: Document = answer.get("defaultWriteConcern", {})
    return found


async def answers(client: Client) -> bool:
    """Whether a primary answers a ping; never raises. For readiness probes."""
    try:
        await client.admin.command("ping", maxTimeMS=1_000)
    except PyMongoError:
        return False
    return True
