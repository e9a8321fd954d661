"""Patients: taken in, found, shown, changed, removed. `/api/v1/patients` of PRODUCT 2.11.

A patient who may be in the records already is 409 with the candidates; `?onDuplicate=redirect` answers 303 instead, and
`?allowDuplicate=true` with a `reason` in the body goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from api.v1.chart import patient_of
from api.v1.endpoint import Endpoint, Form, Outcome, Visit
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Listing, Page, page
from api.v1.occasions import asked
from api.v1.patient_forms import PatientFields, PatientView, row, view
from api.v1.service import Service
from domain.clinic import patients
from domain.clinic.patient_cards import PatientCard
from domain.clinic.patient_kinds import PatientKinds
from domain.errors import Conflict, InvalidFields
from domain.search import PageKey
from fhir_mapping.friendly.diet import Diets
from fhir_mapping.friendly.documents import Documents
from fhir_mapping.friendly.duplicates import Duplicates
from fhir_mapping.friendly.filing import PatientFiling
from fhir_mapping.friendly.insurance import Insurances
from fhir_mapping.friendly.patients import Patients
from fhir_mapping.search_values.escaping import escape

KINDS = PatientKinds(Patients(), Duplicates(), Diets(), Insurances(), Documents(), PatientFiling())
LIST = "/patients"
_SORTS = {"name": "family,given", "-name": "-family,-given", "updatedAt": "_lastUpdated", "-updatedAt": "-_lastUpdated"}


class OnDuplicate(Form, frozen=True, kw_only=True):
    """What to do when somebody like this is in the records. To allow a duplicate needs a `reason` in the body."""

    allow_duplicate: bool = False
    on_duplicate: Literal["conflict", "redirect"] = "conflict"


class PatientsWanted(Listing, frozen=True, kw_only=True):
    """Each filter narrows. `q` are beginnings of names; `email` is whole; `provider` the id of the primary provider."""

    q: Annotated[str, Meta(min_length=2, max_length=100)] | None = None
    email: Annotated[str, Meta(min_length=3, max_length=254)] | None = None
    provider: Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")] | None = None
    sort: Literal["name", "-name", "updatedAt", "-updatedAt"] | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """The search parameters of the filters."""
        found = [("name", escape(word)) for word in (self.q or "").split()]
        found += [] if self.email is None else [("email", escape(self.email.strip()))]
        found += [] if self.provider is None else [("general-practitioner", f"Organization/{self.provider}")]
        return found if self.sort is None else [*found, ("_sort", _SORTS[self.sort])]


async def listed(service: Service, visit: Visit, query: PatientsWanted) -> Outcome:
    """The patients one has to do with; a patient sees themselves and whom they act for"""
    occasion = await asked(service, visit, "patient-list")

    async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[PatientCard], PageKey | None]:
        return await patients.listed(service.parts, KINDS, occasion, query.pairs(), after=after, count=count)

    return await page(service, visit, query, fetch, row, of=LIST, kind=patients.KIND)


async def added(service: Service, visit: Visit, body: PatientFields, query: OnDuplicate) -> Outcome:
    """Take a patient in, unless somebody like this is in the records"""
    occasion = await asked(service, visit, "patient-create")
    try:
        made = await patients.taken_in(service.parts, KINDS, occasion, body.form(), reason=_reason(body, query))
    except Conflict as error:
        return _redirected(error, query)
    return kept(visit, made.answer, view(made), location=f"{LIST}/{made.card.id}")


async def shown(service: Service, visit: Visit) -> Outcome:
    """A patient, with insurance, medical history and diet as far as one may see them"""
    occasion = await asked(service, visit, "patient-read")
    found = await patients.shown(service.parts, KINDS, occasion, patient_of(visit))
    return kept(visit, found.answer, view(found))


async def changed(service: Service, visit: Visit, body: PatientFields, query: OnDuplicate) -> Outcome:
    """Change a patient; what is left out stays"""
    occasion = await asked(service, visit, "patient-update")
    try:
        made = await patients.changed_to(
            service.parts, KINDS, occasion, patient_of(visit), body.form(),
            reason=_reason(body, query), if_match=wanted_version(service, visit),
        )  # fmt: skip
    except Conflict as error:
        return _redirected(error, query)
    return kept(visit, made.answer, view(made))


async def removed(service: Service, visit: Visit) -> Outcome:
    """Remove a patient who is not expected any more; the history stays"""
    occasion = await asked(service, visit, "patient-delete")
    answer = await patients.removed(service.parts, occasion, patient_of(visit), if_match=wanted_version(service, visit))
    return gone(visit, answer)


def _reason(body: PatientFields, query: OnDuplicate) -> str | None:
    """Why a duplicate is allowed; `None` where it is not."""
    if query.allow_duplicate and body.reason is None:
        raise InvalidFields("Who allows a duplicate says why", expression="reason")
    return body.reason if query.allow_duplicate else None


def _redirected(error: Conflict, query: OnDuplicate) -> Outcome:
    """303 to the most alike, where that was asked for; else the conflict goes on."""
    candidates = error.details.get("candidates")
    if query.on_duplicate != "redirect" or not candidates:
        raise error
    return Outcome(None, 303, {"location": candidates[0]["url"]})


ENDPOINTS = (
    Endpoint("GET", LIST, "patient-list", listed, answers=Page, refuses=(410,)),
    Endpoint("POST", LIST, "patient-create", added, answers=PatientView, status=201, replays=True, refuses=(303,)),
    Endpoint("GET", f"{LIST}/{{id}}", "patient-read", shown, answers=PatientView),
    Endpoint("PUT", f"{LIST}/{{id}}", "patient-update", changed, answers=PatientView, refuses=(303,)),
    Endpoint("DELETE", f"{LIST}/{{id}}", "patient-delete", removed, status=204),
)
