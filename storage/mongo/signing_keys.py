"""`domain.signing.SigningKeys` on MongoDB: each private key sealed, so that the database alone signs nothing.

In the database and not in a file, because every process and machine of an installation must sign and verify alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from pymongo.errors import DuplicateKeyError

from domain.signing import KeyRow
from storage.crypto.keys import DIRECTORY, Keyring
from storage.crypto.sealing import open_sealed, place, seal
from storage.mongo.client import READ_MS, Database
from storage.mongo.failures import translated

SIGNING_KEYS = "signing_keys"
_SILENT = "The signing keys do not answer"


class SigningKeyDocument(TypedDict):
    """`signing_keys`: a key pair that signs tokens."""

    _id: str  # plain: use and number, unique so that two processes cannot make the same one
    use: str  # plain: access or id
    number: int  # plain: 1, 2, 3 …
    kid: str  # plain: fingerprint of the public key
    algorithm: str  # plain
    since: datetime  # plain: when it starts to sign
    revoked: datetime | None  # plain: not believed from then on
    key: str  # plain: id of the key that sealed the field below
    sealed: bytes  # sealed at "chartvault/1|signing_keys/<_id>": the private key


class MongoSigningKeys:
    """The signing keys of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._keys = database[SIGNING_KEYS]
        self._keyring = keyring

    async def all(self) -> Sequence[KeyRow]:
        """See `domain.signing.SigningKeys.all`."""
        with translated(_SILENT):
            rows = await self._keys.find({}, max_time_ms=READ_MS).to_list()
        opening = await self._keyring.for_reading([row["key"] for row in rows])
        return [
            KeyRow(
                use=row["use"],
                number=row["number"],
                id=row["kid"],
                algorithm=row["algorithm"],
                private=open_sealed(opening[row["key"]], _place(row["_id"]), row["sealed"]),
                since=row["since"],
                revoked=row["revoked"],
            )
            for row in rows
            if row["key"] in opening
        ]

    async def add(self, key: KeyRow) -> bool:
        """See `domain.signing.SigningKeys.add`."""
        name = f"{key.use}-{key.number}"
        sealing = (await self._keyring.for_writing([DIRECTORY]))[DIRECTORY]
        document = SigningKeyDocument(
            _id=name,
            use=key.use,
            number=key.number,
            kid=key.id,
            algorithm=key.algorithm,
            since=key.since,
            revoked=None,
            key=sealing.id,
            sealed=seal(sealing, _place(name), key.private),
        )
        with translated(_SILENT):
            try:
                await self._keys.insert_one(dict(document))
            except DuplicateKeyError:
                return False
        return True

    async def revoke(self, at: datetime) -> int:
        with translated(_SILENT):
            done = await self._keys.update_many({"revoked": None}, {"$set": {"revoked": at}})
        return done.modified_count


def _place(name: str) -> str:
    return place(f"{SIGNING_KEYS}/{name}")
