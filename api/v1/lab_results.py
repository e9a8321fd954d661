"""Laboratory reports of a patient: `/patients/{id}/lab-results` of PRODUCT 2.11."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import field

from api.v1.chart import ChartListing, patient_of, view
from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Page, page
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import lab_results
from domain.clinic.chart import Moment
from domain.clinic.lab_result_cards import LabReportCard, LabReportForm
from domain.revision import instant
from domain.search import PageKey
from fhir_mapping.friendly.lab_results import SECTION, LabResults

RECORDS = LabResults()
PATH = "/patients/{id}/lab-results"


class LabResultsWanted(ChartListing, frozen=True, kw_only=True):
    """`from` is included, `to` is not: the time the specimen was taken."""

    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)

    def pairs(self) -> list[tuple[str, str]]:
        """See `ChartListing.pairs`."""
        found = [("_sort", "-date"), ("category", f"{SECTION}|LAB"), ("status:not", "entered-in-error")]
        given = (("ge", self.since), ("lt", self.until))
        return [*found, *(("date", f"{sign}{instant(moment)}") for sign, moment in given if moment is not None)]


async def listed(service: Service, visit: Visit, query: LabResultsWanted) -> Outcome:
    """The laboratory reports of a patient with their results, newest first"""
    patient = patient_of(visit)
    occasion = await asked(service, visit, "lab-result-list")

    async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[LabReportCard], PageKey | None]:
        return await lab_results.listed(
            service.parts, RECORDS, occasion, patient, query.pairs(), after=after, count=count
        )

    return await page(service, visit, query, fetch, view, of=PATH.format(id=patient.id), kind=lab_results.KIND)


async def added(service: Service, visit: Visit, body: LabReportForm) -> Outcome:
    """Report results of a laboratory"""
    patient = patient_of(visit)
    occasion = await asked(service, visit, "lab-result-create")
    made = await lab_results.reported(service.parts, RECORDS, occasion, patient, body)
    return kept(visit, made.answer, view(made.card), location=f"{PATH.format(id=patient.id)}/{made.card.id}")


async def shown(service: Service, visit: Visit) -> Outcome:
    """Show a laboratory report with its results"""
    occasion = await asked(service, visit, "lab-result-read")
    found = await lab_results.shown(service.parts, RECORDS, occasion, patient_of(visit), visit.params["entry"])
    return kept(visit, found.answer, view(found.card))


async def changed(service: Service, visit: Visit, body: LabReportForm) -> Outcome:
    """Correct a laboratory report; results it has no more were entered in error"""
    occasion = await asked(service, visit, "lab-result-update")
    made = await lab_results.corrected(
        service.parts, RECORDS, occasion, patient_of(visit), visit.params["entry"], body,
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return kept(visit, made.answer, view(made.card))


async def removed(service: Service, visit: Visit) -> Outcome:
    """Withdraw a laboratory report with its results as entered in error"""
    occasion = await asked(service, visit, "lab-result-delete")
    answer = await lab_results.withdrawn(
        service.parts, RECORDS, occasion, patient_of(visit), visit.params["entry"],
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return gone(visit, answer)


ENDPOINTS = (
    Endpoint("GET", PATH, "lab-result-list", listed, answers=Page),
    Endpoint("POST", PATH, "lab-result-create", added, answers=LabReportCard, status=201, replays=True),
    Endpoint("GET", f"{PATH}/{{entry}}", "lab-result-read", shown, answers=LabReportCard),
    Endpoint("PUT", f"{PATH}/{{entry}}", "lab-result-update", changed, answers=LabReportCard),
    Endpoint("DELETE", f"{PATH}/{{entry}}", "lab-result-delete", removed, status=204),
)
