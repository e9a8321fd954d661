"""Documents as the bytes MongoDB keeps: the hash chains are over bytes, so who checks them must not decode first."""

from __future__ import annotations

from datetime import UTC
from typing import Any, cast

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern

from storage.mongo.client import Database

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument, tz_aware=True, tzinfo=UTC)


def stored_bytes(
    database: Database, collection: str, read_concern: ReadConcern | None = None
) -> AsyncCollection[RawBSONDocument]:
    """The collection, each document of it with its `raw` bytes; fields are decoded when asked for."""
    found: Any = database.get_collection(collection, codec_options=cast(Any, _RAW), read_concern=read_concern)
    return cast("AsyncCollection[RawBSONDocument]", found)
