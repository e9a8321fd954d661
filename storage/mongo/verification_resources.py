"""Walks `revisions` and `resources` side by side, in the order of type and id, a slice of resources at a time.

Each slice is read from one snapshot, so that writers do no harm; between slices others go on. The bounds of a slice
are index bounds (`min`, `max`) that follow each other without a gap: also a document whose fields have the wrong type
is met.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from bson.max_key import MaxKey
from bson.min_key import MinKey
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern

from domain.decimals import exact
from domain.errors import IntegrityFailure
from domain.identity import ResourceKey
from domain.ports import Describe
from domain.revision import Description
from storage.crypto.keys import Keyring
from storage.crypto.progress import Progress
from storage.crypto.sealing import open_sealed, place
from storage.mongo import found_words
from storage.mongo.client import Database, Document
from storage.mongo.documents import RESOURCES, REVISIONS, encode_document
from storage.mongo.findings import Finding
from storage.mongo.index_entries import FIELDS, index_entries
from storage.mongo.stored_bytes import stored_bytes
from storage.mongo.tombstones import Tombstones
from storage.mongo.verification_chain import ResourceExamination, Version, content_findings, version_of

SLICE = 200
"""Resources per snapshot: a slice takes well under a second, MongoDB keeps snapshots for minutes."""
PAGE = 100
"""Versions whose keys are fetched at once."""
_SNAPSHOT = ReadConcern("snapshot")
_ORDER = (("type", 1), ("id", 1), ("version", 1))
_decode = msgspec.json.Decoder(float_hook=exact).decode

Bound = Sequence[tuple[str, Any]]
_FIRST: Bound = [(field, MinKey()) for field, _ in _ORDER]
_LAST: Bound = [(field, MaxKey()) for field, _ in _ORDER]


async def verify_resources(
    database: Database, keyring: Keyring, describe: Describe | None, progress: Progress
) -> AsyncIterator[Finding]:
    """Every resource: its versions, contents, current document and, with `describe`, its index."""
    walk = _Walk(database, keyring, describe)
    low, last = _FIRST, ""
    while True:
        async with database.client.start_session(snapshot=True) as session:
            currents = await walk.currents(session, last)
            full = len(currents) == SLICE
            high = _after(currents[-1]) if full else _LAST
            async for finding in walk.slice(session, low, high, {current["_id"]: current for current in currents}):
                yield finding
        progress("versions", walk.done)
        if not full:
            return
        low, last = high, currents[-1]["_id"]


def _after(current: Mapping[str, Any]) -> Bound:
    kind, _, name = current["_id"].partition("/")
    return [("type", kind), ("id", name), ("version", MaxKey())]


class _Walk:
    def __init__(self, database: Database, keyring: Keyring, describe: Describe | None) -> None:
        self._resources = database[RESOURCES].with_options(read_concern=_SNAPSHOT)
        self._revisions = stored_bytes(database, REVISIONS, _SNAPSHOT)
        self._keyring = keyring
        self._describe = describe
        self._tombstones = Tombstones(database, keyring)
        self._erased: frozenset[str] = frozenset()
        self.done = 0

    async def currents(self, session: AsyncClientSession, last: str) -> list[Document]:
        """The next current documents by name. One whose `_id` is no string is met by no read, and not here."""
        cursor = self._resources.find({"_id": {"$gt": last}}, session=session)
        found = await cursor.sort("_id", 1).limit(SLICE).to_list()
        patients = {current["patient"] for current in found if isinstance(current.get("patient"), str)}
        self._erased = await self._tombstones.among(sorted(patients), session)
        return found

    async def slice(
        self, session: AsyncClientSession, low: Bound, high: Bound, currents: dict[str, Document]
    ) -> AsyncIterator[Finding]:
        examined: ResourceExamination | None = None
        content: bytes | None = None
        async for version, opened in self._versions(session, low, high):
            if isinstance(version, Finding):
                yield version
                continue
            if examined is None or examined.key != version.of:
                if examined is not None:
                    for finding in self._end(examined, currents, content):
                        yield finding
                examined = ResourceExamination(version.of)
            for finding in examined.follow(version):
                yield finding
            content = opened if isinstance(opened, bytes) else None
            if isinstance(opened, Finding):
                yield opened
            elif content is not None:
                for finding in content_findings(version, content):
                    yield finding
        if examined is not None:
            for finding in self._end(examined, currents, content):
                yield finding
        for name, current in currents.items():
            key = ResourceKey(*name.partition("/")[::2])
            for finding in ResourceExamination(key).ending(current, erased=False):
                yield finding

    def _end(
        self, examined: ResourceExamination, currents: dict[str, Document], content: bytes | None
    ) -> Iterator[Finding]:
        current = currents.pop(str(examined.key), None)
        patient = examined.newest.patient if examined.newest else None
        erased = patient in self._erased
        for finding in examined.ending(current, erased=erased):
            yield finding
        newest = examined.newest.version if examined.newest else 0
        if self._describe and content and current and current.get("version") == newest and not erased:
            described = self._describe.describe(_decode(content), examined.key)
            since_facets = examined.newest is not None and examined.newest.facets is not None
            for finding in self._index_findings(examined.key, current, described, since_facets=since_facets):
                yield finding
            if found_words.is_damaged(current, self._keyring):
                yield Finding("index", str(examined.key), "found are not the words that were sealed with it")

    async def _versions(
        self, session: AsyncClientSession, low: Bound, high: Bound
    ) -> AsyncIterator[tuple[Version | Finding, bytes | Finding | None]]:
        """Each version of the slice in order, and its content: bytes, why it does not open, or `None` for none."""
        cursor = self._revisions.find({}, session=session, batch_size=PAGE)
        cursor = cursor.sort(list(_ORDER)).hint(list(_ORDER)).min(low).max(high)
        page: list[Version | Finding] = []
        async for document in cursor:
            page.append(version_of(document))
            if len(page) == PAGE:
                async for pair in self._opened(page):
                    yield pair
                page = []
        async for pair in self._opened(page):
            yield pair

    async def _opened(
        self, page: Sequence[Version | Finding]
    ) -> AsyncIterator[tuple[Version | Finding, bytes | Finding | None]]:
        keys = await self._keyring.for_reading(
            version.key for version in page if isinstance(version, Version) and version.key
        )
        self.done += len(page)
        for version in page:
            if isinstance(version, Finding) or version.sealed is None or version.key is None:
                yield version, None
            elif version.key not in keys:
                erased = await self._tombstones.covers(version.patient)
                yield version, None if erased else Finding("sealed", version.where, "its key is gone or damaged")
            else:
                try:
                    yield version, open_sealed(keys[version.key], place(version.where), version.sealed)
                except IntegrityFailure:
                    yield version, Finding("sealed", version.where, "is not what was sealed in this place")

    def _index_findings(
        self, key: ResourceKey, current: Document, described: Description, *, since_facets: bool
    ) -> list[Finding]:
        """Search terms and outline as stored, against those made again from the content. Facets and ties are there since
        the release that also wrote them into revisions."""
        expected = {
            **dict.fromkeys(FIELDS),
            **index_entries(key.type, described, self._keyring.service.tokens),
            "outline": described.outline,
            "compartments": described.patients,
            "facets": described.facets,
        }
        if not since_facets:
            del expected["facets"], expected["ties"]
        found = {**current, "terms": sorted(current.get("terms", ()))}
        different = [
            name
            for name, value in expected.items()
            if encode_document({name: value}) != encode_document({name: found.get(name)})
        ]
        message = f"{', '.join(different)} are not those of its content"
        return [Finding("index", str(key), message)] if different else []
