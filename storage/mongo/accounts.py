"""`domain.accounts.ports.Accounts` on MongoDB: plain standing, sealed person, compare and swap on every change.

An account and its credentials come into being in one transaction. Whoever takes a role away from somebody writes to
another holder of it, so that two administrators cannot take it from the last two at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError, OperationFailure

from domain.access import Role
from domain.accounts.account import Account, Credentials, Standing, folded_email, folded_words
from domain.accounts.ports import AccountQuery
from domain.errors import Conflict, Contention, IntegrityFailure, VersionConflict
from storage.crypto.keys import ACCOUNTS as OWNER
from storage.crypto.keys import Keyring
from storage.crypto.sealing import SealingKey
from storage.mongo.account_documents import (
    ACCOUNTS,
    CREDENTIALS,
    LONGEST_PREFIX,
    STANDING_FIELDS,
    account_document,
    account_of,
    credential_document,
    credentials_of,
    standing_of,
)
from storage.mongo.client import DURABLE, READ_MS, SNAPSHOT, Database, Document
from storage.mongo.counters import actor_of, count
from storage.mongo.failures import WRITE_CONFLICT, translated
from storage.mongo.notice_documents import OUTBOX, PREFERENCES

SILENT = "The accounts do not answer"


class MongoAccounts:
    """The accounts of one database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._accounts = database[ACCOUNTS]
        self._credentials = database[CREDENTIALS]
        self._keyring = keyring

    async def find(self, account_id: str) -> Account | None:
        return (await self.find_many([account_id]))[0]

    async def find_many(self, account_ids: Sequence[str]) -> list[Account | None]:
        """See `domain.accounts.ports.Accounts.find_many`."""
        with translated(SILENT):
            cursor = self._accounts.find({"_id": {"$in": list(account_ids)}}, max_time_ms=READ_MS)
            found = {account.id: account for account in await self._opened(await cursor.to_list())}
        return [found.get(account_id) for account_id in account_ids]

    async def standings(self, account_ids: Sequence[str]) -> dict[str, Standing]:
        """See `domain.accounts.ports.Accounts.standings`."""
        with translated(SILENT):
            cursor = self._accounts.find({"_id": {"$in": list(account_ids)}}, STANDING_FIELDS, max_time_ms=READ_MS)
            return {document["_id"]: standing_of(document) for document in await cursor.to_list()}

    async def by_email(self, email: str) -> Account | None:
        with translated(SILENT):
            found = await self._accounts.find_one({"email": self._token_of(email)}, max_time_ms=READ_MS)
        return None if found is None else (await self._opened([found]))[0]

    async def add(self, account: Account, credentials: Credentials) -> None:
        """See `domain.accounts.ports.Accounts.add`."""
        key = await self._writing()
        async with self._transaction() as session:
            await self._accounts.insert_one(self._document(account, key), session=session)
            await self._credentials.insert_one(credential_document(credentials, key), session=session)

    async def replace(self, account: Account, *, keep: Role | None = None) -> None:
        """See `domain.accounts.ports.Accounts.replace`."""
        document = self._document(account, await self._writing())
        replaced = {"_id": account.id, "version": account.version - 1}
        async with self._transaction() as session:
            result = await self._accounts.replace_one(replaced, document, session=session)
            if not result.matched_count:
                raise VersionConflict(f"The account {account.id} has changed meanwhile")
            if keep is not None:
                await self._require_holder(keep, session)
            await count(self._accounts.database, [actor_of(account.id)], session)

    async def _require_holder(self, role: Role, session: AsyncClientSession) -> None:
        """Raise `Conflict` when nobody active holds `role`. The holder found is written to, so that taking the role from
        that one at the same time collides with this."""
        holder = {"roles": role, "status": "ACTIVE"}
        if await self._accounts.find_one_and_update(holder, {"$inc": {"vouched": 1}}, session=session) is None:
            raise Conflict(f"Nobody would be {role} any more", reason=f"last_{role.lower()}")

    async def remove(self, account_id: str) -> None:
        """See `domain.accounts.ports.Accounts.remove`."""
        async with self._transaction() as session:
            await self._accounts.delete_one({"_id": account_id}, session=session)
            await self._credentials.delete_one({"_id": account_id}, session=session)
            await self._accounts.database[PREFERENCES].delete_one({"_id": account_id}, session=session)
            await self._accounts.database[OUTBOX].delete_many({"to": account_id}, session=session)
            await count(self._accounts.database, [actor_of(account_id)], session)

    async def page(self, query: AccountQuery, *, after: str, count: int) -> list[Account]:
        """See `domain.accounts.ports.Accounts.page`."""
        selected: dict[str, Any] = {"_id": {"$gt": after}}
        if query.role is not None:
            selected["roles"] = query.role
        if query.status is not None:
            selected["status"] = query.status
        if query.organizations is not None:
            selected["organizations"] = {"$in": list(query.organizations)}
        if query.profile is not None:
            selected["profiles"] = query.profile
        if query.text is not None:
            selected.update(self._named(query.text))
        with translated(SILENT):
            cursor = self._accounts.find(selected, max_time_ms=READ_MS).sort("_id", 1).limit(count)
            return await self._opened(await cursor.to_list())

    async def credentials(self, account_id: str) -> Credentials | None:
        with translated(SILENT):
            found = await self._credentials.find_one({"_id": account_id}, max_time_ms=READ_MS)
        if found is None:
            return None
        return credentials_of(found, (await self._reading([found]))[found["key"]])

    async def replace_credentials(self, credentials: Credentials) -> None:
        """See `domain.accounts.ports.Accounts.replace_credentials`."""
        document = credential_document(credentials, await self._writing())
        with translated("The credentials could not be stored"):
            result = await self._credentials.replace_one(
                {"_id": credentials.account, "serial": credentials.serial - 1}, document
            )
        if not result.matched_count:
            raise VersionConflict("The credentials have changed meanwhile")

    def _named(self, text: str) -> Document:
        if "@" in text:
            return {"email": self._token_of(text)}
        terms = [f"name|prefix|{word[:LONGEST_PREFIX]}" for word in folded_words(text)]
        return {"terms": {"$all": self._keyring.service.tokens.tokens("Account", terms)}}

    def _token_of(self, email: str) -> bytes:
        return self._keyring.service.name_hash("email", folded_email(email))

    def _document(self, account: Account, key: SealingKey) -> Document:
        token = self._token_of(account.email)
        return account_document(account, email=token, tokens=self._keyring.service.tokens, key=key)

    async def _writing(self) -> SealingKey:
        return self._keyring.cached_for_writing(OWNER) or (await self._keyring.for_writing([OWNER]))[OWNER]

    async def _reading(self, documents: Sequence[Document]) -> dict[str, SealingKey]:
        wanted = {document["key"] for document in documents}
        keys = {name: key for name in wanted if (key := self._keyring.cached(name)) is not None}
        if len(keys) < len(wanted):
            keys = await self._keyring.for_reading(wanted)
        if len(keys) < len(wanted):
            raise IntegrityFailure("The key of the accounts is missing or damaged")
        return keys

    async def _opened(self, documents: Sequence[Document]) -> list[Account]:
        keys = await self._reading(documents)
        return [account_of(document, keys[document["key"]]) for document in documents]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncClientSession]:
        """Everything inside or nothing. A second account of one address is `Conflict`, a collision `Contention`."""
        with translated("The account could not be stored"):
            try:
                async with (
                    self._accounts.database.client.start_session() as session,
                    await session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE),
                ):
                    yield session
            except DuplicateKeyError:
                raise Conflict("This address has an account already", reason="email_taken") from None
            except OperationFailure as error:
                if error.code == WRITE_CONFLICT or error.has_error_label("TransientTransactionError"):
                    raise Contention("Somebody else changes accounts at this moment; try again") from None
                raise
