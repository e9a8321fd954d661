"""Scopes in words that people understand, for the page where they agree."""

from __future__ import annotations

import re

from domain.scopes import ResourceScope, resource_scope

_CONTEXT = {
    "openid": "Know that you have logged in here",
    "fhirUser": "Know who you are in the records",
    "launch/patient": "Know which patient you choose",
    "offline_access": "Keep this access after you have closed the app, until you withdraw it",
    "online_access": "Keep this access while you use the app",
}
_DOES = {"c": "add", "r": "read", "u": "change", "d": "delete", "s": "search"}
_WHOSE = {"patient": "of the patient you choose", "user": "that you yourself may see"}


def sentences(scope: str) -> list[str]:
    """One sentence for each scope, in their order."""
    return [_CONTEXT.get(text) or _sentence(resource_scope(text), text) for text in scope.split()]


def _sentence(scope: ResourceScope | None, text: str) -> str:
    if scope is None:
        return text
    verbs = [_DOES[letter] for letter in "rscud" if letter in scope.letters]
    what = "all records" if scope.type == "*" else f"records of the kind “{_spaced(scope.type)}”"
    only = f" ({scope.narrowed} only)" if scope.narrowed else ""
    return f"{_joined(verbs).capitalize()} {what} {_WHOSE.get(scope.level, '')}{only}".rstrip()


def _joined(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _spaced(name: str) -> str:
    """`MedicationRequest` as `Medication request`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f" {found[1].lower()}", name)
