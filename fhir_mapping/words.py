"""The words of a resource, for `_text`, `_content` and `:text`. https://hl7.org/fhir/R4/search.html#text

`_text` searches the narrative, `_content` every text, that of the resource's documents included: all words of the search
must occur as whole words, without case and accents. `:text` searches what stands beside a code, as a string: each word of
the search starts a word there. Links, ids, URLs of systems, dates and numbers are no words.
NOTE: words are hashed into stored sieves; changing how they are made orphans every index entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from domain.errors import InvalidRequest
from domain.identity import FhirJson
from domain.search import AllOf, AnyTerm, Condition, Opened, Words
from fhir_mapping.search_parameters import SearchParameter
from fhir_mapping.search_values.escaping import unescape
from fhir_mapping.search_values.forms import PRESENT, terms
from fhir_mapping.search_values.string import normalised

START = 3
"""Letters of a word by which `:text` finds it; they are filed with this many letters and a mark."""
_SKIPPED = frozenset(
    {"system", "reference", "url", "id", "fullUrl", "versionId", "lastUpdated", "data", "resourceType", "profile"}
)
_DATE = re.compile(r"\d{4}-\d\d")
_TAG = re.compile(r"<[^>]*>|&[#\w]+;")


def words_of(content: FhirJson) -> frozenset[str]:
    """Every word of the resource, and the start of each."""
    found: set[str] = set()
    for text in _texts(content):
        found |= _filed(text)
    return frozenset(found)


def _texts(value: Any) -> Iterator[str]:
    if type(value) is dict:
        for key, inner in value.items():
            if key in _SKIPPED:
                continue
            if type(inner) is str:
                yield inner
            elif type(inner) is not bool:
                yield from _texts(inner)
    elif type(value) is list:
        for inner in value:
            if type(inner) is str:
                yield inner
            else:
                yield from _texts(inner)


def _filed(text: str) -> frozenset[str]:
    return _filed_short(text) if len(text) <= 64 else _make_filed(text)


def _make_filed(text: str) -> frozenset[str]:
    words = split(text)
    return frozenset((*words, *(start_of(word) for word in words)))


_filed_short = lru_cache(maxsize=8_192)(_make_filed)


def folded(text: str) -> str:
    """The text without tags, case, accents and punctuation; parts of hyphenated words are words."""
    if "<" in text:
        text = _TAG.sub(" ", text)
    return normalised(text.replace("-", " "))


def split(text: str) -> list[str]:
    """The words of a text; a date is none."""
    return [] if _DATE.match(text) else folded(text).split()


def start_of(word: str) -> str:
    """The mark of every word that starts like this one."""
    return f"{word[:START]}~"


def asked(parameter: SearchParameter, value: str) -> Condition:
    """`_text` and `_content`: all words. Raises `InvalidRequest` for a value without any.

    `_content` asks for the words of documents too; not of a Binary, which is seen by who sees its context, and an index
    cannot tell who that is.
    """
    code = parameter.code
    words = split(unescape(value))
    if not words:
        raise InvalidRequest(f"'{code}' was given no word", code="value", expression=code)
    found = code == "_content" and parameter.resource_type != "Binary"
    return AllOf((Words(tuple(dict.fromkeys(words)), found=found), Opened(code, None, (value,))))


def text_asked(parameter: SearchParameter, value: str) -> Condition:
    """`:text`: words in a row, of which the last may go on. Raises `InvalidRequest` for a value without any."""
    words = folded(unescape(value)).split()
    if not words:
        raise InvalidRequest(f"'{parameter.code}:text' was given no word", code="value", expression=parameter.code)
    *whole, last = words
    sieve = [*whole, start_of(last)] if len(last) >= START else whole
    present = AnyTerm(terms(parameter.code, [PRESENT]), rank=9, shelf="marks")
    return AllOf((present, Words(tuple(dict.fromkeys(sieve))), Opened(parameter.code, "text", (value,))))


def occurs(value: str, texts: Iterable[str]) -> bool:
    """Whether the words of a `:text` search stand in one of the texts, beginning at the start of a word."""
    wanted = f" {folded(unescape(value))}"
    return any(wanted in f" {folded(text)}" for text in texts)


def contains_all(value: str, texts: Iterable[str], found: frozenset[str] = frozenset()) -> bool:
    """Whether all words of a `_text` or `_content` search are words of the texts, or among those found in documents."""
    wanted = set(split(unescape(value))) - found
    return not wanted or wanted <= {word for text in texts for word in split(text)}


def texts_of(content: FhirJson) -> Iterator[str]:
    """Every text of a resource that is searched by words."""
    return _texts(content)


def texts_beside(value: Any) -> list[str]:
    """The texts that say in words what a code, identifier or reference is."""
    if type(value) is not dict:
        return []
    kind = value.get("type")
    inner = [kind] if type(kind) is dict else []
    sources = [value, *value.get("coding", ()), *inner]
    return [each[name] for each in sources for name in ("text", "display") if type(each.get(name)) is str]
