"""What a patient eats and does not: food allergies, and restrictions they have chosen.

https://hl7.org/fhir/R4/allergyintolerance.html, https://hl7.org/fhir/R4/nutritionorder.html. An allergy is a matter of
safety and stands with all others, one by one; restrictions are one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.identity import FhirJson


class DietRecords(Protocol):
    """Diets to resources and back. Implemented by `fhir_mapping.friendly.diet`."""

    def allergy(self, substance: str, *, patient: str, author: str | None, now: datetime) -> FhirJson:
        """A food allergy by its name."""
        ...

    def substance(self, allergy: FhirJson) -> str | None:
        """What the allergy is called; `None` for one that is over, refuted or wrong."""
        ...

    def over(self, allergy: FhirJson) -> FhirJson | None:
        """The same allergy, no longer there; `None` for one that was confirmed: no list of wishes takes that away."""
        ...

    def restricted(
        self, restrictions: Sequence[str], *, patient: str, author: str | None, now: datetime, base: FhirJson | None
    ) -> FhirJson:
        """The NutritionOrder of these restrictions; revoked when there are none."""
        ...

    def restrictions(self, order: FhirJson) -> tuple[str, ...]:
        """What an order in force says not to eat, or to prefer."""
        ...
