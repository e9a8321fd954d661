"""Entries of a patient's chart over `/api/v1`: five endpoints for each noun, made from one row of data.

What is sent and shown are the noun's own form and card (`domain/clinic/chart.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from api.v1.endpoint import Endpoint, Handler, Outcome, View, Visit
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Listing, Page, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import chart
from domain.clinic.chart import ChartRecords, Said, Shown
from domain.identity import ResourceKey
from domain.search import PageKey


class ChartListing(Listing, frozen=True, kw_only=True):
    """The query of a list of entries. Filters of subclasses become search parameters."""

    def pairs(self) -> Sequence[tuple[str, str]]:
        """The search parameters that the filters stand for, with those that every list of the noun has."""
        return ()


class Noun(NamedTuple):
    """A kind of entry. `path` is below the patient, `interaction` its name in the audit, `one` what people call it."""

    path: str
    interaction: str
    one: str
    records: ChartRecords[Any, Any]
    form: type[Said]
    card: type[Shown]
    wanted: type[ChartListing]


def endpoints(noun: Noun) -> tuple[Endpoint, ...]:
    """The endpoints of a noun: list, add, show, change, take back."""
    listed, added, shown, changed, removed = _handlers(noun)
    path, name = f"/patients/{{id}}/{noun.path}", noun.interaction
    return (
        Endpoint("GET", path, f"{name}-list", listed, answers=Page),
        Endpoint("POST", path, f"{name}-create", added, answers=noun.card, status=201, replays=True),
        Endpoint("GET", f"{path}/{{entry}}", f"{name}-read", shown, answers=noun.card),
        Endpoint("PUT", f"{path}/{{entry}}", f"{name}-update", changed, answers=noun.card),
        Endpoint("DELETE", f"{path}/{{entry}}", f"{name}-delete", removed, status=204),
    )


def patient_of(visit: Visit) -> ResourceKey:
    """The patient in the path, named in the audit."""
    key = ResourceKey("Patient", visit.params["id"])
    visit.concerns(patients=(key.id,))
    return key


def view(card: msgspec.Struct) -> View:
    """A card as it is shown: its names are those of the wire already."""
    return cast("View", card)


def described(handler: Handler, said: str, **annotations: type[msgspec.Struct]) -> Handler:
    """A handler with its description, and what its body or query is decoded as."""
    handler.__doc__ = said
    handler.__annotations__.update(annotations)
    return handler


def _handlers(noun: Noun) -> tuple[Handler, Handler, Handler, Handler, Handler]:
    records, name, where = noun.records, noun.interaction, f"/{noun.path}"

    async def listed(service: Service, visit: Visit, query: ChartListing) -> Outcome:
        patient = patient_of(visit)
        occasion = await asked(service, visit, f"{name}-list")

        async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[Any], PageKey | None]:
            return await chart.listed(
                service.parts, records, occasion, patient, query.pairs(), after=after, count=count
            )

        return await page(service, visit, query, fetch, view, of=f"/patients/{patient.id}{where}", kind=records.type)

    async def added(service: Service, visit: Visit, body: Said) -> Outcome:
        patient = patient_of(visit)
        occasion = await asked(service, visit, f"{name}-create")
        made = await chart.noted(service.parts, records, occasion, patient, body)
        return kept(visit, made.answer, view(made.card), location=f"/patients/{patient.id}{where}/{made.card.id}")

    async def shown(service: Service, visit: Visit) -> Outcome:
        occasion = await asked(service, visit, f"{name}-read")
        card, answer = await chart.found(service.parts, records, occasion, patient_of(visit), visit.params["entry"])
        return kept(visit, answer, view(card))

    async def changed(service: Service, visit: Visit, body: Said) -> Outcome:
        occasion = await asked(service, visit, f"{name}-update")
        made = await chart.amended(
            service.parts, records, occasion, patient_of(visit), visit.params["entry"], body,
            if_match=wanted_version(service, visit),
        )  # fmt: skip
        return kept(visit, made.answer, view(made.card))

    async def removed(service: Service, visit: Visit) -> Outcome:
        occasion = await asked(service, visit, f"{name}-delete")
        answer = await chart.taken_back(
            service.parts, records, occasion, patient_of(visit), visit.params["entry"],
            if_match=wanted_version(service, visit),
        )  # fmt: skip
        return gone(visit, answer)

    one = noun.one
    return (
        described(listed, f"The {noun.path.replace('-', ' ')} of a patient, newest first", query=noun.wanted),
        described(added, f"Write {one} into a patient's chart", body=noun.form),
        described(shown, f"Show {one}"),
        described(changed, f"Change {one}; what the form leaves out is removed", body=noun.form),
        described(removed, f"Take {one} back; the history stays"),
    )
