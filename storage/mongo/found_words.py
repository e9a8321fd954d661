"""The words of the documents a resource has with it, kept beside it so that a search by words finds it.

They are in no version's content: whoever writes the resource gives them, and they are sealed here under the resource's
own key, at its name and version. A sieve of keyed bits names the candidates; the sealed words decide. The sieve grows with
the number of words, in a few sizes, so that the size tells little more than "a page" or "a book".
NOTE: the sealed form is the sorted words joined by line ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import IntegrityFailure
from domain.revision import Stored
from storage.crypto.blind_index import TokenMaker
from storage.crypto.keys import Keyring
from storage.crypto.sealing import SealingKey, open_sealed, place, seal
from storage.mongo.client import READ_MS, Collection, Document
from storage.mongo.failures import translated

FIELDS = ("found", "found_words")
SIZES = (256, 2_048, 8_192)
"""Bytes of a sieve; each holds an eighth as many words before one in a hundred is let through wrongly."""


def found_fields(words: frozenset[str], key: SealingKey, version_name: str, tokens: TokenMaker) -> dict[str, bytes]:
    """What is stored of the words found with a version (`Type/id/version`)."""
    if not words:
        return {}
    sealed = seal(key, _place(version_name), "\n".join(sorted(words)).encode())
    return {"found": found_sieve(words, tokens), "found_words": sealed}


def found_sieve(words: frozenset[str], tokens: TokenMaker) -> bytes:
    """The sieve of the words, of the first size that is large enough."""
    return tokens.sieve(words, next((size for size in SIZES if len(words) * 8 <= size), SIZES[-1]))


def may_be_found(word: str, tokens: TokenMaker) -> Document:
    """The clause that lets through every resource with this word among those found, and a few others."""
    return {"$or": [{"found": {"$bitsAllSet": tokens.sieve([word], size)}} for size in SIZES]}


def open_found(document: Mapping[str, Any], key: SealingKey, version_name: str) -> frozenset[str]:
    """The words of a `resources` document. Raises `IntegrityFailure`."""
    sealed = document.get("found_words")
    if sealed is None:
        return frozenset()
    return frozenset(open_sealed(key, _place(version_name), sealed).decode().split("\n"))


def is_damaged(document: Mapping[str, Any], keyring: Keyring) -> bool:
    """Whether sieve and sealed words of a `resources` document, just opened, do not belong together or to it."""
    if "found" not in document and "found_words" not in document:
        return False
    key = keyring.cached(document["key"])
    if key is None:
        return False
    try:
        words = open_found(document, key, f"{document['_id']}/{document['version']}")
    except (IntegrityFailure, UnicodeDecodeError):
        return True
    return not words or document.get("found") != found_sieve(words, keyring.service.tokens)


async def found_of(resources: Collection, keyring: Keyring, stored: Sequence[Stored]) -> list[frozenset[str]]:
    """The words found with each version, in order; none where it is not the newest any more or does not open."""
    names = [str(one.head.key) for one in stored]
    with translated("The database does not answer"):
        cursor = resources.find(
            {"_id": {"$in": names}, "found_words": {"$exists": True}},
            {"version": 1, "key": 1, "found_words": 1},
            max_time_ms=READ_MS,
        )
        documents = {document["_id"]: document for document in await cursor.to_list()}
    keys = await keyring.for_reading({document["key"] for document in documents.values()})
    found: list[frozenset[str]] = []
    for one, name in zip(stored, names, strict=True):
        document = documents.get(name)
        key = keys.get(document["key"]) if document is not None else None
        if document is None or key is None or document["version"] != one.head.version:
            found.append(frozenset())
            continue
        try:
            found.append(open_found(document, key, one.head.key.at(one.head.version)))
        except IntegrityFailure:
            found.append(frozenset())
    return found


def _place(version_name: str) -> str:
    return place(f"{version_name}/found")
