"""What concerns the whole server: https://hl7.org/fhir/R4/http.html#capabilities"""

from __future__ import annotations

from api.fhir.exchange import Reply
from api.fhir.responses import bundle_reply
from api.fhir.service import Call, Service


async def capabilities(service: Service, call: Call) -> Reply:
    """GET [base]/metadata; needs no token, names no data."""
    return bundle_reply(call.exchange, service.capability)
