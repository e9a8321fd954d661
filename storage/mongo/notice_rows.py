"""A notice as a row of `notices` and back; rows are written by the transaction of their cause (`statements.py`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from bson.raw_bson import RawBSONDocument

from domain.clinic.notice_ports import Told
from domain.errors import IntegrityFailure
from domain.notices import Notice, While
from storage.crypto.keys import Keyring, patient_owner
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import Document
from storage.mongo.documents import encode_document
from storage.mongo.notice_documents import NOTICES, WAITING

KEPT = timedelta(days=400)
"""How long after it was due a notice stays in the list."""


class _Said(msgspec.Struct, frozen=True, array_like=True):
    about: tuple[str, ...]
    values: dict[str, str]
    while_: While | None


_said = msgspec.msgpack.Decoder(_Said)


def row_id(keyring: Keyring, notice_id: str) -> str:
    """Under which id a notice is kept: the same for the same cause, and nothing can be read from it."""
    return keyring.service.name_hash("notice", notice_id).hex()


def notice_rows(
    notices: Sequence[Notice], keys: Mapping[str, SealingKey], keyring: Keyring
) -> tuple[tuple[str, bytes], ...]:
    """Id and encoded rest of each row. `keys` holds the key of each patient."""
    return tuple(_row(notice, keys[patient_owner(notice.patient)], keyring) for notice in notices)


def _row(notice: Notice, key: SealingKey, keyring: Keyring) -> tuple[str, bytes]:
    name = row_id(keyring, notice.id)
    said = msgspec.msgpack.encode(_Said(notice.about, notice.values, notice.while_))
    document: dict[str, Any] = {
        "kind": notice.kind,
        "recipients": notice.recipients,
        "patient": notice.patient,
        "due": notice.due,
        "state": WAITING,
        "shown": notice.while_ is None,
        "readers": [],
        "gone": notice.due + KEPT,
        "key": key.id,
        "sealed": seal(key, _place(name), said),
    }
    return name, encode_document(document)


def upserts(rows: Sequence[tuple[str, bytes]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The updates that store rows and leave those alone that are there: a cause that is written again tells once."""
    return [({"_id": name}, {"$setOnInsert": RawBSONDocument(document)}) for name, document in rows]


def opened(row: Document, key: SealingKey | None, reader: str) -> Told | None:
    """The notice a row holds; `None` when it cannot be opened any more, because of an erasure or damage."""
    if key is None:
        return None
    try:
        said = _said.decode(open_sealed(key, _place(row["_id"]), row["sealed"]))
    except IntegrityFailure:
        return None
    due: datetime = row["due"]
    notice = Notice(
        id=row["_id"],
        kind=row["kind"],
        recipients=tuple(row["recipients"]),
        due=due,
        patient=row["patient"],
        about=said.about,
        values=said.values,
        while_=said.while_,
    )
    return Told(id=row["_id"], notice=notice, number=row.get("number"), read=reader in row["readers"])


def _place(name: str) -> str:
    return place(f"{NOTICES}/{name}")
