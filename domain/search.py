"""The language in which mapping asks and storage answers: terms, conditions, queries, page keys.

https://hl7.org/fhir/R4/search.html

`fhir_mapping` turns resources into `IndexTerm`s and query strings into `Condition`s; `storage` turns terms into keyed
tokens and conditions into a database filter. Both sides agree on nothing but the text of a term, written only by
`term()`. A term holds plaintext: it is never stored, logged or printed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal, NewType, TypeAlias

import msgspec

from domain.identity import ResourceKey
from domain.ranges import Box

IndexTerm = NewType("IndexTerm", str)
"""`parameter | form | value`; storage adds the resource type and the key before hashing."""


def term(parameter: str, form: str, value: str) -> IndexTerm:
    """One searchable value. NOTE: hashed into every stored token; changing this text orphans every index entry."""
    return IndexTerm(f"{parameter}|{form}|{value}")


def reference_term(parameter: str, target: str | ResourceKey) -> IndexTerm:
    """The term under which a reference to `Type/id` is indexed."""
    return term(parameter, "ref", str(target))


Shelf: TypeAlias = Literal["terms", "marks"]
"""Where a term stands in a `Description`: `terms` are what a search can start from, `marks` tell too little for that
(presence, systems)."""


class AnyTerm(msgspec.Struct, frozen=True, tag=True):
    """Resources that carry at least one of `terms` (an OR list); `negated` selects all the others (`:not`).

    `rank` orders the conditions of a query, rarest first: 0 identifies one resource, 9 matches about everything.
    """

    terms: tuple[IndexTerm, ...]
    negated: bool = False
    rank: int = 5
    shelf: Shelf = "terms"

    def __repr__(self) -> str:
        return f"AnyTerm({len(self.terms)} terms, negated={self.negated}, rank={self.rank})"


class RangeTest(msgspec.Struct, frozen=True):
    """A range at one of `paths` that lies in `box` and carries every one of `keys`, the most telling one first.

    `points`: all ranges at these paths start where they end. `times`: they are times, in microseconds.
    """

    paths: tuple[str, ...]
    box: Box
    keys: tuple[IndexTerm, ...] = ()
    points: bool = False
    times: bool = False


class InRange(msgspec.Struct, frozen=True, tag=True):
    """Resources with a range that passes one of `tests`. `single`: no resource has more than one at their paths."""

    tests: tuple[RangeTest, ...]
    rank: int = 6
    single: bool = False


class AllOf(msgspec.Struct, frozen=True, tag=True):
    """Resources that satisfy every one of `conditions`."""

    conditions: tuple[Condition, ...]


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """Resources that satisfy at least one of `conditions`."""

    conditions: tuple[Condition, ...]


class Words(msgspec.Struct, frozen=True, tag=True):
    """Resources in which each of `words` may occur, with `found` also in their documents: a sieve that loses nothing."""

    words: tuple[str, ...]
    found: bool = False

    def __repr__(self) -> str:
        return f"Words({len(self.words)})"


class CodesOf(msgspec.Struct, frozen=True, tag=True):
    """Resources with a code of a set: `:in`, `:not-in` (negated), `:above`, `:below`. Solved before the query itself.

    https://hl7.org/fhir/R4/search.html#modifiers. `source` is the type that defines the set, ValueSet or CodeSystem, `url` its
    canonical URL, `code` the one above or below which the set lies.
    """

    parameter: str
    source: Literal["ValueSet", "CodeSystem"]
    url: str
    code: str | None = None
    above: bool = False
    negated: bool = False

    def __repr__(self) -> str:
        return f"CodesOf({self.parameter})"


class Opened(msgspec.Struct, frozen=True, tag=True):
    """Resources whose opened content satisfies a search that the index cannot decide: it only names the candidates.

    `code`, `modifier` and `values` (alternatives, still escaped) are those of the query string.
    """

    code: str
    modifier: str | None
    values: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Opened({self.code})"


class IdIn(msgspec.Struct, frozen=True, tag=True):
    """Resources whose logical id is one of `ids`."""

    ids: Collection[str]
    negated: bool = False


class Updated(msgspec.Struct, frozen=True, tag=True):
    """Resources whose lastUpdated lies in `[low, high)`; `None` is open. `outside` selects the complement."""

    low: datetime | None
    high: datetime | None
    outside: bool = False


class PatientIn(msgspec.Struct, frozen=True, tag=True):
    """Resources in the compartment of one of these patients; how access narrows a query."""

    patients: Collection[str]


class Faceted(msgspec.Struct, frozen=True, tag=True):
    """Resources with one of these plain words and references that access is decided by."""

    facets: Collection[str]


class Labelled(msgspec.Struct, frozen=True, tag=True):
    """Resources with one of these security labels (`system|code`)."""

    labels: Collection[str]


class WrittenBy(msgspec.Struct, frozen=True, tag=True):
    """Resources that this subject created."""

    subject: str


class NoneOf(msgspec.Struct, frozen=True, tag=True):
    """Resources that satisfy none of `conditions`."""

    conditions: tuple[Condition, ...]


class OfPatients(msgspec.Struct, frozen=True, tag=True):
    """Resources about one of `patients` (ids; `None`: any) that carry at least one of the scoped `terms`. Only types that
    say in one element whose they are have such terms: there the plain owner answers for the reference."""

    patients: tuple[str, ...] | None
    terms: tuple[IndexTerm, ...]
    rank: int = 1

    def __repr__(self) -> str:
        return f"OfPatients({len(self.terms)} terms)"


class Linked(msgspec.Struct, frozen=True, tag=True):
    """A chain: resources whose reference `parameter` points at one that satisfies one of `targets` (one per type).

    https://hl7.org/fhir/R4/search.html#chaining. Solved before the query itself by asking for `targets` first; what they
    select becomes terms of the form `ref`. `by_url`: the reference names its targets by canonical URL.
    """

    parameter: str
    targets: tuple[SearchQuery, ...]
    by_url: bool = False


class Having(msgspec.Struct, frozen=True, tag=True):
    """`_has`: resources that the reference `parameter` of something that satisfies `source` points at.

    https://hl7.org/fhir/R4/search.html#has. Solved before the query itself; what `source` points at becomes ids.
    `owned` is the term that a resource carries exactly when this reference says which patient it is about, so that the
    plain owner of a resource answers without opening it; `None` when only the contents can tell.
    """

    parameter: str
    source: SearchQuery
    owned: IndexTerm | None = None
    by_url: bool = False


class Listed(msgspec.Struct, frozen=True, tag=True):
    """`_list`: resources that the List of this id holds. https://hl7.org/fhir/R4/search.html#list"""

    id: str


PlainCondition: TypeAlias = PatientIn | Faceted | Labelled | WrittenBy
GroupCondition: TypeAlias = AllOf | AnyOf | NoneOf
SolvedCondition: TypeAlias = Linked | Having | Listed | CodesOf
FoundCondition: TypeAlias = AnyTerm | InRange | Words | Opened | IdIn | Updated | OfPatients
Condition: TypeAlias = GroupCondition | FoundCondition | PlainCondition | SolvedCondition
SortKey: TypeAlias = Literal["_id", "-_id", "_lastUpdated", "-_lastUpdated", "moment", "-moment", "place"]
"""`moment` is the leading date of the type, `place` the store's own order: that of creation, and the cheapest."""


class PageKey(msgspec.Struct, frozen=True):
    """Where the next page starts: strictly after this resource in the query's order.

    `place` is its place in the store's order, `low` the start of its leading date (an open one is minus infinity),
    `patient` its owner, `values` what it is sorted by otherwise.
    """

    id: str
    updated: datetime
    place: int = 0
    low: int | float | None = None
    values: tuple[str | int | None, ...] = ()
    patient: str | None = None

    def __repr__(self) -> str:
        return "PageKey(…)"


class SearchQuery(msgspec.Struct, frozen=True):
    """One search of one type. All `conditions` must hold. `count` is the page size, at least 0.

    `order` are parameters to sort by that only opened resources tell, each with whether it descends; it goes before `sort`.
    A `bounded` total is given when counting is cheap, and else left out.
    """

    type: str
    conditions: tuple[Condition, ...] = ()
    sort: SortKey = "_id"
    count: int = 50
    after: PageKey | None = None
    total: Literal["none", "bounded", "accurate"] = "accurate"
    order: tuple[tuple[str, bool], ...] = ()


class Inclusion(msgspec.Struct, frozen=True):
    """`_include` or (`reverse`) `_revinclude`: https://hl7.org/fhir/R4/search.html#revinclude

    Follow the references `parameters` of resources of type `source` (`None`: every reference parameter, of every type)
    to resources of type `target` (`None`: any). `iterate` follows them from included resources too. `by_url` are the types
    that they may name by canonical URL.
    """

    source: str | None
    parameters: tuple[str, ...] | None
    target: str | None = None
    reverse: bool = False
    iterate: bool = False
    by_url: tuple[str, ...] = ()


class ParsedSearch(msgspec.Struct, frozen=True):
    """What a query string asks for. `applied` pairs took effect (they make the self link), `ignored` names are not known."""

    query: SearchQuery
    applied: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    inclusions: tuple[Inclusion, ...] = ()
