"""One resource under examination: its versions in order, then its current document. Pure: no database, no keys.

Versions count 1, 2, 3 …, each names its place, links to the stored bytes of the one before, is later than it, and
opens to JSON that says the same. The current document equals the newest version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from bson.raw_bson import RawBSONDocument

from domain.identity import ResourceKey
from domain.revision import instant
from storage.crypto.keys import patient_owner
from storage.crypto.wrapped_keys import owner_of
from storage.mongo.documents import document_hash
from storage.mongo.findings import Finding
from storage.mongo.index_entries import FIELDS


class Version(msgspec.Struct, frozen=True):
    """The fields of a `revisions` document, typed. `raw` are its stored bytes. Without `facets` an older release wrote it."""

    type: str
    id: str
    version: int
    method: str
    recorded: datetime
    patient: str | None
    labels: tuple[str, ...]
    key: str | None
    sealed: bytes | None
    prev: bytes | None
    name: str
    raw: bytes = b""
    compartments: tuple[str, ...] = ()
    facets: tuple[str, ...] | None = None
    source: str | None = None

    @property
    def of(self) -> ResourceKey:
        return ResourceKey(self.type, self.id)

    @property
    def where(self) -> str:
        return self.of.at(self.version)

    @property
    def deleted(self) -> bool:
        return self.method == "DELETE"


class Meta(msgspec.Struct, rename={"version_id": "versionId", "last_updated": "lastUpdated"}):
    version_id: str = ""
    last_updated: str = ""


class Stamp(msgspec.Struct, rename={"resource_type": "resourceType"}):
    """What the content says of itself; everything else is skipped while parsing."""

    resource_type: str = ""
    id: str = ""
    meta: Meta = msgspec.field(default_factory=Meta)


_stamp = msgspec.json.Decoder(Stamp)


def version_of(document: RawBSONDocument) -> Version | Finding:
    """The stored document as a `Version`, or the finding that it is none of ours."""
    where = str(document.get("_id"))
    try:
        found = msgspec.convert({**document, "name": document.get("_id"), "raw": bytes(document.raw)}, Version)
    except msgspec.ValidationError:
        return Finding("malformed", where, "is not shaped like a version")
    if found.where != found.name:
        return Finding("malformed", where, f"calls itself {found.where}")
    return found


def content_findings(version: Version, content: bytes) -> Iterator[Finding]:
    """Whether the opened content is the version that the plain fields say it is."""
    try:
        stamp = _stamp.decode(content)
    except msgspec.MsgspecError:
        yield Finding("sealed", version.where, "does not hold a resource")
        return
    stated = (stamp.resource_type, stamp.id, stamp.meta.version_id, stamp.meta.last_updated)
    if stated != (version.type, version.id, str(version.version), instant(version.recorded)):
        yield Finding("sealed", version.where, "holds another version than its plain fields say")


class ResourceExamination:
    """Feed it the versions of one resource in order, then ask for `ending`."""

    def __init__(self, key: ResourceKey) -> None:
        self.key = key
        self.newest: Version | None = None
        self.tip = b""

    def follow(self, version: Version) -> Iterator[Finding]:
        """The next version: numbers, link, time, and what a deletion and a content must have."""
        last = self.newest
        expected = last.version + 1 if last else 1
        for missing in range(expected, min(version.version, expected + 100)):
            yield Finding("missing", self.key.at(missing), "this version is gone")
        if version.version == expected and version.prev != (self.tip or None):
            altered = last.where if last else version.where
            yield Finding("chain", altered, f"is not what {version.where} was written after: it was altered")
        if last is not None and version.recorded <= last.recorded:
            yield Finding("order", version.where, "is not later than the version before")
        if version.deleted != (version.sealed is None) or (version.key is None) != (version.sealed is None):
            yield Finding("malformed", version.where, "has a content where none can be, or none where one must be")
        elif version.key is not None and owner_of(version.key) != patient_owner(version.patient):
            yield Finding("malformed", version.where, "is sealed under the key of another compartment")
        self.newest, self.tip = version, document_hash(version.raw)

    def ending(self, current: Mapping[str, Any] | None, *, erased: bool) -> Iterator[Finding]:
        """The current document against the newest version; `erased` tells that a tombstone covers the patient."""
        where, newest = str(self.key), self.newest
        if current is None:
            yield Finding("missing", where, "has versions, but no current document")
            return
        if newest is None:
            yield Finding("missing", where, "has a current document, but no versions")
            return
        stored = current.get("version")
        if isinstance(stored, int) and stored > newest.version:
            for missing in range(newest.version + 1, min(stored, newest.version + 100) + 1):
                yield Finding("missing", self.key.at(missing), "this version is gone")
            return
        if stored != newest.version:
            yield Finding("current", where, f"is not at version {newest.version}, the newest")
        elif current.get("tip") != self.tip:
            yield Finding("chain", newest.where, "is not what the current document was written with: it was altered")
        yield from self._differences(current, newest, erased=erased)

    def _differences(self, current: Mapping[str, Any], newest: Version, *, erased: bool) -> Iterator[Finding]:
        where = str(self.key)
        expected: dict[str, Any] = {
            "_id": where,
            "type": newest.type,
            "id": newest.id,
            "method": newest.method,
            "updated": newest.recorded,
            "patient": newest.patient,
            "labels": list(newest.labels),
            "deleted": newest.deleted or erased,
            "erased": erased,
            "key": None if erased else newest.key,
            "sealed": None if erased else newest.sealed,
        }
        if newest.facets is not None:
            expected |= {
                "compartments": list(newest.compartments),
                "facets": list(newest.facets),
                "source": newest.source,
            }
        different = [name for name, value in expected.items() if current.get(name) != value]
        if different:
            yield Finding("current", where, f"differs from version {newest.version} in {', '.join(different)}")
        left = [name for name in (*FIELDS, "outline") if name in current]
        if expected["deleted"] and left:
            yield Finding("current", where, f"is deleted and still has {', '.join(left)}")
