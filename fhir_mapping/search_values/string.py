"""String parameters: https://hl7.org/fhir/R4/search.html#string

A default search is starts-with on the whole value and on each of its words, without case, accents, punctuation and
repeated blanks; `:exact` is the whole value as it stands. Both become equality of terms: `p` for every prefix, `e` for
the raw text. `:contains` asks for every three letters in a row (`n`) and lets opened resources decide the rest. Prefixes
are dense up to `MAX_PREFIX` and a longer search text is refused, so that no match is ever missed or invented; names and
addresses are far below, so the bound costs nothing (see DECISIONS.md).
NOTE: `normalised` and the forms are hashed into stored tokens; changing them orphans every index entry.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from domain.errors import InvalidRequest
from domain.search import AllOf, AnyOf, AnyTerm, Condition, IndexTerm, Opened
from fhir_mapping.fhirpath import Place
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values.escaping import unescape
from fhir_mapping.search_values.forms import PRESENT, Forms, terms

MODIFIERS = {"exact": True, "contains": True}
MAX_PREFIX = 128
"""Characters of a value that can be searched, in its normalised form."""

_NAME_PARTS = ("text", "family", "given", "prefix", "suffix")
_ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")
_OWN_PARAMETERS = {
    "name": {"family": "family", "given": "given"},
    "address": {
        "city": "address-city",
        "state": "address-state",
        "postalCode": "address-postalcode",
        "country": "address-country",
    },
}
"""Parts of names and addresses that may have a search parameter of their own, see `filed_elsewhere`."""
_PARTS = {"HumanName": _NAME_PARTS, "Address": _ADDRESS_PARTS}
GRAM = 3
_GRAM_FORMS = ("n", "p")
"""Three letters at the start of a word are filed as a prefix already."""
_COMMON = frozenset("aeinorst ")
"""Letters that make a poor start for a search."""
_MOST_GRAMS = 8
_JOINERS = "-‐‑‒–—"
"""Vanish inside a word, but what follows one can be searched as a word of its own: Ann-Marie, annmarie, marie."""
_BREAKS = ',;:/|&+()[]{}<>"_=«»“”„'
_PUNCTUATION: dict[int, str | None] = {
    **{code: None for code in range(33, 127) if not chr(code).isalnum()},
    **{ord(sign): " " for sign in _BREAKS},
    **{ord(sign): "-" for sign in _JOINERS},
}


def normalised(text: str) -> str:
    """The text without case, marks, punctuation and extra blanks: `Zoë  O'Brien-Smith` is `zoe obriensmith`."""
    return " ".join(_folded(text).replace("-", "").split())


def _folded(text: str) -> str:
    """Folded, with joiners still marked by `-`."""
    if text.isascii():
        return text.lower().translate(_PUNCTUATION)
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = (c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    spaced = unicodedata.normalize("NFC", "".join(kept)).translate(_PUNCTUATION)
    if spaced.isascii():
        return spaced
    return "".join(c for c in spaced if c == "-" or c.isspace() or unicodedata.category(c)[0] not in "PSC")


def texts(place: Place) -> list[str]:
    """The texts of a string, name or address."""
    if isinstance(place.value, str):
        return [place.value]
    parts = [place.value.get(name) for name in _PARTS.get(place.type or "", ())]
    return [text for part in parts for text in ([part] if isinstance(part, str) else part or ()) if text is not None]


def text_forms(value: str) -> Forms:
    """The forms of one text. Short ones are remembered: a name is read for several parameters of its resource, and
    cities and given names come back."""
    return _short_forms(value) if len(value) <= 32 else _forms(value)


def _forms(value: str) -> Forms:
    marked = _folded(value)
    full = " ".join(marked.replace("-", "").split())
    whole = full[:MAX_PREFIX]
    forms = [("e", value)]
    forms += [("p", whole[:end]) for end in range(1, len(whole) + 1)]
    if " " in whole or "-" in marked:
        words = marked[: 2 * MAX_PREFIX].replace("-", " ").split()[1:]
        joined = whole.split()[1:]
        for word in dict.fromkeys((*joined, *words)):
            forms += [("p", word[:end]) for end in range(1, min(len(word), MAX_PREFIX) + 1)]
    starts = {text for name, text in forms if name == "p" and len(text) == GRAM}
    return forms + [("n", gram) for gram in _grams(full) if gram not in starts]


_short_forms = lru_cache(maxsize=2_048)(_forms)


def _grams(text: str) -> dict[str, None]:
    return dict.fromkeys(text[at : at + GRAM] for at in range(len(text) - GRAM + 1))


def _parts(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Forms]:
    """Every string part of a name or address: "any of the string fields"."""

    def read(value: Mapping[str, Any]) -> Forms:
        forms: Forms = []
        for name in names:
            part = value.get(name)
            if type(part) is str:
                forms += text_forms(part)
            elif part:
                for each in part:
                    if each is not None:
                        forms += text_forms(each)
        return forms

    return read


@cache
def filed_elsewhere(parameter: SearchParameter) -> Mapping[str, str]:
    """Parts of a name or address that this parameter does not file, because another of its type does: part to code.

    `name=ann` is `family=ann` or `given=ann` or a term of its own. A patient has a third fewer terms for it, and the terms
    are most of what a create costs the database.
    """
    others = parameters_of(parameter.resource_type)
    return {
        part: code
        for part, code in _OWN_PARAMETERS.get(parameter.code, {}).items()
        if code in others and others[code].expression == f"{parameter.expression}.{part}"
    }


def forms_of(parameter: SearchParameter, type_name: str) -> Callable[[Any], Forms] | None:
    """How a value of this FHIR type is filed for the parameter; `None` for a type without text."""
    names = _PARTS.get(type_name)
    if names is None:
        return FORMS.get(type_name)
    elsewhere = filed_elsewhere(parameter)
    return _parts([name for name in names if name not in elsewhere])


FORMS: dict[str, Callable[[Any], Forms]] = {
    "string": text_forms,
    "markdown": text_forms,
    "HumanName": _parts(_NAME_PARTS),
    "Address": _parts(_ADDRESS_PARTS),
}


def condition(parameter: SearchParameter, modifier: str | None, values: Sequence[str]) -> Condition:
    """Starts-with, equality for `exact`, part of for `contains`.

    Raises `InvalidRequest` for a text too long or without letters.
    """
    texts = [unescape(value) for value in values]
    if modifier == "exact":
        return _any(parameter, [("e", text) for text in texts], rank=3)
    folded = [normalised(text) for text in texts]
    if not all(folded):
        raise InvalidRequest(
            f"'{parameter.code}' was given no letter or digit", code="value", expression=parameter.code
        )
    if modifier == "contains":
        return _contains(parameter, folded, values)
    if max(map(len, folded)) > MAX_PREFIX:
        raise InvalidRequest(
            f"'{parameter.code}' takes up to {MAX_PREFIX} characters; use '{parameter.code}:exact' for longer ones",
            code="too-long",
            expression=parameter.code,
        )
    return _any(parameter, [("p", prefix) for prefix in folded], rank=4 if min(map(len, folded)) > 3 else 7)


def _any(parameter: SearchParameter, forms: Forms, *, rank: int) -> AnyTerm:
    return AnyTerm(_terms(parameter, forms), rank=rank)


def _contains(parameter: SearchParameter, texts: Sequence[str], values: Sequence[str]) -> Condition:
    """Three letters in a row are decided by the index; more and fewer by opened resources."""
    if all(len(text) == GRAM for text in texts):
        return _any(parameter, [(form, text) for text in texts for form in _GRAM_FORMS], rank=6)
    alternatives: list[Condition] = []
    for text in texts:
        grams = sorted(_grams(text), key=lambda gram: sum(letter in _COMMON for letter in gram))[:_MOST_GRAMS]
        if not grams:
            alternatives = [AnyTerm(terms(parameter.code, [PRESENT]), rank=9, shelf="marks")]
            break
        alternatives.append(
            AllOf(tuple(_any(parameter, [(form, gram) for form in _GRAM_FORMS], rank=5) for gram in grams))
        )
    found = alternatives[0] if len(alternatives) == 1 else AnyOf(tuple(alternatives))
    return AllOf((found, Opened(parameter.code, "contains", tuple(values))))


def _terms(parameter: SearchParameter, forms: Forms) -> tuple[IndexTerm, ...]:
    """The terms under which a value with one of these forms is filed, by this parameter or for it."""
    codes = (parameter.code, *filed_elsewhere(parameter).values())
    return tuple(each for code in codes for each in terms(code, forms))
