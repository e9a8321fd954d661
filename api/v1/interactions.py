"""Which medications do not go together: asked beforehand, and the tables that say so. `/api/v1` of PRODUCT 2.11, 4.2.

Every answer says that it is not a complete check.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

from msgspec import Meta

from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.accounts.managing import require_administrator
from domain.clinic.drug_interactions import NOTICE, Alert, Check, Medication
from domain.clinic.drug_knowledge import Severity
from domain.clinic.drug_tables import MAX_BYTES, Tables
from domain.clinic.medication_check import CheckSet, check_set
from domain.errors import NotFound
from domain.identity import ResourceKey
from domain.interactions.read import read

Id: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Named: TypeAlias = Annotated[str, Meta(min_length=1, max_length=300, pattern=r"\S")]
_TABLE = {"drugs": "ddi_drugs", "classes": "ddi_classes", "rules": "ddi_rules"}


class MedicationForm(Form, frozen=True, kw_only=True):
    """A medication by its name, and by its RxNorm code where it is known."""

    text: Named
    rxnorm: Annotated[str, Meta(pattern=r"^[0-9]{1,8}$")] | None = None

    @property
    def medication(self) -> Medication:
        return Medication(self.text, self.rxnorm)


class MedicationView(View, frozen=True, kw_only=True):
    text: str
    rxnorm: str | None


class SourceView(View, frozen=True, kw_only=True):
    """Who says so: the rule of the tables, its source and where that is found."""

    rule: str
    source: str
    url: str


class AlertView(View, frozen=True, kw_only=True):
    """Two medications, or a medication and an allergy, that do not go together. `references` are where they are recorded."""

    id: str
    severity: Severity
    pair: tuple[str, ...]
    effect: str
    management: str
    source: str
    sources: tuple[SourceView, ...]
    references: tuple[str | None, ...]
    allergy: bool


class CheckView(View, frozen=True, kw_only=True):
    """What was checked by which tables, what was found, the worst first. `unresolved` is what the tables do not know: nothing
    is said about it, least of all that it is safe."""

    kb_version: str
    checked: tuple[str, ...]
    unresolved: tuple[str, ...]
    alerts: tuple[AlertView, ...]
    notice: str


class Question(Form, frozen=True, kw_only=True):
    """Medications to check against each other, and against what a patient takes."""

    medications: Annotated[tuple[MedicationForm, ...], Meta(min_length=1, max_length=50)]
    patient_id: Id | None = None


class TablesView(View, frozen=True, kw_only=True):
    """Drug tables in their newest version, which is in force when it is `active`."""

    name: str
    version: int
    kb_version: str
    active: bool
    imported_at: datetime | None
    imported_by: str | None
    drugs: int
    classes: int
    rules: int


class AllTablesView(View, frozen=True, kw_only=True):
    items: tuple[TablesView, ...]
    notice: str = NOTICE


class TablesForm(Form, frozen=True, kw_only=True):
    """Three CSV texts with the columns of the exported ones."""

    drugs: str
    classes: str
    rules: str


def check_view(check: Check) -> CheckView:
    return CheckView(
        kb_version=check.version,
        checked=check.checked,
        unresolved=check.unresolved,
        alerts=tuple(map(_alert_view, check.alerts)),
        notice=check.notice,
    )


def _alert_view(alert: Alert) -> AlertView:
    return AlertView(
        id=alert.id,
        severity=alert.severity,
        pair=alert.pair,
        effect=alert.effect,
        management=alert.management,
        source="; ".join(dict.fromkeys(each.source for each in alert.sources)),
        sources=tuple(SourceView(rule=each.rule, source=each.source, url=each.url) for each in alert.sources),
        references=alert.references,
        allergy=alert.allergy,
    )


async def checked(service: Service, visit: Visit, body: Question) -> Outcome:
    """Check medications against each other and what a patient takes; nothing is stored"""
    occasion = await asked(service, visit, "interaction-check")
    using, found = service.prescribing, CheckSet()
    if body.patient_id is not None:
        visit.concerns(patients=(body.patient_id,))
        await read(service.parts, occasion, ResourceKey("Patient", body.patient_id))
        found = await check_set(service.parts, using.reading, occasion, body.patient_id)
    known = await using.tables.active()
    medications = [each.medication for each in body.medications]
    return Outcome(check_view(known.check(medications, found.taken, found.allergies)))


async def tables(service: Service, visit: Visit) -> Outcome:
    """The drug tables there are, for administrators"""
    require_administrator(visit.caller)
    found = await service.prescribing.tables.listed()
    return Outcome(AllTablesView(items=tuple(map(_tables_view, found))))


async def imported(service: Service, visit: Visit, body: TablesForm) -> Outcome:
    """Import drug tables as the next version of a name, in force from the next check on"""
    require_administrator(visit.caller)
    texts = {table: getattr(body, name) for name, table in _TABLE.items()}
    made = await service.prescribing.tables.put(visit.params["name"], texts, by=visit.caller.subject)
    visit.concerns(f"DrugTables/{made.name}/{made.number}")
    return Outcome(_tables_view(made), version=made.number)


async def retired(service: Service, visit: Visit) -> Outcome:
    """Take drug tables out of use; their versions stay"""
    require_administrator(visit.caller)
    made = await service.prescribing.tables.put(visit.params["name"], None, by=visit.caller.subject)
    visit.concerns(f"DrugTables/{made.name}/{made.number}")
    return NOTHING


async def exported(service: Service, visit: Visit) -> Outcome:
    """One of the tables as CSV: `drugs`, `classes` or `rules`"""
    require_administrator(visit.caller)
    table = _TABLE.get(visit.params["table"])
    if table is None:
        raise NotFound(f"The tables are {', '.join(_TABLE)}")
    texts = await service.prescribing.tables.texts(visit.params["name"])
    headers = {
        "content-type": "text/csv; charset=utf-8",
        "content-disposition": f'attachment; filename="{table}.csv"',
    }
    return Outcome(texts[table].encode(), headers=headers)


def _tables_view(tables: Tables) -> TablesView:
    return TablesView(
        name=tables.name,
        version=tables.number,
        kb_version=tables.version,
        active=tables.active,
        imported_at=tables.imported_at,
        imported_by=tables.imported_by,
        drugs=tables.drugs,
        classes=tables.classes,
        rules=tables.rules,
    )


_PATH = "/interactions/tables"
ENDPOINTS = (
    Endpoint("POST", "/interactions/check", "interaction-check", checked, answers=CheckView, refuses=(404, 410)),
    Endpoint("GET", _PATH, "drug-tables-list", tables, answers=AllTablesView),
    Endpoint(
        "PUT", f"{_PATH}/{{name}}", "drug-tables-import", imported, answers=TablesView, limit=MAX_BYTES + 64 * 1024
    ),
    Endpoint("DELETE", f"{_PATH}/{{name}}", "drug-tables-retire", retired, status=204),
    Endpoint("GET", f"{_PATH}/{{name}}/{{table}}", "drug-tables-export", exported),
)
