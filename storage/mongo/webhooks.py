"""`domain.clinic.notice_ports.Webhooks` on MongoDB. An address may carry a password and the secret signs: both are sealed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.clinic.notice_ports import Webhook
from domain.errors import Conflict
from storage.crypto.keys import DIRECTORY, Keyring
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Database, Document
from storage.mongo.failures import translated
from storage.mongo.notice_documents import WEBHOOKS

_SILENT = "The webhooks do not answer"
_secret = msgspec.msgpack.Decoder(tuple[str, str])


class MongoWebhooks:
    """The webhooks of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._rows = database[WEBHOOKS]
        self._keyring = keyring

    async def add(self, webhook: Webhook, *, most: int) -> None:
        """See `domain.clinic.notice_ports.Webhooks.add`. Two at once may pass the limit by one: it guards against floods."""
        key = (await self._keyring.for_writing([DIRECTORY]))[DIRECTORY]
        with translated("The webhook could not be stored"):
            if await self._rows.count_documents({"owner": webhook.owner}, limit=most) >= most:
                raise Conflict("There are as many webhooks as one may have", reason="too_many_webhooks")
            await self._rows.insert_one(_document(webhook, key))

    async def find(self, webhook_id: str) -> Webhook | None:
        with translated(_SILENT):
            found = await self._rows.find_one({"_id": webhook_id}, max_time_ms=READ_MS)
        return None if found is None else next(iter(await self._opened([found])), None)

    async def all(self, owner: str | None = None) -> Sequence[Webhook]:
        wanted = {} if owner is None else {"owner": owner}
        with translated(_SILENT):
            rows = await self._rows.find(wanted, sort=[("_id", 1)], max_time_ms=READ_MS).to_list()
        return await self._opened(rows)

    async def remove(self, webhook_id: str) -> bool:
        with translated("The webhook could not be removed"):
            return (await self._rows.delete_one({"_id": webhook_id})).deleted_count > 0

    async def _opened(self, rows: Sequence[Document]) -> list[Webhook]:
        keys = await self._keyring.for_reading({row["key"] for row in rows})
        return [_webhook(row, keys[row["key"]]) for row in rows if row["key"] in keys]


def _document(webhook: Webhook, key: SealingKey) -> Document:
    sealed = seal(key, _place(webhook.id), msgspec.msgpack.encode((webhook.url, webhook.secret)))
    return {
        "_id": webhook.id,
        "owner": webhook.owner,
        "person": webhook.person,
        "types": list(webhook.types),
        "events": list(webhook.events),
        "created": webhook.created,
        "key": key.id,
        "sealed": sealed,
    }


def _webhook(row: Document, key: SealingKey) -> Webhook:
    url, secret = _secret.decode(open_sealed(key, _place(row["_id"]), row["sealed"]))
    return Webhook(
        id=row["_id"],
        url=url,
        secret=secret,
        owner=row["owner"],
        person=row["person"],
        created=row["created"],
        types=tuple(row["types"]),
        events=tuple(row["events"]),
    )


def _place(webhook_id: str) -> str:
    return place(f"{WEBHOOKS}/{webhook_id}")
