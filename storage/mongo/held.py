"""What a plain part of a resource decides, translated once: mostly who may see it.

The conditions of a sight are the very same objects in every query (`domain/policy/sight.py`), and putting them together anew
took longer than finding what they are asked of. They are kept by identity, with the condition itself, so that as long as an
entry is here no other condition can have its identity.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from domain.matching import Decider, decider, needs_index
from domain.search import AnyOf, Condition, NoneOf, PatientIn
from storage.crypto.blind_index import TokenMaker
from storage.mongo.clauses import clause
from storage.mongo.client import Document

_MOST = 512
"""Each may hold the list of a practitioner's patients."""
_kept: OrderedDict[tuple[int, str], Part] = OrderedDict()


class Part(NamedTuple):
    """A condition of a query as the database is asked it, and, where a head decides it, as that is asked it."""

    condition: Condition
    clause: Document
    allows: Decider | None


def part_of(condition: Condition, resource_type: str, tokens: TokenMaker) -> Part:
    """A condition that leads no index."""
    if not isinstance(condition, AnyOf | NoneOf | PatientIn):
        return _made(condition, resource_type, tokens)
    key = (id(condition), resource_type)
    known = _kept.get(key)
    if known is not None and known.condition is condition:
        _kept.move_to_end(key)
        return known
    made = _made(condition, resource_type, tokens)
    if made.allows is not None:
        _kept[key] = made
        if len(_kept) > _MOST:
            _kept.popitem(last=False)
    return made


def _made(condition: Condition, resource_type: str, tokens: TokenMaker) -> Part:
    allows = None if needs_index(condition) else decider(condition)
    return Part(condition, clause(condition, resource_type, tokens, leads=False), allows)
