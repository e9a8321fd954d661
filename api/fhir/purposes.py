"""What a request is made for: `X-Purpose-Of-Use`, and emergency access by header in one request.

`X-Purpose-Of-Use: BTG` with `X-Break-Glass-Reason` (percent-encoded UTF-8) opens emergency access to the patient the
request names, under the same rules as `POST /api/v1/break-glass`, and is answered with it. Codes:
https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html
"""

from __future__ import annotations

import re
from urllib.parse import unquote

import msgspec

from api.fhir.exchange import Exchange
from domain.access import Caller
from domain.break_glass import PURPOSE
from domain.errors import InvalidRequest
from domain.grants import GrantBook
from domain.identity import ID, parse_reference
from domain.interactions.parts import Parts
from domain.operations.break_glass import Wish, glass_for

HEADER, REASON = b"x-purpose-of-use", b"x-break-glass-reason"
_CODES = re.compile(r"[A-Z]{2,12}(?:\s*,\s*[A-Z]{2,12}){0,7}")


async def with_purpose(parts: Parts, book: GrantBook, exchange: Exchange, caller: Caller, request_id: str) -> Caller:
    """The caller with the purposes of this request; opens emergency access when they ask for it.

    Raises `InvalidRequest` for what are no codes, or when the request names no patient; else what `open_glass` does.
    """
    text = exchange.header(HEADER)
    if text is None:
        return caller
    if _CODES.fullmatch(text.strip()) is None:
        raise InvalidRequest("X-Purpose-Of-Use takes codes such as TREAT or BTG", code="value")
    purposes = frozenset(code.strip() for code in text.split(","))
    caller = msgspec.structs.replace(caller, purpose=purposes)
    reason = exchange.header(REASON)
    if PURPOSE in purposes and reason is not None:
        await glass_for(parts, book, caller, Wish(_patient_of(exchange), _decoded(reason)), request_id)
    return caller


def _decoded(reason: str) -> str:
    try:
        return unquote(reason, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("X-Break-Glass-Reason is percent-encoded UTF-8", code="value") from None


def _patient_of(exchange: Exchange) -> str:
    """The one patient the request names, by its path or by a search parameter."""
    if exchange.segments[:1] == ("Patient",) and len(exchange.segments) > 1 and ID.fullmatch(exchange.segments[1]):
        return exchange.segments[1]
    named = {value for name, value in exchange.pairs if name in ("patient", "subject", "subject:Patient")}
    if len(named) == 1:
        value = named.pop()
        if ID.fullmatch(value):
            return value
        reference = parse_reference(value)
        if reference is not None and reference.key.type == "Patient":
            return reference.key.id
    raise InvalidRequest("Emergency access is to one patient: the request must name them", code="value")
