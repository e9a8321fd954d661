"""Query strings to queries: the `ParseSearch` port. https://hl7.org/fhir/R4/search.html

`code[:modifier][.chain]=value[,value]`: repeated parameters all hold (AND), values between commas are alternatives.
What is unknown, or of a kind that is not indexed yet, is named in `ignored` and refused when handling is strict;
a bad value or a modifier the parameter does not have is always refused. Nothing a client asks for is dropped silently,
and text from a client only ever becomes terms, ids and dates, never a part of a database filter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal

from domain.errors import InvalidRequest, TooCostly
from domain.identity import ID, ResourceKey
from domain.search import AnyTerm, Condition, IdIn, Inclusion, Listed, ParsedSearch, SearchQuery
from fhir_mapping.chains import HAS, MAX_HOPS, having, linked
from fhir_mapping.compartments import types_within, within
from fhir_mapping.inclusions import inclusion, is_inclusion, require_few
from fhir_mapping.search_names import Unknown, parse_name, shown
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import date, reference, string, token, uri
from fhir_mapping.search_values.escaping import split, unescape
from fhir_mapping.search_values.forms import missing
from fhir_mapping.tables import RESOURCE_TYPES

MAX_PARAMETERS = 100
MAX_VALUE_BYTES = 8192
MAX_ALTERNATIVES = 1000
MAX_TERMS = 5000
MAX_COUNT = 1000

_PRESENTATION = frozenset({"_summary", "_elements", "_format", "_pretty"})
"""Decided when the answer is written; legal here."""
_SORTS: dict[str, Literal["_id", "-_id", "_lastUpdated", "-_lastUpdated"]] = {
    "_id": "_id",
    "-_id": "-_id",
    "_lastUpdated": "_lastUpdated",
    "-_lastUpdated": "-_lastUpdated",
}
_MODIFIERS = {
    "token": token.MODIFIERS,
    "string": string.MODIFIERS,
    "reference": reference.MODIFIERS,
    "uri": uri.MODIFIERS,
}
"""Modifiers by kind; `missing` goes with every kind."""
_BY_TERMS = {"token": token.condition, "string": string.condition, "uri": uri.condition}


class QueryStrings:
    """Parses searches. `base` is the server's own base URL, `now` the clock that `ap` measures from."""

    def __init__(self, base: str | None = None, now: Callable[[], datetime] | None = None) -> None:
        self._base = base.rstrip("/") if base else None
        self._now = now or (lambda: datetime.now(UTC))

    def parse(self, resource_type: str, pairs: Sequence[tuple[str, str]], *, strict: bool) -> ParsedSearch:
        """See `domain.ports.ParseSearch.parse`."""
        if resource_type not in RESOURCE_TYPES:
            raise InvalidRequest("This is not an R4 resource type", code="not-supported")
        if len(pairs) > MAX_PARAMETERS:
            raise TooCostly(f"A search takes up to {MAX_PARAMETERS} parameters")
        settings = _Settings()
        conditions: list[Condition] = []
        applied: list[tuple[str, str]] = []
        ignored: list[str] = []
        for name, value in pairs:
            _require_bounded(name, value)
            try:
                if not settings.take(name, value):
                    conditions.append(self._condition(resource_type, name, value, MAX_HOPS))
                applied.append((name, value))
            except Unknown as unknown:
                if strict:
                    raise InvalidRequest(unknown.message, code=unknown.code, expression=shown(name)) from unknown
                ignored.append(shown(name))
        query = SearchQuery(resource_type, tuple(conditions), settings.sort, settings.count, total=settings.total)
        require_few(settings.inclusions)
        return ParsedSearch(query, tuple(applied), tuple(dict.fromkeys(ignored)), tuple(settings.inclusions))

    def within(self, compartment: ResourceKey, resource_type: str) -> Condition:
        """See `domain.ports.ParseSearch.within`."""
        return within(compartment, resource_type)

    def types_within(self, kind: str) -> tuple[str, ...]:
        """See `domain.ports.ParseSearch.types_within`."""
        return types_within(kind)

    def _condition(self, resource_type: str, name: str, value: str, hops: int) -> Condition:
        if name.startswith(HAS):
            return having(self._condition, resource_type, name, value, hops)
        if name == "_list":
            return _listed(value)
        code, modifier, chain = parse_name(name)
        parameter = parameters_of(resource_type).get(code)
        if parameter is None:
            raise Unknown(f"'{shown(name)}' is not a search parameter of {resource_type}")
        if chain is not None:
            return linked(self._condition, parameter, modifier, chain, value, hops)
        _require_modifier(parameter, modifier)
        values = [each for each in split(value, ",") if each]
        if not values:
            raise Unknown(f"'{shown(name)}' has no value", code="value")
        if len(values) > MAX_ALTERNATIVES:
            raise TooCostly(f"'{code}' takes up to {MAX_ALTERNATIVES} alternatives", expression=code)
        condition = self._of_kind(parameter, modifier, values)
        if isinstance(condition, AnyTerm) and len(condition.terms) > MAX_TERMS:
            raise TooCostly(f"'{code}' asks for too many alternatives at once", expression=code)
        return condition

    def _of_kind(self, parameter: SearchParameter, modifier: str | None, values: list[str]) -> Condition:
        if parameter.code == "_id":
            if modifier not in (None, "not"):
                raise InvalidRequest(f"'_id' has no modifier ':{modifier}' here", expression="_id")
            return IdIn(tuple(unescape(value) for value in values), negated=modifier == "not")
        if parameter.code == "_lastUpdated":
            if modifier is not None:
                raise InvalidRequest("Every resource has a '_lastUpdated'", expression="_lastUpdated")
            return date.updated_condition(values, self._now())
        if modifier == "missing" and parameter.kind != "composite" and parameter.expression:
            return missing(parameter.code, values)
        if parameter.indexed:
            if parameter.kind == "reference":
                return reference.condition(parameter, modifier, values, self._base)
            return _BY_TERMS[parameter.kind](parameter, modifier, values)
        if parameter.kind == "date":
            for value in values:
                date.parse_date_interval(date.split_prefix(unescape(value))[1], what=parameter.code)
        raise Unknown(f"Searching by '{parameter.code}' is not supported yet")


class _Settings:
    """The result parameters: https://hl7.org/fhir/R4/search.html#return"""

    def __init__(self) -> None:
        self.count = SearchQuery("").count
        self.sort: Literal["_id", "-_id", "_lastUpdated", "-_lastUpdated"] = "_id"
        self.total: Literal["none", "accurate"] = "accurate"
        self.inclusions: list[Inclusion] = []

    def take(self, name: str, value: str) -> bool:
        """Whether `name` is a result parameter, now taken. Raises `InvalidRequest` for a bad value."""
        if name == "_count":
            self.count = _parse_count(value)
        elif name == "_sort":
            if value not in _SORTS:
                raise Unknown("'_sort' takes _id, -_id, _lastUpdated or -_lastUpdated")
            self.sort = _SORTS[value]
        elif name == "_total":
            if value not in ("none", "estimate", "accurate"):
                raise InvalidRequest("'_total' takes none, estimate or accurate", code="value", expression="_total")
            self.total = "none" if value == "none" else "accurate"
        elif is_inclusion(name):
            self.inclusions.append(inclusion(name, value))
            return True
        elif name in _REFUSED:
            _REFUSED[name](name, value)
            return True
        return name in _PRESENTATION or name in ("_count", "_sort", "_total")


def _refuse(name: str, _value: str) -> None:
    raise InvalidRequest(f"'{name}' is not supported", code="not-supported", expression=name)


def _contained(name: str, value: str) -> None:
    """https://hl7.org/fhir/R4/search.html#contained: contained resources are found only with what contains them."""
    if value not in ("true", "both", "false"):
        raise InvalidRequest("'_contained' takes true, both or false", code="value", expression=name)
    if value != "false":
        _refuse(f"{name}={value}", value)


_REFUSED = {"_contained": _contained, "_containedType": _refuse, "_filter": _refuse, "_query": _refuse}
"""Parameters that change what a search means: never ignored, since the answer would be another one."""


def _listed(value: str) -> Listed:
    if ID.fullmatch(value) is None:
        raise InvalidRequest("'_list' takes the id of one List", code="value", expression="_list")
    return Listed(value)


def _parse_count(value: str) -> int:
    """A page size from 0 to `MAX_COUNT`: more is cut, as R4 allows ("servers SHALL NOT return more than requested")."""
    if not (value.isascii() and value.isdecimal()) or len(value) > 9:
        raise InvalidRequest("'_count' takes a whole number", code="value", expression="_count")
    return min(int(value), MAX_COUNT)


def _require_modifier(parameter: SearchParameter, modifier: str | None) -> None:
    """Raise `InvalidRequest` unless the parameter's kind has this modifier and it works here."""
    if modifier is None or modifier == "missing":
        return
    works = _MODIFIERS.get(parameter.kind, {}).get(modifier)
    named = f"'{parameter.code}:{shown(modifier)}'"
    if works is None:
        raise InvalidRequest(f"{named}: a {parameter.kind} parameter has no such modifier", expression=parameter.code)
    if not works:
        raise InvalidRequest(f"{named} is not supported yet", code="not-supported", expression=parameter.code)


def _require_bounded(name: str, value: str) -> None:
    try:
        size = max(len(value.encode()), len(name.encode()))
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"'{shown(name)}' is not UTF-8", code="value", expression=shown(name)) from error
    if size > MAX_VALUE_BYTES:
        raise TooCostly(f"'{shown(name)}' is longer than {MAX_VALUE_BYTES} bytes", expression=shown(name))
    if "\0" in value or "\0" in name:
        raise InvalidRequest(f"'{shown(name)}' holds a NUL character", code="value", expression=shown(name))
