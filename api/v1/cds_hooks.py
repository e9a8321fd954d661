"""Drug interactions for the order screens of other systems: CDS Hooks 2.0, https://cds-hooks.hl7.org/2.0/

Also at `/cds-services` of this server. The services answer what `/prescriptions` would; a patient whose medications are
neither sent along nor known here is 412. Only the token of this API lets in, for `fhirAuthorization` is never used: nothing
is fetched from an address that a request names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.interactions import Id
from api.v1.occasions import asked
from api.v1.service import Service
from domain.accounts.managing import require_administrator
from domain.clinic.cds_feedback import Feedback
from domain.clinic.drug_interactions import NOTICE, Alert, Check
from domain.clinic.order_checking import ALLERGIES, TAKEN, Orders, checked
from domain.clinic.prescription_cards import Warned
from domain.errors import InvalidContent, InvalidFields, NotFound
from domain.identity import FhirJson, ResourceKey

SERVICES = {"ddi-order-select": "order-select", "ddi-order-sign": "order-sign"}
PREFETCH = {
    "MedicationRequest": "MedicationRequest?patient={{context.patientId}}&status=active,on-hold",
    "MedicationStatement": "MedicationStatement?patient={{context.patientId}}&status=active,intended,on-hold",
    "AllergyIntolerance": "AllergyIntolerance?patient={{context.patientId}}",
}
BODY_BYTES = 4 * 1024 * 1024
_INDICATORS = {"contraindicated": "critical", "major": "warning"}
_REASONS = {
    "MONITORED": "The patient is monitored",
    "THERAPY_APPROPRIATE": "The benefit outweighs the risk",
    "PATIENT_ASSESSED": "The patient was assessed",
    "NO_LONGER_TAKEN": "The other medication is not taken any more",
    "PRIOR_THERAPY": "The patient has tolerated both before",
}
_REASON_SYSTEM = "urn:chartvault:override-reason"


class HookForm(Form, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """CDS clients may send more than is asked for."""


class OrderContext(HookForm, frozen=True, kw_only=True):
    user_id: Annotated[str, Meta(min_length=1, max_length=200)]
    patient_id: Id
    draft_orders: msgspec.Raw
    selections: Annotated[tuple[str, ...], Meta(max_length=100)] = ()


class HookRequest(HookForm, frozen=True, kw_only=True):
    """What a CDS client asks."""

    hook: Literal["order-select", "order-sign"]
    hook_instance: Annotated[str, Meta(min_length=1, max_length=100)]
    context: OrderContext
    prefetch: dict[str, msgspec.Raw] | None = None


class ReasonForm(HookForm, frozen=True, kw_only=True):
    code: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]


class OverrideReasonForm(HookForm, frozen=True, kw_only=True):
    reason: ReasonForm | None = None


class CardFeedback(HookForm, frozen=True, kw_only=True):
    card: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    outcome: Literal["accepted", "overridden"]
    override_reason: OverrideReasonForm | None = None


class FeedbackForm(HookForm, frozen=True, kw_only=True):
    feedback: Annotated[tuple[CardFeedback, ...], Meta(min_length=1, max_length=100)]


class ServiceView(View, frozen=True, kw_only=True):
    id: str
    hook: str
    title: str
    description: str
    prefetch: dict[str, str]


class ServicesView(View, frozen=True, kw_only=True):
    services: tuple[ServiceView, ...]


class CardsView(View, frozen=True, kw_only=True):
    """Cards as CDS Hooks has them; `extension` says that it is not a complete check."""

    cards: tuple[dict[str, Any], ...]
    extension: dict[str, Any]


class CountedView(View, frozen=True, kw_only=True):
    service: str
    alert: str
    outcome: str
    reason: str | None
    times: int


class FeedbackView(View, frozen=True, kw_only=True):
    items: tuple[CountedView, ...]


async def services(service: Service, visit: Visit) -> Outcome:
    """The CDS services there are"""
    said = (
        "Checks drafts of medication orders against each other, and against what the patient takes and is allergic to."
    )
    rows = (
        ServiceView(id=name, hook=hook, title="Drug interactions", description=f"{said} {NOTICE}", prefetch=PREFETCH)
        for name, hook in SERVICES.items()
    )
    return Outcome(ServicesView(services=tuple(rows)))


async def called(service: Service, visit: Visit, body: HookRequest) -> Outcome:
    """Cards for orders that were chosen or are about to be signed"""
    name = visit.params["service"]
    if SERVICES.get(name) is None:
        raise NotFound("There is no such service")
    if SERVICES[name] != body.hook:
        raise InvalidFields(f"This service is for {SERVICES[name]}", expression="hook")
    visit.concerns(patients=(body.context.patient_id,))
    occasion = await asked(service, visit, "cds-hook")
    orders = Orders(
        patient=body.context.patient_id.removeprefix("Patient/"),
        drafts=tuple(_resources(service, body.context.draft_orders, "context.draftOrders")),
        selections=frozenset(body.context.selections) if body.hook == "order-select" else frozenset(),
        fetched={
            kind: tuple(
                each for each in _resources(service, raw, f"prefetch.{kind}") if each.get("resourceType") == kind
            )
            for kind, raw in (body.prefetch or {}).items()
            if kind in (*TAKEN, ALLERGIES) and bytes(raw) != b"null"
        },
    )
    check = await checked(service.parts, service.prescribing, service.issues, occasion, orders)
    cards = tuple(_cards(service, check, orders, body.hook_instance))
    extension = {"notice": check.notice, "kbVersion": check.version, "unresolved": list(check.unresolved)}
    return Outcome(CardsView(cards=cards, extension=extension))


async def told(service: Service, visit: Visit, body: FeedbackForm) -> Outcome:
    """Keep what somebody did with the cards; of an override the code, not what was written"""
    name, now = visit.params["service"], service.parts.clock()
    if name not in SERVICES:
        raise NotFound("There is no such service")
    rows = []
    for each in body.feedback:
        reason = None if each.override_reason is None else each.override_reason.reason
        row = Feedback(
            service=name,
            card=each.card,
            alert=_alert_of(each.card),
            outcome=each.outcome,
            reason=None if reason is None else reason.code,
            at=now,
            by=visit.caller.subject,
        )
        rows.append(row)
    await service.feedback.add(rows)
    return Outcome(CardsView(cards=(), extension={"kept": len(rows)}))


async def counted(service: Service, visit: Visit) -> Outcome:
    """How often alerts were accepted and overridden, for administrators"""
    require_administrator(visit.caller)
    found = await service.feedback.counted()
    return Outcome(FeedbackView(items=tuple(CountedView(**msgspec.structs.asdict(each)) for each in found)))


def _resources(service: Service, raw: msgspec.Raw, field: str) -> Iterator[FhirJson]:
    """The resources of a Bundle, or the one that stands there."""
    try:
        content: Any = service.parts.reading.decoded(bytes(raw))
    except InvalidContent:
        raise InvalidFields("This cannot be read", expression=field) from None
    if not isinstance(content, dict):
        raise InvalidFields("A Bundle is expected", expression=field)
    entries = content.get("entry", []) if content.get("resourceType") == "Bundle" else [{"resource": content}]
    if not isinstance(entries, list) or len(entries) > 1_000:
        raise InvalidFields("A Bundle of at most 1,000 entries is expected", expression=field)
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource


def _cards(service: Service, check: Check, orders: Orders, instance: str) -> Iterator[dict[str, Any]]:
    for alert in check.alerts:
        yield _card(service, alert, check, orders, instance)
    if check.unresolved:
        yield {
            "uuid": _uuid("0" * 16, f"{instance}|unresolved"),
            "summary": f"{len(check.unresolved)} medications could not be checked"[:139],
            "detail": f"Not known to the tables: {', '.join(check.unresolved)}. {check.notice}",
            "indicator": "info",
            "source": {"label": f"Chartvault, tables {check.version}"},
        }


def _card(service: Service, alert: Alert, check: Check, orders: Orders, instance: str) -> dict[str, Any]:
    names = " with ".join(alert.pair)
    sources = {each.source: each.url for each in alert.sources}
    card: dict[str, Any] = {
        "uuid": _uuid(alert.id, f"{instance}|{alert.id}"),
        "summary": f"{alert.severity.capitalize()}: {names}"[:139],
        "detail": f"{alert.effect} {alert.management} {check.notice}",
        "indicator": _INDICATORS.get(alert.severity, "info"),
        "source": _source(sources, check.version),
        "overrideReasons": [
            {"system": _REASON_SYSTEM, "code": code, "display": text} for code, text in _REASONS.items()
        ],
        "links": [{"label": label, "url": url, "type": "absolute"} for label, url in sources.items() if url],
    }
    draft = next((each for each in alert.references if each is not None), None)
    if draft is not None:
        kind, _, logical_id = draft.partition("/")
        warned = Warned(alert, ResourceKey(kind, logical_id), orders.patient, None)
        action = {
            "type": "create",
            "description": "Record that this was considered",
            "resource": service.prescribing.records.issue(warned, service.parts.clock()),
        }
        card["suggestions"] = [
            {"label": "Considered", "uuid": _uuid(alert.id, f"{instance}|{alert.id}|considered"), "actions": [action]}
        ]
        card["selectionBehavior"] = "any"
    return card


def _source(sources: Mapping[str, str], version: str) -> dict[str, str]:
    label, url = next(iter(sources.items()), (f"Chartvault, tables {version}", ""))
    return {"label": label, "url": url} if url else {"label": label}


def _uuid(alert: str, name: str) -> str:
    """A UUID of version 8 (RFC 9562) that starts with the alert: so feedback says which alert it is about."""
    rest = hashlib.sha256(name.encode()).hexdigest()
    return f"{alert[:8]}-{alert[8:12]}-8{alert[12:15]}-8{rest[:3]}-{rest[3:15]}"


def _alert_of(card: str) -> str:
    return f"{card[:8]}{card[9:13]}{card[15:18]}"


ENDPOINTS = (
    Endpoint("GET", "/cds-services", "cds-discovery", services, answers=ServicesView, public=True),
    Endpoint(
        "POST", "/cds-services/{service}", "cds-hook", called, answers=CardsView, limit=BODY_BYTES, refuses=(412,)
    ),
    Endpoint("POST", "/cds-services/{service}/feedback", "cds-feedback", told, answers=CardsView),
    Endpoint("GET", "/interactions/feedback", "cds-feedback-list", counted, answers=FeedbackView),
)
