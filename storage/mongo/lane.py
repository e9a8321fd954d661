"""Hot commands with little around them: a connection that stays with one batcher, and messages written to it directly.

PyMongo's way to send a command (select, check out, a session, two tasks for each answer, check in) costs this process about 250
us, the command itself 30. So a lane takes a connection from PyMongo's pool, authenticated and encrypted as all are, and
keeps it: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg.

Invariants: a command goes to the primary; the connection goes back as soon as PyMongo has news of the servers, and any trouble
with it is reported to PyMongo before it is used again; what may be repeated is repeated once, an insert with the number that
lets the server carry it out once (https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md).
NOTE: `_Held` and `Lane._take` use parts of PyMongo that it does not promise to keep; `pyproject.toml` bounds its version.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import bson
from bson.binary import UUID_SUBTYPE, Binary
from bson.int64 import Int64
from pymongo.asynchronous.mongo_client import _ClientCheckout
from pymongo.asynchronous.pool import AsyncConnection
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ProtocolError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)
from pymongo.topology_description import TopologyDescription

from storage.mongo.client import COMMITTED, DURABLE, Database, Document

ANSWER_SECONDS = 30.0
"""As `socketTimeoutMS` of the client."""
_OP_MSG = 2013
_ROWS = 2_000
_HEADER = struct.Struct("<iiiiIB").pack
_SEQUENCE = struct.Struct("<Bi").pack
_DOCUMENTS = b"documents\0"
_ANSWER = struct.Struct("<IBi")
_NOT_PRIMARY = frozenset({189, 91, 10058, 10107, 11600, 11602, 13435, 13436})
_PASSING = frozenset({6, 7, 89, 134, 262, 391, 9001})
"""Errors after which the same command may be answered, besides those of a server that is not the primary (any more)."""
_numbers = itertools.cycle(range(1, 2**31 - 1))


class _Held(NamedTuple):
    """A connection out of the pool, and what PyMongo knew of the servers then."""

    checkout: _ClientCheckout
    connection: AsyncConnection
    topology: TopologyDescription


class Lane:
    """Commands on one database, one at a time. `close` it before the client."""

    def __init__(self, database: Database, *, zoned: bool = True) -> None:
        """Without `zoned`, times come without their zone, UTC: attaching it costs a third of decoding a resource."""
        self._client = database.client
        self._database = database.name
        codec = database.codec_options
        self._codec = codec if zoned else codec.with_options(tz_aware=False, tzinfo=None)
        self._held: _Held | None = None
        self._session = {"id": Binary(uuid.uuid4().bytes, UUID_SUBTYPE)}
        self._writes = 0

    async def close(self) -> None:
        """Give the connection back."""
        held, self._held = self._held, None
        if held is not None:
            await held.checkout.__aexit__(None, None, None)

    async def find(
        self, collection: str, filter: Document, fields: Mapping[str, Any], **options: Any
    ) -> list[Document]:
        """Everything a `find` selects, https://www.mongodb.com/docs/v6.0/reference/command/find/: with `limit`, `sort`, `hint`
        and so on among the options. Raises PyMongo's errors."""
        command = {"find": collection, "filter": filter, "projection": fields, **options}
        if "limit" in options:
            command["batchSize"] = options["limit"]
        return await self._rows(command, collection)

    async def aggregate(self, collection: str, pipeline: Sequence[Document], **options: Any) -> list[Document]:
        """Everything that comes out of a pipeline. Raises PyMongo's errors."""
        command = {"aggregate": collection, "pipeline": pipeline, "cursor": {"batchSize": _ROWS}, **options}
        return await self._rows(command, collection)

    async def insert(self, collection: str, documents: Sequence[bytes]) -> None:
        """Insert documents that are BSON already, durably and in order, up to 40 MB. Raises PyMongo's errors."""
        self._writes += 1
        command = {
            "insert": collection,
            "writeConcern": DURABLE.document,
            "lsid": self._session,
            "txnNumber": Int64(self._writes),
        }
        answer = await self._answer(self._body(command, documents))
        if "writeErrors" in answer:
            raise BulkWriteError({**answer, "writeConcernErrors": []})

    async def _rows(self, command: Document, collection: str) -> list[Document]:
        command["readConcern"] = COMMITTED.document
        cursor = (await self._answer(self._body(command)))["cursor"]
        rows: list[Document] = cursor["firstBatch"]
        while cursor["id"]:
            # Never twice: what was sent the first time would be left out.
            more = self._body({"getMore": Int64(cursor["id"]), "collection": collection})
            cursor = (await self._once(more))["cursor"]
            rows += cursor["nextBatch"]
        return rows

    def _body(self, command: Document, documents: Sequence[bytes] = ()) -> bytes:
        """A command as the sections of a message."""
        command["$db"] = self._database
        encoded = bson.encode(command)
        if not documents:
            return encoded
        size = 4 + len(_DOCUMENTS) + sum(map(len, documents))
        return b"".join((encoded, _SEQUENCE(1, size), _DOCUMENTS, *documents))

    async def _answer(self, body: bytes) -> Document:
        """The answer to a command; asked once more where that may help."""
        try:
            return await self._once(body)
        except ServerSelectionTimeoutError:
            raise
        except AutoReconnect:
            pass
        except OperationFailure as error:
            if error.code not in _PASSING and not error.has_error_label("RetryableWriteError"):
                raise
        return await self._once(body)

    async def _once(self, body: bytes) -> Document:
        held = self._held
        if held is None or held.topology is not self._client.topology_description:
            held = await self._take()
        number = next(_numbers)
        try:
            raw = await _exchange(held.connection, _HEADER(21 + len(body), number, 0, _OP_MSG, 0, 0) + body, number)
            answer: Document = bson.decode(raw, codec_options=self._codec)
            _require_done(answer)
        except WriteConcernError:
            raise
        except OperationFailure as error:
            if error.code in _PASSING:
                await self._drop(held, error)
            raise
        except BaseException as error:
            await self._drop(held, error)
            raise
        return answer

    async def _take(self) -> _Held:
        """A connection to the primary; the one held so far goes back, where PyMongo decides whether it is still good."""
        await self.close()
        topology = self._client.topology_description
        checkout = await self._client._conn_for_writes(None, "lane")
        self._held = _Held(checkout, await checkout.__aenter__(), topology)
        return self._held

    async def _drop(self, held: _Held, error: BaseException) -> None:
        """Close a connection that is not good for more, and let PyMongo draw its conclusions."""
        self._held = None
        await held.connection.close_conn(None)
        await held.checkout.__aexit__(type(error), error, error.__traceback__)


async def _exchange(connection: AsyncConnection, message: bytes, number: int) -> memoryview:
    """Send a message and wait for the document that answers it. Raises what PyMongo would."""
    protocol = connection.conn.get_conn
    # Closing it wakes who waits, with this error: a fifth of the price of a timeout around the wait.
    patience = asyncio.get_running_loop().call_later(ANSWER_SECONDS, protocol.close, TimeoutError("timed out"))
    try:
        await protocol.write(message)
        data, code = await protocol.read(number, connection.max_message_size)
    except TimeoutError as error:
        raise NetworkTimeout(str(error)) from None
    except OSError as error:
        raise AutoReconnect(str(error)) from None
    finally:
        patience.cancel()
    flags, kind, size = _ANSWER.unpack_from(data)
    if code != _OP_MSG or flags or kind or len(data) != size + 5:
        raise ProtocolError("The database answered in a form that was not asked for")
    return memoryview(data)[5:]


def _require_done(answer: Document) -> None:
    """Raise what a command failed with."""
    code = answer.get("code")
    if not answer.get("ok"):
        text = answer.get("errmsg", "")
        raise NotPrimaryError(text, answer) if code in _NOT_PRIMARY else OperationFailure(text, code, answer)
    failure = answer.get("writeConcernError")
    if failure is not None:
        labels = {"errorLabels": answer.get("errorLabels", [])}
        raise WriteConcernError(failure.get("errmsg"), failure.get("code"), {**failure, **labels})
