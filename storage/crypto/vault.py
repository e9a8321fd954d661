"""The vault: CSFLE data keys under the master key, used to wrap the keys that seal contents.

A wrapped key is a CSFLE value (random algorithm) of `32 bytes secret | key id`. The id inside makes it useless
elsewhere: CSFLE authenticates no context, so without it someone with write access could give one patient the key of
another and survive an erasure. Data keys carry the alternate name `chartvault-<n>`; the highest n wraps, all of them
unwrap.

One call costs 25-35 us of C code whatever the size, and threads do not help (MEASUREMENTS.md): long lists yield to
the event loop between slices instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any

from bson.binary import STANDARD, Binary
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.encryption import AsyncClientEncryption
from pymongo.errors import DuplicateKeyError, EncryptionError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from pymongocrypt.errors import MongoCryptError

from domain.errors import IntegrityFailure, Unavailable
from storage.crypto.master_key import (
    LocalKeys,
    MasterKey,
    UnsafeMasterKey,
    create_local_keys,
    read_local_keys,
)

Document = dict[str, Any]
Client = AsyncMongoClient[Document]
SECRET_BYTES = 32
SLICE = 64
"""Keys wrapped or unwrapped before the event loop gets a turn: about 2 ms."""
NEWEST_SECONDS = 60.0
"""How long a process may go on wrapping under a data key that `keys rotate` has replaced."""
COLLECTION = "vault"
_RANDOM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
_MAJORITY = WriteConcern("majority", j=True, wtimeout=10_000)


def durable(collection: AsyncCollection[Document]) -> AsyncCollection[Document]:
    """The collection with the concerns every key needs: what was read or written cannot be rolled back."""
    return collection.with_options(
        codec_options=CodecOptions(tz_aware=True, tzinfo=UTC),
        read_preference=ReadPreference.PRIMARY,
        read_concern=ReadConcern("majority"),
        write_concern=_MAJORITY,
    )


@contextmanager
def reaching_keys() -> Iterator[None]:
    """Turn a failure of database or KMS into `Unavailable`. Without keys nothing is read or written: fail closed."""
    try:
        yield
    except EncryptionError as error:
        if isinstance(error.cause, MongoCryptError):
            raise Unavailable("The master key cannot be used: KMS refusal, or the key of another vault") from error
        raise Unavailable("The key store does not answer") from error
    except PyMongoError as error:
        # Without the cause: a write error of the driver quotes the documents it was about.
        raise Unavailable(f"The key store does not answer ({type(error).__name__})") from None


class Vault:
    """Wraps and unwraps keys. `open` makes one; `close` ends it."""

    def __init__(self, client: Client, database: str, master: MasterKey, clock: Callable[[], float]) -> None:
        self._client = client
        self._master = master
        self._clock = clock
        self._namespace = f"{database}.{COLLECTION}"
        self.documents = durable(client[database][COLLECTION])
        self._local: LocalKeys | None = None
        self._csfle: AsyncClientEncryption[Document] | None = None
        self._replaced: list[AsyncClientEncryption[Document]] = []
        self._newest = Binary(b"", 4)
        self._checked = float("-inf")

    @classmethod
    async def open(
        cls, client: Client, database: str, master: MasterKey, *, clock: Callable[[], float] = time.monotonic
    ) -> Vault:
        """The vault of `database`, with index, master key file and data key made on first use.

        Raises `UnsafeMasterKey` when the vault has data keys but the local key file is gone, `Unavailable` when
        database or KMS do not answer.
        """
        vault = cls(client, database, master, clock)
        with reaching_keys():
            # CSFLE asks for this index: two processes that start at once must not both create the data key.
            await vault.documents.create_index(
                "keyAltNames", unique=True, partialFilterExpression={"keyAltNames": {"$exists": True}}
            )
            exists = await vault.documents.find_one({}, {"_id": 1}) is not None
        if master.is_local and not master.path.exists():
            if exists:
                raise UnsafeMasterKey(f"The master key file {master.path} is missing, and the vault needs it")
            create_local_keys(master.path)
        vault._connect()
        if not exists:
            await vault.add_data_key(1)
        await vault.newest()
        return vault

    def _connect(self) -> None:
        master = self._master
        providers: dict[str, Any] = {master.provider: dict(master.credentials)}
        if master.is_local:
            self._local = read_local_keys(master.path)
            providers = dict(self._local.providers())
        self._csfle = AsyncClientEncryption(
            providers,
            self._namespace,
            self._client,
            CodecOptions(uuid_representation=STANDARD),
            kms_tls_options={master.provider: dict(master.tls)} if master.tls else None,
        )

    @property
    def csfle(self) -> AsyncClientEncryption[Document]:
        if self._csfle is None:
            raise Unavailable("The key vault is closed")
        return self._csfle

    @property
    def master(self) -> MasterKey:
        return self._master

    async def close(self) -> None:
        for csfle in (*self._replaced, *([self._csfle] if self._csfle else [])):
            await csfle.close()
        self._csfle, self._replaced = None, []

    def reload(self) -> bool:
        """Read the local key file again; `True` when it has changed, as it does when another process rotates.

        Raises `Unavailable` when it cannot be read any more.
        """
        try:
            if self._local is None or read_local_keys(self._master.path) == self._local:
                return False
        except UnsafeMasterKey as error:
            raise Unavailable("The master key file cannot be used any more") from error
        # Others may be in the middle of a call: what is replaced is closed with the vault.
        self._replaced.append(self.csfle)
        self._connect()
        return True

    async def add_data_key(self, number: int) -> None:
        """Create the data key `chartvault-<number>`, or find that another process has."""
        provider = self._local.newest if self._local else self._master.provider
        options = None if self._local else dict(self._master.options)
        with reaching_keys():
            try:
                await self.csfle.create_data_key(provider, options, key_alt_names=[f"chartvault-{number}"])
            except EncryptionError as error:
                if not isinstance(error.cause, DuplicateKeyError):
                    raise
        self._checked = float("-inf")

    async def newest(self) -> Binary:
        """The id of the data key that wraps, looked up at most once in `NEWEST_SECONDS`."""
        if self._clock() - self._checked >= NEWEST_SECONDS:
            with reaching_keys():
                found = await self.documents.find({}, {"keyAltNames": 1}).to_list()
            newest = max(found, key=number_of, default={})
            if number_of(newest) == 0:
                raise IntegrityFailure("The key vault holds no data key of this product")
            self._newest, self._checked = as_binary(newest["_id"]), self._clock()
        return self._newest

    def forget(self) -> None:
        """Look the newest data key up again before the next use."""
        self._checked = float("-inf")

    async def is_newest(self, wrapped: object) -> bool:
        return isinstance(wrapped, bytes) and wrapped_under(wrapped) == bytes(await self.newest())

    async def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[Binary]:
        """Wrap `(key id, secret)` pairs, in order. Raises `Unavailable` when the master key cannot be used."""
        newest = await self.newest()
        wrapped = []
        for number, (key_id, secret) in enumerate(keys):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            with reaching_keys():
                wrapped.append(await self._wrap(Binary(secret + key_id.encode()), newest))
        return wrapped

    async def _wrap(self, value: Binary, data_key: Binary) -> Binary:
        try:
            return await self.csfle.encrypt(value, _RANDOM, key_id=data_key)
        except EncryptionError:
            # Another process may have put a new master key in place of ours.
            if not self.reload():
                raise
            return await self.csfle.encrypt(value, _RANDOM, key_id=data_key)

    async def unwrap(self, keys: Sequence[tuple[str, Binary]]) -> list[bytes | None]:
        """The secret of each `(key id, wrapped)` pair, in order; `None` where the value is damaged or was moved.

        One bad key never fails the others. Raises `Unavailable` when vault or master key cannot be used.
        """
        opened: list[bytes | None] = []
        for number, (key_id, wrapped) in enumerate(keys):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            opened.append(await self._unwrap(key_id, wrapped))
        return opened

    async def _unwrap(self, key_id: str, wrapped: Binary, *, again: bool = True) -> bytes | None:
        try:
            value = await self.csfle.decrypt(wrapped)
        except (TypeError, ValueError):
            return None
        except EncryptionError as error:
            if not isinstance(error.cause, MongoCryptError):
                raise Unavailable("The key store does not answer") from error
            if again and self.reload():
                return await self._unwrap(key_id, wrapped, again=False)
            if "KMS" in str(error.cause) or "kms" in str(error.cause):
                raise Unavailable("The master key cannot be used") from error
            return None
        if not isinstance(value, bytes) or value[SECRET_BYTES:] != key_id.encode():
            return None
        return bytes(value[:SECRET_BYTES])


def number_of(data_key: Document) -> int:
    """The n of `chartvault-<n>`, 0 for a data key that is not ours."""
    numbers = [name.removeprefix("chartvault-") for name in data_key.get("keyAltNames", ())]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def as_binary(name: Any) -> Binary:
    """A data key id as CSFLE takes it, whichever way the client decodes UUIDs."""
    return name if isinstance(name, Binary) else Binary.from_uuid(name, STANDARD)


def wrapped_under(wrapped: bytes) -> bytes:
    """The id of the data key a value is wrapped under. It is in clear: algorithm (1 byte), id (16), BSON type (1)."""
    return wrapped[1:17] if isinstance(wrapped, bytes) else b""
