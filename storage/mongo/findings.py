"""What `verify` can find. A finding names one stored thing and says in a sentence what is wrong, never its content."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal[
    "malformed",  # not the shape we write, or fields that contradict its name
    "missing",  # something that must exist does not
    "chain",  # a hash link, or the signed head of a chain, does not match
    "order",  # times or versions run backwards
    "sealed",  # does not open in its place, or says something else than the plain fields
    "current",  # the current document is not its newest version
    "index",  # search terms or outline are not those of the content
    "audit",  # a version without the entry of the write, or the other way round
    "blob",  # a document's bytes, or the record of them
    "erasure",  # an erasure that is unsigned, unfinished or undone
]


class Finding(msgspec.Struct, frozen=True):
    """One difference. `where` is a stored name: `Patient/1/4`, `Patient/1`, `audit/…`, `erasures/1`."""

    kind: Kind
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} ({self.kind})"
