"""The ways to ask for a search: a type, a compartment or the whole system, by GET or by POST.

https://hl7.org/fhir/R4/http.html#search. Parameters in a form body are for values that should not stand in URLs and logs.
"""

from __future__ import annotations

from api.fhir.exchange import Reply, pairs_in
from api.fhir.headers import media_type
from api.fhir.scopes import SYSTEM, of_compartment, of_system, of_type
from api.fhir.searching import PAGE, search_pairs
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest, UnsupportedMedia


async def in_type(service: Service, call: Call) -> Reply:
    """GET [base]/[type]?[parameters], POST [base]/[type]/_search"""
    return await search_pairs(service, call, of_type(call), asked(call))


async def in_compartment(service: Service, call: Call) -> Reply:
    """GET [base]/[compartment]/[id]/[type]?[parameters], POST the same with /_search; `*` for every type"""
    return await search_pairs(service, call, of_compartment(service, call), asked(call))


async def in_system(service: Service, call: Call) -> Reply:
    """GET [base]?_type=…&[parameters], POST [base]/_search"""
    pairs = asked(call)
    scope = SYSTEM if PAGE in dict(pairs) else of_system(service, pairs)
    return await search_pairs(service, call, scope, pairs)


def asked(call: Call) -> list[tuple[str, str]]:
    """The parameters of the URL, and those of the form body of a POST."""
    if call.exchange.method != "POST":
        return call.exchange.pairs
    if media_type(call.exchange) not in ("application/x-www-form-urlencoded", ""):
        raise UnsupportedMedia("A search by POST has a form body: application/x-www-form-urlencoded")
    try:
        return [*call.exchange.pairs, *pairs_in(call.body.decode("utf-8"))]
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8", code="value") from error
