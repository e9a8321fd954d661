"""The chart being written: one transaction Bundle, its random source, and the small FHIR forms everything uses."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from api.demo.vocabulary import UCUM, Code
from domain.identity import FhirJson


class Chart:
    """Collects resources in the order in which they are written; `random` decides everything that is left to chance.

    Each resource has an id drawn from `random` and is put under it, so that loading a chart twice stores it once.
    """

    def __init__(self, seed: str) -> None:
        # Not for secrets: the point is that everybody gets the same patients.
        self.random = random.Random(seed)  # noqa: S311
        self.entries: list[FhirJson] = []

    def add(self, resource: FhirJson) -> str:
        """Write a resource into the chart; returns the `urn:uuid` by which the others refer to it."""
        identity = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        kind = resource["resourceType"]
        content = {"resourceType": kind, "id": identity, **resource}
        request = {"method": "PUT", "url": f"{kind}/{identity}"}
        self.entries.append({"fullUrl": f"urn:uuid:{identity}", "resource": content, "request": request})
        return f"urn:uuid:{identity}"

    def bundle(self) -> FhirJson:
        return {"resourceType": "Bundle", "type": "transaction", "entry": self.entries}


def reference(target: str, display: str | None = None) -> FhirJson:
    return {"reference": target, **({"display": display} if display else {})}


def concept(system: str, code: Code) -> FhirJson:
    return {"coding": [{"system": system, "code": code.code, "display": code.display}], "text": code.display}


def coded(system: str, code: str) -> FhirJson:
    return {"coding": [{"system": system, "code": code}]}


def quantity(value: float, unit: str, decimals: int) -> FhirJson:
    """A UCUM quantity with exactly `decimals` decimals, as a laboratory prints it."""
    return {"value": decimal(value, decimals), "unit": unit, "system": UCUM, "code": unit}


def decimal(value: float, decimals: int) -> Decimal:
    return Decimal(f"{value:.{decimals}f}")


def moment(day: date, minutes: int = 0) -> str:
    """A dateTime: `minutes` after eight o'clock on that day, UTC."""
    start = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    return (start + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def narrative(*lines: str) -> FhirJson:
    """A generated narrative: https://hl7.org/fhir/R4/narrative.html"""
    rows = "".join(f"<p>{line}</p>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{rows}</div>'}
