"""Query strings to queries: the `ParseSearch` port. https://hl7.org/fhir/R4/search.html

`code[:modifier][.chain]=value[,value]`: repeated parameters all hold (AND), values between commas are alternatives.
What is unknown, or of a kind that is not indexed yet, is named in `ignored` and refused when handling is strict;
a bad value or a modifier the parameter does not have is always refused. Nothing a client asks for is dropped silently,
and text from a client only ever becomes terms, ids and dates, never a part of a database filter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from domain.errors import InvalidRequest, TooCostly
from domain.search import AnyTerm, Condition, IdIn, Linked, ParsedSearch, SearchQuery
from fhir_mapping.search_parameters import SearchParameter, parameters_of
from fhir_mapping.search_values import date, reference, string, token, uri
from fhir_mapping.search_values.escaping import split, unescape
from fhir_mapping.search_values.forms import missing
from fhir_mapping.tables import RESOURCE_TYPES

MAX_PARAMETERS = 100
MAX_VALUE_BYTES = 8192
MAX_ALTERNATIVES = 1000
MAX_TERMS = 5000
MAX_CHAIN = 3
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


class _Unknown(Exception):
    """A parameter that has no effect here; `message` says why."""

    def __init__(self, message: str, code: str = "not-supported") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class _Name(NamedTuple):
    """`subject:Patient.name:exact` in parts: code, modifier, chain."""

    code: str
    modifier: str | None
    chain: str | None


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
                    conditions.append(self._condition(resource_type, name, value, MAX_CHAIN))
                applied.append((name, value))
            except _Unknown as unknown:
                if strict:
                    raise InvalidRequest(unknown.message, code=unknown.code, expression=_shown(name)) from unknown
                ignored.append(_shown(name))
        query = SearchQuery(resource_type, tuple(conditions), settings.sort, settings.count, total=settings.total)
        return ParsedSearch(query, tuple(applied), tuple(dict.fromkeys(ignored)))

    def _condition(self, resource_type: str, name: str, value: str, hops: int) -> Condition:
        code, modifier, chain = _parse_name(name)
        parameter = parameters_of(resource_type).get(code)
        if parameter is None:
            raise _Unknown(f"'{_shown(name)}' is not a search parameter of {resource_type}")
        if chain is not None:
            return self._chain(parameter, modifier, chain, value, hops)
        _require_modifier(parameter, modifier)
        values = [each for each in split(value, ",") if each]
        if not values:
            raise _Unknown(f"'{_shown(name)}' has no value", code="value")
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
        raise _Unknown(f"Searching by '{parameter.code}' is not supported yet")

    def _chain(self, parameter: SearchParameter, wanted: str | None, chain: str, value: str, hops: int) -> Linked:
        """`patient.identifier=…`: https://hl7.org/fhir/R4/search.html#chaining"""
        code = parameter.code
        if parameter.kind != "reference":
            raise _Unknown(f"'{code}' is not a reference, so '{_shown(chain)}' cannot follow it")
        if hops == 0:
            raise TooCostly(f"A chain has up to {MAX_CHAIN} hops", expression=code)
        if wanted is not None and wanted not in parameter.targets:
            raise InvalidRequest(f"'{code}' cannot point at '{_shown(wanted)}'", expression=code)
        following = _parse_name(chain).code
        targets = [wanted] if wanted else [t for t in parameter.targets if following in parameters_of(t)]
        if not targets:
            raise _Unknown(f"Nothing '{code}' points at has the search parameter '{_shown(chain)}'")
        if len(targets) > 1:
            raise InvalidRequest(
                f"'{code}' may point at several types: say which, as in '{code}:{targets[-1]}.{_shown(chain)}'",
                expression=code,
            )
        inner = self._condition(targets[0], chain, value, hops - 1)
        return Linked(code, SearchQuery(targets[0], (inner,), count=MAX_COUNT, total="none"))


class _Settings:
    """The result parameters: https://hl7.org/fhir/R4/search.html#return"""

    def __init__(self) -> None:
        self.count = SearchQuery("").count
        self.sort: Literal["_id", "-_id", "_lastUpdated", "-_lastUpdated"] = "_id"
        self.total: Literal["none", "accurate"] = "accurate"

    def take(self, name: str, value: str) -> bool:
        """Whether `name` is a result parameter, now taken. Raises `InvalidRequest` for a bad value."""
        if name == "_count":
            self.count = _parse_count(value)
        elif name == "_sort":
            if value not in _SORTS:
                raise _Unknown("'_sort' takes _id, -_id, _lastUpdated or -_lastUpdated")
            self.sort = _SORTS[value]
        elif name == "_total":
            if value not in ("none", "estimate", "accurate"):
                raise InvalidRequest("'_total' takes none, estimate or accurate", code="value", expression="_total")
            self.total = "none" if value == "none" else "accurate"
        return name in _PRESENTATION or name in ("_count", "_sort", "_total")


def _parse_count(value: str) -> int:
    """A page size from 0 to `MAX_COUNT`: more is cut, as R4 allows ("servers SHALL NOT return more than requested")."""
    if not (value.isascii() and value.isdecimal()) or len(value) > 9:
        raise InvalidRequest("'_count' takes a whole number", code="value", expression="_count")
    return min(int(value), MAX_COUNT)


def _parse_name(name: str) -> _Name:
    head, dot, chain = name.partition(".")
    code, colon, modifier = head.partition(":")
    return _Name(code, modifier if colon else None, chain if dot else None)


def _require_modifier(parameter: SearchParameter, modifier: str | None) -> None:
    """Raise `InvalidRequest` unless the parameter's kind has this modifier and it works here."""
    if modifier is None or modifier == "missing":
        return
    works = _MODIFIERS.get(parameter.kind, {}).get(modifier)
    shown = f"'{parameter.code}:{_shown(modifier)}'"
    if works is None:
        raise InvalidRequest(f"{shown}: a {parameter.kind} parameter has no such modifier", expression=parameter.code)
    if not works:
        raise InvalidRequest(f"{shown} is not supported yet", code="not-supported", expression=parameter.code)


def _require_bounded(name: str, value: str) -> None:
    try:
        size = max(len(value.encode()), len(name.encode()))
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"'{_shown(name)}' is not UTF-8", code="value", expression=_shown(name)) from error
    if size > MAX_VALUE_BYTES:
        raise TooCostly(f"'{_shown(name)}' is longer than {MAX_VALUE_BYTES} bytes", expression=_shown(name))
    if "\0" in value or "\0" in name:
        raise InvalidRequest(f"'{_shown(name)}' holds a NUL character", code="value", expression=_shown(name))


def _shown(text: str) -> str:
    """A name from the client as it may appear in a message: printable and short."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:64])
