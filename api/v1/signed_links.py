"""Links to documents for programs that cannot log in: `POST /documents/{id}/signed-url` of PRODUCT 2.11.

The address holds a sealed token, bound to its document. The bytes come from here, never from the bucket: what lies there is
ciphertext, and nobody would see who fetched it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta

from api.v1.document_content import content_of
from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import signed_links
from domain.errors import Gone, InvalidRequest, NotFound
from domain.identity import ResourceKey

_SUBJECT = "signed-link"


class LinkWanted(Form, frozen=True, kw_only=True):
    """Seconds the link works."""

    ttl: Annotated[int, Meta(ge=1, le=3600)] = 300


class LinkView(View, frozen=True, kw_only=True):
    id: str
    url: str
    expires_at: datetime


async def minted(service: Service, visit: Visit, body: LinkWanted) -> Outcome:
    """A link to a document, which works without a login for at most an hour"""
    occasion, key = await asked(service, visit, "document-link"), _key(visit)
    visit.concerns(str(key))
    link = await signed_links.mint(
        service.parts, service.documents, service.vouchers, occasion, key, timedelta(seconds=body.ttl)
    )
    token = service.cursors.write(link.id, of=_place(key), subject=_SUBJECT)
    url = f"/api/v1/documents/{key.id}/linked/{token}"
    return Outcome(LinkView(id=link.id, url=url, expires_at=link.expires), 201)


async def used(service: Service, visit: Visit) -> Outcome:
    """The document a link leads to"""
    key = _key(visit)
    visit.concerns(str(key))
    try:
        link_id = service.cursors.read(visit.params["token"], of=_place(key), subject=_SUBJECT)
    except (InvalidRequest, Gone):
        raise NotFound("This link does not work any more") from None
    visit.caller = await signed_links.holder(
        service.vouchers, service.people.accounts, link_id, key.id, visit.caller.network
    )
    return await content_of(service, visit, await asked(service, visit, "document-linked"), key)


async def revoked(service: Service, visit: Visit) -> Outcome:
    """End a link of one's own"""
    visit.concerns(str(_key(visit)))
    await signed_links.revoke(service.vouchers, visit.caller, visit.params["link"], visit.params["id"])
    return NOTHING


def _place(key: ResourceKey) -> str:
    return f"link {key}"


def _key(visit: Visit) -> ResourceKey:
    return ResourceKey("DocumentReference", visit.params["id"])


ENDPOINTS = (
    Endpoint("POST", "/documents/{id}/signed-url", "document-link", minted, answers=LinkView, status=201),
    Endpoint("DELETE", "/documents/{id}/signed-url/{link}", "document-unlink", revoked, status=204),
    Endpoint("GET", "/documents/{id}/linked/{token}", "document-linked", used, public=True),
)
