"""Vital signs, each with its LOINC code and the UCUM units it may come in, as data.

https://hl7.org/fhir/R4/observation-vitalsigns.html: the codes are those of the vital signs profile, the units those of
its value set. A unit that is not in the row of a sign is refused: a weight of 180 without saying pounds has killed people.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta

from domain.clinic.chart import Moment, Note, Said, Shown


class Sign(NamedTuple):
    """What a sign is called, its LOINC code, and its UCUM units, the first of them the usual one."""

    label: str
    loinc: str
    units: tuple[str, ...]


Kind: TypeAlias = Literal[
    "heart-rate", "respiratory-rate", "body-temperature", "oxygen-saturation", "blood-pressure", "body-height",
    "body-weight", "bmi", "head-circumference",
]  # fmt: skip
_LENGTHS = ("cm", "[in_i]")

SIGNS: Mapping[str, Sign] = {
    "heart-rate": Sign("Heart rate", "8867-4", ("/min",)),
    "respiratory-rate": Sign("Respiratory rate", "9279-1", ("/min",)),
    "body-temperature": Sign("Body temperature", "8310-5", ("Cel", "[degF]")),
    "oxygen-saturation": Sign("Oxygen saturation", "2708-6", ("%",)),
    "blood-pressure": Sign("Blood pressure panel", "85354-9", ("mm[Hg]",)),
    "body-height": Sign("Body height", "8302-2", _LENGTHS),
    "body-weight": Sign("Body weight", "29463-7", ("kg", "g", "[lb_av]")),
    "bmi": Sign("Body mass index", "39156-5", ("kg/m2",)),
    "head-circumference": Sign("Head circumference", "9843-4", _LENGTHS),
}
SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"

Amount: TypeAlias = Annotated[Decimal, Meta(description="A number; its digits are kept")]
Number: TypeAlias = int | float


class VitalSignForm(Said, frozen=True, kw_only=True):
    """`value` in `unit`, a UCUM code; of a blood pressure `systolic` and `diastolic`. Without a unit it is the usual one."""

    type: Kind
    taken_at: Moment
    value: Amount | None = None
    systolic: Amount | None = None
    diastolic: Amount | None = None
    unit: Annotated[str, Meta(max_length=20)] | None = None
    note: Note | None = None


class VitalSignCard(Shown, frozen=True, kw_only=True):
    """A vital sign as it stands in the chart. `type` is `other` for what another client wrote with a code of its own."""

    type: str
    label: str | None
    status: str
    taken_at: datetime | None
    value: Number | None
    systolic: Number | None
    diastolic: Number | None
    unit: str | None
    note: str | None
    author: str | None
