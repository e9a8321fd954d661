"""What of five patients must be found nowhere, and the search for it in everything that a disk thief gets.

Files are searched as bytes. That alone could miss what MongoDB has compressed, so every document of every collection,
the oplog too, is also searched as it lies in the database: as raw BSON.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

Json = dict[str, Any]

_WORD = re.compile(r"[^\W_]{5,}")
_TAG = re.compile(r"<[^>]*>")
SHORTEST = 5
"""Shorter ones would be found by chance: three bytes occur once in 16 MB of ciphertext."""
_BLOCK = 4 << 20


class Canaries(NamedTuple):
    """`values` are the patients' own; `words` are said in narratives only, some of them by every software."""

    values: set[str]
    words: set[str]


def canaries(bundles: list[Json]) -> Canaries:
    """Names, streets, telephone numbers, identifiers and birth dates of the patients, and words of their narratives."""
    resources = [entry["resource"] for bundle in bundles for entry in bundle["entry"]]
    values = {value for resource in resources if resource["resourceType"] == "Patient" for value in _of(resource)}
    told, elsewhere = set[str](), set[str]()
    for resource in resources:
        narrative = _TAG.sub(" ", resource.get("text", {}).get("div", ""))
        told.update(_WORD.findall(narrative.lower()))
        elsewhere.update(_WORD.findall(msgspec.json.encode({**resource, "text": None}).decode().lower()))
    return Canaries({value for value in values if len(value) >= SHORTEST}, told - elsewhere)


def _of(patient: Json) -> Iterator[str]:
    for name in patient.get("name", ()):
        yield name["family"]
        yield from name["given"]
    for address in patient.get("address", ()):
        yield from address["line"]
    yield from (contact["value"] for contact in patient.get("telecom", ()))
    yield from (identifier["value"] for identifier in patient.get("identifier", ()))
    yield patient["birthDate"]


class Search:
    """Looks for everything wanted at once: as it was written anywhere, and in any case as a word of its own.

    `found` says where; `bytes` how much was looked through.
    """

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = [(each, each.encode(), each.lower().encode()) for each in sorted(wanted)]
        self._longest = max(map(len, wanted))
        self.found: dict[str, set[str]] = {}
        self.bytes = 0

    def look(self, where: str, content: bytes) -> None:
        self.bytes += len(content)
        lowered = content.lower()
        for each, exact, lower in self._wanted:
            if lower in lowered and (exact in content or _is_a_word(lower, lowered)):
                self.found.setdefault(each, set()).add(where)

    def files(self, folder: Path) -> None:
        """Every file below `folder`, block by block with an overlap. What MongoDB has only reserved is zeros."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                rest = b""
                with path.open("rb") as file:
                    while block := file.read(_BLOCK):
                        if block.count(0) < len(block):
                            self.look(str(path.relative_to(folder)), rest + block)
                        rest = block[-self._longest :]

    def database(self, uri: str) -> Counter[str]:
        """Every document that an administrator can read. How many there were, by collection."""
        counted = Counter[str]()
        with MongoClient[Any](uri) as admin:
            for name in admin.list_database_names():
                for collection in admin[name].list_collection_names():
                    stored = admin[name].get_collection(collection, CodecOptions(document_class=RawBSONDocument))
                    for document in stored.find():
                        counted[f"{name}.{collection}"] += 1
                        self.look(f"{name}.{collection}", bytes(document.raw))
        return counted


def _is_a_word(lower: bytes, lowered: bytes) -> bool:
    return re.search(rb"(?<![a-z])" + re.escape(lower) + rb"(?![a-z])", lowered) is not None
