"""A small clinic over the real store: what the tests of erasure, rotation and verification write, read and attack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from domain.audit import AuditEntry
from domain.decimals import exact
from domain.errors import DomainError
from domain.identity import FhirJson, ResourceKey
from domain.revision import Change, Write, next_revision, tombstone
from fhir_mapping.index_terms import IndexTerms
from storage.crypto.keys import Keyring
from storage.crypto.master_key import MasterKey
from storage.mongo.audit import MongoAuditTrail
from storage.mongo.client import Client, connect, data_database
from storage.mongo.findings import Finding
from storage.mongo.indexes import create_collections
from storage.mongo.revisions import MongoRevisionStore
from storage.mongo.verification import verify

START = datetime(2026, 1, 31, 10, tzinfo=UTC)


def family(name: str) -> list[FhirJson]:
    """The `name` of a patient."""
    return [{"family": name}]


class Clinic:
    """One process: its client, keyring, store and audit trail. Times move a second per write."""

    def __init__(self, client: Client, keyring: Keyring, database: str) -> None:
        self.client = client
        self.keyring = keyring
        self.data = data_database(client, database)
        self.raw = client[database]
        self.keys = client[f"{database}_keys"]
        self.store = MongoRevisionStore(self.data, keyring)
        self.audit = MongoAuditTrail(self.data, keyring)
        self.describe = IndexTerms("https://clinic.example/fhir")
        self.waited: list[float] = []
        self._time = START

    def now(self) -> datetime:
        self._time += timedelta(seconds=1)
        return self._time

    async def sleep(self, seconds: float) -> None:
        """Stands in for the minutes that erasure and rotation wait for other processes."""
        self.waited.append(seconds)

    def entry(self, interaction: str, targets: Sequence[str] = (), query: str | None = None) -> AuditEntry:
        return AuditEntry(
            recorded=self.now(),
            interaction=interaction,
            status=200,
            subject="admin",
            client="test",
            token_id="token",
            request_id="request",
            targets=tuple(targets),
            network="192.0.2.1",
            query=query,
        )

    async def put(self, name: str, /, **content: Any) -> str:
        """Write the next version of `Type/id`; returns its name."""
        key = ResourceKey(*name.split("/"))
        base = await self.store.newest(key)
        revision = next_revision(key, content, method="PUT", base=base, now=self.now())
        change = Change(revision, self.describe.describe(content, key), base)
        version = key.at(revision.version)
        await self.store.commit(Write((change,), self.entry("update", (version,), query="name=canary")))
        return version

    async def delete(self, name: str) -> str:
        key = ResourceKey(*name.split("/"))
        base = await self.store.newest(key)
        assert base is not None
        revision = tombstone(key, base=base, now=self.now())
        version = key.at(revision.version)
        await self.store.commit(Write((Change(revision, None, base),), self.entry("delete", (version,))))
        return version

    async def read(self, name: str) -> bytes | DomainError:
        """Open `Type/id`, or one version of it with `Type/id/version`."""
        kind, identifier, *version = name.split("/")
        key = ResourceKey(kind, identifier)
        found = await (self.store.version(key, int(version[0])) if version else self.store.newest(key))
        assert found is not None
        return (await self.store.open([found]))[0]

    async def fill(self) -> None:
        """Two patients with histories, one observation each, an organization, a control sample, a deletion, a read."""
        for patient in ("1", "2"):
            for name in ("Ann", "Anna", "Annabel"):
                await self.put(f"Patient/{patient}", name=family(f"{name}-{patient}"))
            await self.put(f"Observation/of-{patient}", status="final", subject={"reference": f"Patient/{patient}"})
        await self.put("Organization/clinic", name="Clinic")
        dose = {"value": exact("0.50"), "system": "http://unitsofmeasure.org", "code": "mmol/L"}
        await self.put("Observation/control", status="final", valueQuantity=dose)
        await self.put("Organization/closed", name="Closed")
        await self.delete("Organization/closed")
        for _ in range(3):
            await self.audit.record(self.entry("read", ["Patient/1/3"], query="_elements=name"))

    async def findings(self) -> list[Finding]:
        return [finding async for finding in verify(self.data, self.keyring, self.describe)]

    async def close(self) -> None:
        await self.store.close()
        await self.audit.close()
        await self.keyring.close()
        await self.client.close()


@asynccontextmanager
async def open_clinic(mongo_uri: str, database: str, folder: Path) -> AsyncIterator[Clinic]:
    """A process over `database`; open several for several processes."""
    client = connect(mongo_uri)
    master = MasterKey("local", {"path": str(folder / "master.json")})
    keyring = await Keyring.start(client, master, database=f"{database}_keys")
    clinic = Clinic(client, keyring, database)
    await create_collections(clinic.data)
    try:
        yield clinic
    finally:
        await clinic.close()
