"""The names of search parameters as a client writes them: `subject:Patient.name:exact`, and why one has no effect here.

https://hl7.org/fhir/R4/search.html#modifiers, https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from typing import NamedTuple


class Unknown(Exception):
    """A parameter that has no effect here; `message` says why. Ignored and named, or refused when handling is strict."""

    def __init__(self, message: str, code: str = "not-supported") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Name(NamedTuple):
    """`subject:Patient.name:exact` in parts: code, modifier, chain."""

    code: str
    modifier: str | None
    chain: str | None


def parse_name(name: str) -> Name:
    """The parts of a parameter's name; nothing is looked up."""
    head, dot, chain = name.partition(".")
    code, colon, modifier = head.partition(":")
    return Name(code, modifier if colon else None, chain if dot else None)


def shown(text: str) -> str:
    """A name from the client as it may appear in a message: printable and short."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:64])
