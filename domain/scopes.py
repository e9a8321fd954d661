"""Scopes as clients ask for them: which there are, and what of a request a registration covers.

SMART App Launch 2.2, https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html. What a granted scope allows is
the business of `access.py`; here requests are only ever cut down, so that nobody is granted more than they were registered
for, whatever they ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

CONTEXT = frozenset({"openid", "fhirUser", "launch/patient", "offline_access", "online_access"})
"""Scopes that are no rights to resources."""
MAX_SCOPE_CHARACTERS = 4_096
_RESOURCE = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>\*|[A-Z][A-Za-z]{1,63})\."
    r"(?P<letters>(?!\?|$)c?r?u?d?s?|read|write|\*)(?:\?(?P<narrowed>[!#-\[\]-~]{1,500}))?"
)
_ALIASES = {"read": "rs", "write": "cud", "*": "cruds"}


class ResourceScope(NamedTuple):
    """`patient/Observation.rs?category=…` in parts; `narrowed` is the query, empty without one."""

    level: str
    type: str
    letters: str
    narrowed: str

    def __str__(self) -> str:
        return f"{self.level}/{self.type}.{self.letters}" + (f"?{self.narrowed}" if self.narrowed else "")


def resource_scope(text: str) -> ResourceScope | None:
    """The parts of a scope on resources, v1 forms as their v2 letters; `None` for any other text."""
    found = _RESOURCE.fullmatch(text)
    if found is None:
        return None
    letters = _ALIASES.get(found["letters"], found["letters"])
    return ResourceScope(found["level"], found["type"], letters, found["narrowed"] or "")


def is_scope(text: str) -> bool:
    """Whether this is a scope that can be granted to somebody."""
    return text in CONTEXT or resource_scope(text) is not None


def covered(requested: str, registered: str, levels: Iterable[str]) -> str:
    """What of the requested scopes the registered ones cover, each at most as it was asked, in the order asked.

    Only scopes of these levels (`patient`, `user`, `system`) count. Scopes nobody knows are left out, as OAuth allows
    (RFC 6749 section 3.3); the client reads what it was granted in the answer.
    """
    allowed = [found for each in registered.split() if (found := resource_scope(each)) is not None]
    context = CONTEXT.intersection(registered.split())
    kinds = frozenset(levels)
    granted: dict[str, None] = {}
    for text in requested[:MAX_SCOPE_CHARACTERS].split():
        if text in context:
            granted[text] = None
            continue
        wanted = resource_scope(text)
        if wanted is None or wanted.level not in kinds:
            continue
        letters = _letters(wanted, allowed)
        if letters:
            granted[text if letters == wanted.letters else str(wanted._replace(letters=letters))] = None
    return " ".join(granted)


def _letters(wanted: ResourceScope, allowed: Iterable[ResourceScope]) -> str:
    held: set[str] = set()
    for each in allowed:
        same_place = each.level == wanted.level and each.type in ("*", wanted.type)
        if same_place and each.narrowed in ("", wanted.narrowed):
            held.update(each.letters)
    return "".join(letter for letter in wanted.letters if letter in held)
