"""URI parameters: https://hl7.org/fhir/R4/search.html#uri

Compared as they stand, case included. A canonical with a version is found with and without it. `:below` finds what lies
under a URL by whole path segments (form `b`, one per segment), `:above` what the URL lies under.
NOTE: forms are hashed into stored tokens; changing one orphans every index entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from domain.errors import InvalidRequest
from domain.search import AnyTerm
from fhir_mapping.search_parameters import SearchParameter
from fhir_mapping.search_values.escaping import unescape
from fhir_mapping.search_values.forms import Forms, terms

MODIFIERS = {"above": True, "below": True}
MAX_SEGMENTS = 32
_BY_SEGMENT = ("http://", "https://")


def forms(value: str) -> Forms:
    plain = value.partition("|")[0]
    found = [("u", value)] if plain == value else [("u", value), ("u", plain)]
    return found + [("b", above) for above in _prefixes(plain)]


def flat_forms(value: str) -> Forms:
    """Without `:below`: `_profile` and `_source` stand on most resources, where segments cost more than they give."""
    plain = value.partition("|")[0]
    return [("u", value)] if plain == value else [("u", value), ("u", plain)]


def _prefixes(url: str) -> list[str]:
    """The URL and everything it lies under, down to its host; nothing for URNs, which have no segments."""
    scheme = next((scheme for scheme in _BY_SEGMENT if url.startswith(scheme)), None)
    if scheme is None:
        return []
    host, *segments = url[len(scheme) :].rstrip("/").split("/")[:MAX_SEGMENTS]
    found = [scheme + host]
    for segment in segments:
        found.append(f"{found[-1]}/{segment}")
    return found


FORMS: dict[str, Callable[[Any], Forms]] = dict.fromkeys(("uri", "url", "canonical", "oid", "uuid"), forms)
FLAT_FORMS: dict[str, Callable[[Any], Forms]] = dict.fromkeys(FORMS, flat_forms)


def condition(parameter: SearchParameter, modifier: str | None, values: Sequence[str]) -> AnyTerm:
    """Equality, or the part-of relation of `above` and `below`. These raise `InvalidRequest` for what is not a URL."""
    texts = [unescape(value) for value in values]
    if modifier is None:
        found = [("u", text) for text in texts]
        return AnyTerm(terms(parameter.code, found), rank=9 if parameter.code == "_profile" else 2)
    if parameter.code.startswith("_"):
        raise InvalidRequest(
            f"'{parameter.code}:{modifier}' is not supported", code="not-supported", expression=parameter.code
        )
    for text in texts:
        if not text.startswith(_BY_SEGMENT):
            raise InvalidRequest(
                f"'{parameter.code}:{modifier}' takes http and https URLs", code="value", expression=parameter.code
            )
    if modifier == "below":
        return AnyTerm(terms(parameter.code, [("b", text.rstrip("/")) for text in texts]), rank=6)
    return AnyTerm(terms(parameter.code, [("u", above) for text in texts for above in _prefixes(text)]), rank=4)
