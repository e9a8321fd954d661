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
from domain.search import Condition, Inclusion, Listed, ParsedSearch, SearchQuery, SortKey
from fhir_mapping.chains import HAS, MAX_HOPS, having, linked
from fhir_mapping.compartments import types_within, within
from fhir_mapping.custom_parameters import CustomParameters
from fhir_mapping.inclusions import Known, inclusion, is_inclusion, require_few
from fhir_mapping.keying import keyed
from fhir_mapping.parameter_conditions import ParameterConditions, require_modifier
from fhir_mapping.range_paths import is_leading
from fhir_mapping.scoping import scoped
from fhir_mapping.search_names import Unknown, parse_name, shown
from fhir_mapping.search_values.escaping import split
from fhir_mapping.tables import RESOURCE_TYPES

MAX_PARAMETERS = 100
MAX_VALUE_BYTES = 8192
MAX_ALTERNATIVES = 1000
MAX_COUNT = 1000

_PRESENTATION = frozenset({"_summary", "_elements", "_format", "_pretty"})
"""Decided when the answer is written; legal here."""
_NATIVE_SORTS: dict[str, SortKey] = {
    "_id": "_id",
    "-_id": "-_id",
    "_lastUpdated": "_lastUpdated",
    "-_lastUpdated": "-_lastUpdated",
}
MAX_SORTS = 8
_TOTALS: dict[str, Literal["none", "bounded", "accurate"]] = {
    "none": "none",
    "estimate": "bounded",
    "accurate": "accurate",
}


class QueryStrings:
    """Parses searches. `base` is the server's own base URL, `now` the clock that `ap` measures from."""

    def __init__(
        self,
        base: str | None = None,
        now: Callable[[], datetime] | None = None,
        custom: CustomParameters | None = None,
    ) -> None:
        self._custom = custom or CustomParameters()
        self._base = base.rstrip("/") if base else None
        self._conditions = ParameterConditions(self._base, now or (lambda: datetime.now(UTC)))

    def parse(self, resource_type: str, pairs: Sequence[tuple[str, str]], *, strict: bool) -> ParsedSearch:
        """See `domain.ports.ParseSearch.parse`."""
        if resource_type not in RESOURCE_TYPES:
            raise InvalidRequest("This is not an R4 resource type", code="not-supported")
        if len(pairs) > MAX_PARAMETERS:
            raise TooCostly(f"A search takes up to {MAX_PARAMETERS} parameters")
        settings = _Settings(resource_type, self._custom.known)
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
        query = SearchQuery(
            resource_type,
            keyed(resource_type, scoped(resource_type, conditions)),
            settings.sort,
            settings.count,
            total=settings.total,
            order=settings.order,
        )
        require_few(settings.inclusions)
        return ParsedSearch(query, tuple(applied), tuple(dict.fromkeys(ignored)), tuple(settings.inclusions))

    def within(self, compartment: ResourceKey, resource_type: str) -> Condition:
        """See `domain.ports.ParseSearch.within`."""
        return within(compartment, resource_type)

    def together(
        self, resource_type: str, conditions: Sequence[Condition], *, anybody: bool = False
    ) -> tuple[Condition, ...]:
        """See `domain.ports.ParseSearch.together`."""
        return scoped(resource_type, conditions, anybody=anybody)

    def types(self) -> tuple[str, ...]:
        """See `domain.ports.ParseSearch.types`."""
        return RESOURCE_TYPES

    def _has(self, resource_type: str, code: str) -> bool:
        return code in self._custom.known(resource_type)

    def types_within(self, kind: str) -> tuple[str, ...]:
        """See `domain.ports.ParseSearch.types_within`."""
        return types_within(kind)

    def _condition(self, resource_type: str, name: str, value: str, hops: int) -> Condition:
        if name.startswith(HAS):
            return having(self._condition, self._custom.known, resource_type, name, value, hops)
        if name == "_list":
            return _listed(value)
        code, modifier, chain = parse_name(name)
        parameter = self._custom.known(resource_type).get(code)
        if parameter is None:
            if self._custom.pending(resource_type, code):
                raise Unknown(f"'{shown(code)}' is still being indexed: it finds nothing yet")
            raise Unknown(f"'{shown(name)}' is not a search parameter of {resource_type}")
        if chain is not None:
            return linked(self._condition, self._has, parameter, modifier, chain, value, hops)
        require_modifier(parameter, modifier)
        values = [each for each in split(value, ",") if each]
        if not values:
            raise Unknown(f"'{shown(name)}' has no value", code="value")
        if len(values) > MAX_ALTERNATIVES:
            raise TooCostly(f"'{code}' takes up to {MAX_ALTERNATIVES} alternatives", expression=code)
        condition = self._conditions.of(parameter, modifier, values)
        if condition is None:
            raise Unknown(f"Searching by '{code}' is not supported yet")
        return condition


class _Settings:
    """The result parameters: https://hl7.org/fhir/R4/search.html#return"""

    def __init__(self, resource_type: str, known: Known) -> None:
        self._type = resource_type
        self._known = known
        self.count = SearchQuery("").count
        self.sort: SortKey = "place"
        self.order: tuple[tuple[str, bool], ...] = ()
        self.total: Literal["none", "bounded", "accurate"] = "bounded"
        self.inclusions: list[Inclusion] = []

    def take(self, name: str, value: str) -> bool:
        """Whether `name` is a result parameter, now taken. Raises `InvalidRequest` for a bad value."""
        if not name.startswith("_"):
            return False
        if name == "_count":
            self.count = _parse_count(value)
        elif name == "_sort":
            self._take_sort(value)
        elif name == "_total":
            if value not in _TOTALS:
                raise InvalidRequest("'_total' takes none, estimate or accurate", code="value", expression="_total")
            self.total = _TOTALS[value]
        elif is_inclusion(name):
            self.inclusions.append(inclusion(self._known, name, value))
            return True
        elif name in _REFUSED:
            _REFUSED[name](name, value)
            return True
        return name in _PRESENTATION or name in ("_count", "_sort", "_total")

    def _take_sort(self, value: str) -> None:
        """https://hl7.org/fhir/R4/search.html#sort: by the index where it has the order, else by opened resources."""
        keys = [(key.removeprefix("-"), key.startswith("-")) for key in value.split(",")]
        if len(keys) > MAX_SORTS:
            raise TooCostly(f"'_sort' takes up to {MAX_SORTS} parameters", expression="_sort")
        for code, _ in keys:
            parameter = self._known(self._type).get(code)
            if parameter is None or parameter.kind in ("composite", "special") or not parameter.expression:
                raise Unknown(f"'{shown(code)}' is not a parameter {self._type} can be sorted by")
        (code, descending), *more = keys
        if not more and value in _NATIVE_SORTS:
            self.sort = _NATIVE_SORTS[value]
        elif not more and is_leading(self._known(self._type)[code]):
            self.sort = "-moment" if descending else "moment"
        else:
            self.order = tuple(keys)


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


def _bytes(name: str, text: str) -> int:
    """How long a text of the parameter `name` is as UTF-8."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"'{shown(name)}' is not UTF-8", code="value", expression=shown(name)) from error


def _require_bounded(name: str, value: str) -> None:
    if max(_bytes(name, name), _bytes(name, value)) > MAX_VALUE_BYTES:
        raise TooCostly(f"'{shown(name)}' is longer than {MAX_VALUE_BYTES} bytes", expression=shown(name))
    if "\0" in value or "\0" in name:
        raise InvalidRequest(f"'{shown(name)}' holds a NUL character", code="value", expression=shown(name))
