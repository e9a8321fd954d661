"""Documents shared with practitioners: `/api/v1` of PRODUCT 2.11, share and shared-documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.v1.documents import DocumentView, view
from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import sharing
from domain.clinic.sharing import Share
from domain.identity import ResourceKey


class Sharing(Form, frozen=True, kw_only=True):
    """With whom, and until when. Reading and downloading are one permission: what can be read can be kept."""

    practitioner_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9\-.]+$")]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    permissions: tuple[Literal["READ", "DOWNLOAD"], ...] = ("READ", "DOWNLOAD")
    purpose: Literal["TREAT", "HPAYMT", "HOPERAT", "HRESCH", "PATRQT"] = "TREAT"


class ShareView(View, frozen=True, kw_only=True):
    share_id: str
    document_id: str
    practitioner_id: str
    created_at: datetime
    expires_at: datetime | None
    active: bool
    purpose: str


class SharesView(View, frozen=True, kw_only=True):
    items: tuple[ShareView, ...]


class SharedView(View, frozen=True, kw_only=True):
    """`direction` is seen from the caller."""

    direction: Literal["with-me", "by-me"]
    share: ShareView
    document: DocumentView


class SharedDocumentsView(View, frozen=True, kw_only=True):
    items: tuple[SharedView, ...]


async def share(service: Service, visit: Visit, body: Sharing) -> Outcome:
    """Share a document with a practitioner, as its source"""
    occasion = await asked(service, visit, "document-share")
    made, answer = await sharing.share(
        service.parts, service.documents, service.shares, occasion, _key(visit),
        body.practitioner_id, body.expires_at, body.purpose,
    )  # fmt: skip
    visit.concerns(str(_key(visit)), *answer.targets, patients=answer.patients)
    location = f"/api/v1/documents/{visit.params['id']}/share/{made.id}"
    return Outcome(_view(made), 201, {"location": location}, recorded=answer.recorded)


async def revoked(service: Service, visit: Visit) -> Outcome:
    """End a share at once"""
    occasion = await asked(service, visit, "document-unshare")
    answer = await sharing.revoke(
        service.parts, service.documents, service.shares, occasion, _key(visit), visit.params["share"]
    )
    visit.concerns(str(_key(visit)), *answer.targets, patients=answer.patients)
    return msgspec.structs.replace(NOTHING, recorded=answer.recorded)


async def listed(service: Service, visit: Visit) -> Outcome:
    """With whom a document is or was shared, for its source"""
    occasion = await asked(service, visit, "document-shares")
    visit.concerns(str(_key(visit)))
    found = await sharing.shown(service.parts, service.documents, service.shares, occasion, _key(visit))
    return Outcome(SharesView(items=tuple(map(_view, found))))


async def shared(service: Service, visit: Visit) -> Outcome:
    """A patient's documents that are shared with the caller, or by the caller"""
    patient = visit.params["id"]
    visit.concerns(patients=(patient,))
    occasion = await asked(service, visit, "document-shares")
    found = await sharing.with_me_or_by_me(service.parts, service.documents, service.shares, occasion, patient)
    visit.concerns(*(f"DocumentReference/{card.id}" for _, card in found))
    rows = tuple(
        SharedView(
            direction="by-me" if each.by == visit.caller.subject else "with-me", share=_view(each), document=view(card)
        )
        for each, card in found
    )
    return Outcome(SharedDocumentsView(items=rows))


def _view(share: Share) -> ShareView:
    return ShareView(
        share_id=share.id,
        document_id=share.document,
        practitioner_id=share.practitioner.removeprefix("Practitioner/"),
        created_at=share.created_at,
        expires_at=share.expires_at,
        active=share.active,
        purpose=share.purpose,
    )


def _key(visit: Visit) -> ResourceKey:
    return ResourceKey("DocumentReference", visit.params["id"])


ENDPOINTS = (
    Endpoint("POST", "/documents/{id}/share", "document-share", share, answers=ShareView, status=201),
    Endpoint("DELETE", "/documents/{id}/share/{share}", "document-unshare", revoked, status=204),
    Endpoint("GET", "/documents/{id}/shares", "document-shares", listed, answers=SharesView),
    Endpoint("GET", "/patients/{id}/shared-documents", "document-shares", shared, answers=SharedDocumentsView),
)
