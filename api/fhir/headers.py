"""The request headers FHIR gives a meaning: https://hl7.org/fhir/R4/http.html

Each function reads one header (or its `_format` twin) and raises a precise error for what cannot be meant.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import msgspec

from api.fhir.exchange import Exchange
from domain.errors import InvalidRequest, NotAcceptable, UnsupportedMedia
from domain.identity import parse_etags
from domain.interactions.read import Known

JSON_TYPES = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json", "json"})
_ANY = frozenset({"*/*", "application/*", "text/*"})
Return = Literal["representation", "minimal", "OperationOutcome"]

_RETURNS: tuple[Return, ...] = ("representation", "minimal", "OperationOutcome")


class Preference(msgspec.Struct, frozen=True):
    """The Prefer header: what a write returns (`None`: no wish), and whether unknown search parameters are errors."""

    returns: Return | None = None
    strict: bool = False


DEFAULT = Preference()


def preference(exchange: Exchange) -> Preference:
    """Read Prefer (https://hl7.org/fhir/R4/http.html#prefer); what is not understood is ignored, as RFC 7240 asks."""
    text = exchange.header(b"prefer")
    if text is None:
        return DEFAULT
    wishes = dict(part.strip().partition("=")[::2] for part in text.replace(";", ",").split(","))
    returns = wishes.get("return", "").strip('"')
    understood = next((wish for wish in _RETURNS if wish == returns), None)
    return Preference(understood, wishes.get("handling", "").strip('"') == "strict")


def if_match(exchange: Exchange) -> frozenset[str] | None:
    """The versions If-Match accepts, or `None`."""
    text = exchange.header(b"if-match")
    return parse_etags(text) if text is not None else None


def known(exchange: Exchange) -> Known | None:
    """What the client already has, by If-None-Match or If-Modified-Since; an unreadable date is ignored (RFC 7232)."""
    tags = exchange.header(b"if-none-match")
    if tags is not None:
        return Known(versions=parse_etags(tags))
    text = exchange.header(b"if-modified-since")
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return Known(since=moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def media_type(exchange: Exchange) -> str:
    """The media type of the body, lower-case, without parameters; empty when none is given.

    A `fhirVersion` other than 4.0 and a charset other than UTF-8 are refused (https://hl7.org/fhir/R4/http.html#mime-type).
    """
    text = exchange.header(b"content-type") or ""
    head, _, tail = text.partition(";")
    for parameter in tail.split(";") if tail else ():
        name, _, value = parameter.strip().partition("=")
        value = value.strip('"').lower()
        if (name.lower() == "fhirversion" and value != "4.0") or (name.lower() == "charset" and value != "utf-8"):
            raise UnsupportedMedia("Bodies are FHIR 4.0 in UTF-8")
    if exchange.header(b"content-encoding") not in (None, "identity"):
        raise UnsupportedMedia("Compressed bodies are not read")
    return head.strip().lower()


def require_json(exchange: Exchange) -> None:
    """Raise `UnsupportedMedia` unless the body is declared as FHIR JSON (or not declared at all)."""
    kind = media_type(exchange)
    if kind and kind not in JSON_TYPES:
        raise UnsupportedMedia("The body must be application/fhir+json")


def require_json_answer(exchange: Exchange) -> None:
    """Raise `NotAcceptable` when the client accepts no JSON; `_format` wins over Accept."""
    wanted = exchange.parameter("_format")
    if wanted is not None:
        if wanted.partition(";")[0].strip().lower().replace(" ", "+") not in JSON_TYPES:
            raise NotAcceptable("Answers are written as application/fhir+json only")
        return
    accept = exchange.header(b"accept")
    if accept is None or accept == "application/fhir+json" or accept == "*/*":
        return
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if kinds.isdisjoint(JSON_TYPES) and kinds.isdisjoint(_ANY):
        raise NotAcceptable("Answers are written as application/fhir+json only")


def flag(exchange: Exchange, name: str) -> bool:
    """A boolean query parameter such as `_pretty`."""
    value = exchange.parameter(name)
    if value not in (None, "", "true", "false"):
        raise InvalidRequest(f"{name} is true or false", code="value")
    return value == "true"


def http_date(moment: datetime) -> str:
    """An HTTP date (RFC 7231 section 7.1.1.1): `Fri, 20 Nov 2026 10:00:00 GMT`."""
    days, months = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), _MONTHS
    utc = moment.astimezone(UTC)
    return (
        f"{days[utc.weekday()]}, {utc.day:02d} {months[utc.month - 1]} {utc.year:04d} "
        f"{utc.hour:02d}:{utc.minute:02d}:{utc.second:02d} GMT"
    )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
