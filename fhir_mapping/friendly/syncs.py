"""Synchronisation as FHIR: runs and requests as Task, where something came from as Provenance.

https://hl7.org/fhir/R4/task.html, https://hl7.org/fhir/R4/provenance.html. Codes of what a run takes and gives are our own.
Every Task has the patient as its `focus` and every Provenance as a target, so that they are in the patient's compartment,
sealed with the patient's key: `for` alone does not put a Task there.
 https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.clinic.provider_ports import Connection
from domain.clinic.sync_items import Coming
from domain.clinic.sync_records import RequestCard, RequestForm, RequestStatus, Sent
from domain.clinic.sync_runs import Run, State
from domain.clinic.sync_troubles import ADVICE
from domain.identity import FhirJson
from fhir_mapping.friendly.elements import concept, day, first, instant, moment, put, reference, to
from fhir_mapping.friendly.refills import SYSTEM

RUN, REQUEST = "provider-sync", "document-request"
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_AGENT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_STATES: dict[State, str] = {
    "QUEUED": "requested",
    "RUNNING": "in-progress",
    "COMPLETED": "completed",
    "PARTIAL": "completed",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
_STATUSES: dict[str, RequestStatus] = {"accepted": "ACCEPTED", "completed": "COMPLETED", "rejected": "DECLINED"}


class Syncs:
    """Implements `domain.clinic.sync_records.SyncRecords`."""

    def task(self, run: Run, documents: Sequence[str]) -> FhirJson:
        """See `SyncRecords.task`."""
        content: FhirJson = {
            "resourceType": "Task",
            "id": run.id,
            "status": _STATES[run.state],
            "intent": "order",
            "code": concept("Synchronisation with the provider", system=SYSTEM, code=RUN),
            "for": to(f"Patient/{run.patient}"),
            "focus": to(f"Patient/{run.patient}"),
            "authoredOn": instant(run.created),
            "lastModified": instant(run.ended or run.started or run.created),
            "input": [_part("trigger", valueCode=run.trigger.lower())],
        }
        asked = next(iter(run.by), None)
        put(content, "requester", None if asked is None or asked.startswith("User/") else to(asked))
        if run.started is not None:
            content["executionPeriod"] = {"start": instant(run.started)}
            put(content["executionPeriod"], "end", run.ended and instant(run.ended))
        if run.open:
            return content
        causes = list(dict.fromkeys(each.cause for each in run.progress.troubles))
        reason = " ".join(ADVICE[cause].detail for cause in causes)
        put(content, "statusReason", concept(reason, system=SYSTEM, code=causes[0]) if causes else None)
        content["output"] = [*_totals(run), *(_part("document", valueReference=to(each)) for each in documents)]
        return content

    def provenance(self, run: Run, connection: Connection, targets: Sequence[str], coming: Coming) -> FhirJson:
        """See `SyncRecords.provenance`."""
        patient = f"{connection.base}/Patient/{connection.remote_patient}"
        return {
            "resourceType": "Provenance",
            "target": [to(each) for each in (f"Patient/{run.patient}", *targets)],
            "recorded": instant(run.ended or run.created),
            "occurredDateTime": instant(run.started or run.created),
            "activity": {
                "coding": [
                    {"system": _LIFECYCLE, "code": "receive"},
                    {"system": _OPERATION, "code": "CREATE" if coming == "NEW" else "UPDATE"},
                ]
            },
            "agent": [{"type": concept(system=_AGENT, code="author"), "who": {"display": connection.name}}],
            "entity": [{"role": "source", "what": {"reference": patient}}],
        }

    def request(self, form: RequestForm, patient: str, *, by: str | None, now: datetime) -> FhirJson:
        """See `SyncRecords.request`."""
        content: FhirJson = {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "code": concept("Request for documents", system=SYSTEM, code=REQUEST),
            "description": form.message,
            "for": to(f"Patient/{patient}"),
            "focus": to(f"Patient/{patient}"),
            "authoredOn": instant(now),
            "lastModified": instant(now),
            "input": [_part("type", valueString=each) for each in form.types],
        }
        if form.since is not None:
            content["input"].append(_part("from", valueDate=form.since.isoformat()))
        if form.until is not None:
            content["input"].append(_part("to", valueDate=form.until.isoformat()))
        put(content, "requester", None if by is None else to(by))
        return content

    def sent(self, request: FhirJson, sent: Sent, now: datetime) -> FhirJson:
        """See `SyncRecords.sent`."""
        content = {**request, "lastModified": instant(now)}
        put(content, "statusReason", None if sent.note is None else concept(sent.note))
        if sent.remote is not None:
            content["status"] = "accepted"
            content["output"] = [_part("remote", valueString=sent.remote)]
        return content

    def for_provider(self, request: FhirJson, connection: Connection) -> FhirJson:
        """See `SyncRecords.for_provider`."""
        kept = ("resourceType", "status", "intent", "code", "description", "authoredOn", "input")
        content = {name: request[name] for name in kept if name in request}
        content["identifier"] = [{"system": f"{SYSTEM}:{REQUEST}", "value": request["id"]}]
        return {**content, "for": to(f"Patient/{connection.remote_patient}")}

    def request_card(self, content: FhirJson, *, version: int, updated: datetime) -> RequestCard | None:
        """See `SyncRecords.request_card`."""
        if first(content.get("code", {}).get("coding"), SYSTEM).get("code") != REQUEST:
            return None
        patient = reference(content.get("for"))
        types = [each["valueString"] for each in _parts(content, "input", "type") if "valueString" in each]
        since, until = (_value(content, "input", name, "valueDate") for name in ("from", "to"))
        return RequestCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            created_at=moment(content.get("authoredOn")),
            patient_id=None if patient is None else patient.id,
            status=_STATUSES.get(content["status"], "REQUESTED"),
            types=tuple(types),
            since=day(since),
            until=day(until),
            message=content.get("description"),
            remote=_value(content, "output", "remote", "valueString"),
            note=content.get("statusReason", {}).get("text"),
        )

    def waiting(self, patient: str) -> list[tuple[str, str]]:
        """See `SyncRecords.waiting`."""
        return [("patient", patient), ("code", f"{SYSTEM}|{REQUEST}"), ("status", "requested"), ("_total", "none")]


def _totals(run: Run) -> list[FhirJson]:
    tallies = run.progress.tallies
    counts = {
        "total": sum(each.total for each in tallies),
        "new": sum(each.new for each in tallies),
        "changed": sum(each.changed for each in tallies),
        "errors": sum(each.errors for each in tallies),
    }
    return [_part(name, valueInteger=count) for name, count in counts.items()]


def _part(name: str, **value: object) -> FhirJson:
    return {"type": concept(system=SYSTEM, code=name), **value}


def _parts(content: FhirJson, where: str, name: str) -> list[FhirJson]:
    rows: list[FhirJson] = content.get(where, [])
    return [each for each in rows if first(each.get("type", {}).get("coding"), SYSTEM).get("code") == name]


def _value(content: FhirJson, where: str, name: str, element: str) -> str | None:
    found: str | None = next((each.get(element) for each in _parts(content, where, name)), None)
    return found
