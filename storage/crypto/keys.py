"""The keyring: every key of the product, by owner.

    owner       "Patient/<id>" (the compartment a resource is sealed under), "directory" (everything outside), "audit",
                "accounts" (people who log in)
    key id      "<owner>#<generation>", stored beside what it sealed

Invariants: a key never leaves the process and never appears in a message; without database or KMS nothing is sealed
and nothing is opened (`Unavailable`), there is no plaintext fallback; an erased owner never gets a key again. DESIGN:
master key -> CSFLE data key -> wrapped keys -> contents, see `vault.py`, `wrapped_keys.py`, `sealing.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from domain.errors import DomainError, Gone, IntegrityFailure
from storage.crypto.key_cache import KeyCache
from storage.crypto.key_wrapping import KeyWrapping
from storage.crypto.master_key import MasterKey, UnsafeMasterKey
from storage.crypto.sealing import SealingKey
from storage.crypto.service_keys import ServiceKeys
from storage.crypto.vault import Client, Vault
from storage.crypto.wrapped_keys import NewKey, OwnedKeys, WrappedKeys, owner_of

DATABASE = "chartvault_keys"
DIRECTORY, AUDIT, ACCOUNTS = "directory", "audit", "accounts"
CACHED_OWNERS = 10_000
TTL_SECONDS = 30.0


def patient_owner(patient: str | None) -> str:
    """The owner whose key seals a resource of this patient's compartment; `None` is outside of any."""
    return DIRECTORY if patient is None else f"Patient/{patient}"


class Keyring:
    """Keys for sealing and opening, and the service's own secrets in `service`. Made by `start`, ended by `close`."""

    def __init__(self, database: str, vault: Vault, keys: WrappedKeys, service: ServiceKeys, cache: KeyCache) -> None:
        self.database = database
        self.vault = vault
        self.stored = keys
        self.service = service
        self._cache = cache
        self._clock = cache.clock
        self._fetching: dict[str, asyncio.Task[dict[str, OwnedKeys]]] = {}
        self._creating: dict[str, asyncio.Task[dict[str, OwnedKeys]]] = {}

    @classmethod
    async def start(
        cls,
        client: Client,
        master: MasterKey,
        *,
        database: str = DATABASE,
        production: bool = False,
        cached_owners: int = CACHED_OWNERS,
        ttl_seconds: float = TTL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> Keyring:
        """The keyring of `database`; vault, data key, directory, audit, accounts and service keys are made on first use.

        Raises `UnsafeMasterKey` when the master key is unfit (in production: a local key file), `Unavailable` when
        database or KMS do not answer, `IntegrityFailure` when the service's own keys cannot be unwrapped.
        """
        if production and master.is_local:
            raise UnsafeMasterKey("Production needs a KMS (aws, azure, gcp, kmip), not a local key file")
        vault = await Vault.open(client, database, master, clock=clock)
        service = await ServiceKeys.start(WrappedKeys(client, database, "index_keys", vault))
        keys = WrappedKeys(client, database, "patient_keys", KeyWrapping(service.stored, clock))
        keyring = cls(database, vault, keys, service, KeyCache(cached_owners, ttl_seconds, clock))
        await keyring.for_writing([DIRECTORY, AUDIT, ACCOUNTS])
        return keyring

    async def close(self) -> None:
        await self.vault.close()

    @property
    def ttl_seconds(self) -> float:
        """How long after an erasure a process may still open what the key sealed."""
        return self._cache.ttl_seconds

    def cached(self, key_id: str) -> SealingKey | None:
        """The key of that id if this process remembers it; never waits."""
        return self._cache.key(key_id)

    def cached_for_writing(self, owner: str) -> SealingKey | None:
        """The key that seals for `owner` if this process remembers it; never waits."""
        owned = self._cache.owned(owner)
        return None if owned is None or owned.erased else owned.keys.get(owned.newest)

    async def for_writing(self, owners: Iterable[str]) -> dict[str, SealingKey]:
        """The newest key of each owner, created on first use.

        Raises `Gone` when one of them was erased, `IntegrityFailure` when one is damaged, `Unavailable` without
        database or KMS. A batch that must tell which owner failed uses `writable`.
        """
        keys = await self.writable(owners)
        for key in keys.values():
            if isinstance(key, DomainError):
                raise key
        return {owner: key for owner, key in keys.items() if isinstance(key, SealingKey)}

    async def writable(self, owners: Iterable[str]) -> dict[str, SealingKey | DomainError]:
        """The newest key of each owner, created on first use, or in its place why there is none."""
        wanted = list(dict.fromkeys(owners))
        owned = await self._known(wanted)
        new = [owner for owner in wanted if owner not in owned]
        if new:
            owned |= await self._together(self._creating, new, self._create)
        found: dict[str, SealingKey | DomainError] = {}
        for owner in wanted:
            try:
                found[owner] = owned[owner].for_sealing()
            except DomainError as error:
                found[owner] = error
        return found

    async def for_reading(self, key_ids: Iterable[str]) -> dict[str, SealingKey]:
        """The keys of these ids, fetched with one command for all that are not remembered.

        Erased, unknown and damaged ones are absent: they make their own entries unreadable, never the page
        (`why_absent` tells which). Raises `Unavailable` without database or KMS.
        """
        found: dict[str, SealingKey] = {}
        missing: list[str] = []
        for key_id in dict.fromkeys(key_ids):
            key = self._cache.key(key_id)
            if key is None:
                missing.append(key_id)
            else:
                found[key_id] = key
        if missing:
            for owned in (await self._known(dict.fromkeys(map(owner_of, missing)))).values():
                found.update((key.id, key) for key in owned.keys.values() if key.id in missing)
        return found

    async def make(self, owners: Sequence[str]) -> list[NewKey]:
        """First keys for owners that come into being with a write: stored in its transaction, then `adopt`ed.

        Two round trips and a durable write less than `for_writing` for each new patient.
        """
        return await self.stored.make(owners)

    def adopt(self, made: Iterable[NewKey]) -> None:
        """Remember keys whose documents have been stored."""
        for new in made:
            self._cache.remember(new.owned, asked=self._clock())

    def why_absent(self, key_id: str) -> DomainError:
        """Why `for_reading` has just left this id out: `Gone` when its owner was erased, else `IntegrityFailure`."""
        owned = self._cache.owned(owner_of(key_id))
        if owned is not None and owned.erased:
            return Gone(f"{owned.owner} was erased", code="deleted")
        return IntegrityFailure("The key of a stored value is missing or damaged")

    def forget(self, owner: str) -> None:
        """Drop what this process remembers of the owner's keys; a look-up under way is not remembered either."""
        self._cache.forget(owner)
        self._fetching.pop(owner, None)
        self._creating.pop(owner, None)

    async def _known(self, owners: Iterable[str]) -> dict[str, OwnedKeys]:
        """What exists of these owners' keys, from memory or from one command."""
        known: dict[str, OwnedKeys] = {}
        missing: list[str] = []
        for owner in owners:
            owned = self._cache.owned(owner)
            if owned is None:
                missing.append(owner)
            else:
                known[owner] = owned
        if missing:
            known |= await self._together(self._fetching, missing, self.stored.find)
        return known

    async def _create(self, owners: Sequence[str]) -> dict[str, OwnedKeys]:
        await self.stored.create(owners)
        return await self.stored.find(owners)

    async def _together(
        self,
        running: dict[str, asyncio.Task[dict[str, OwnedKeys]]],
        owners: Sequence[str],
        load: Callable[[Sequence[str]], Awaitable[dict[str, OwnedKeys]]],
    ) -> dict[str, OwnedKeys]:
        """Load the keys of these owners, joining look-ups of the same owner that are already under way.

        The look-up is a task of its own: a caller that is cancelled does not take it from the others.
        """
        mine = [owner for owner in owners if owner not in running]
        waiting = {running[owner] for owner in owners if owner in running}
        if mine:
            task = asyncio.create_task(self._load(running, mine, load))
            running.update(dict.fromkeys(mine, task))
            waiting.add(task)
        loaded: dict[str, OwnedKeys] = {}
        for task in waiting:
            loaded |= await asyncio.shield(task)
        wanted = set(owners)
        return {owner: owned for owner, owned in loaded.items() if owner in wanted}

    async def _load(
        self,
        running: dict[str, asyncio.Task[dict[str, OwnedKeys]]],
        owners: Sequence[str],
        load: Callable[[Sequence[str]], Awaitable[dict[str, OwnedKeys]]],
    ) -> dict[str, OwnedKeys]:
        this, asked = asyncio.current_task(), self._clock()
        try:
            loaded = await load(owners)
            for owner, owned in loaded.items():
                # An owner that was forgotten meanwhile may have been erased: this answer is too old to keep, unless it
                # says just that, which stays true for ever.
                if owned.erased or running.get(owner) is this:
                    self._cache.remember(owned, asked=asked)
            return loaded
        finally:
            for owner in owners:
                if running.get(owner) is this:
                    del running[owner]
