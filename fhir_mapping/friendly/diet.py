"""A diet as AllergyIntolerances and a NutritionOrder: see `domain/clinic/diet.py`.

Words that are diets of https://terminology.hl7.org/CodeSystem/diet carry their code; the others are text.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime

from domain.clinic.allergies import AllergyForm
from domain.clinic.chart import Entry
from domain.identity import FhirJson
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.allergies import CLINICAL, VERIFICATION, Allergies
from fhir_mapping.friendly.elements import concept, instant, put, text_of, to

DIET = "http://terminology.hl7.org/CodeSystem/diet"
DIETS = frozenset({"vegetarian", "dairy-free", "nut-free", "gluten-free", "vegan", "halal", "kosher"})


class Diets:
    """Implements `domain.clinic.diet.DietRecords`."""

    def allergy(self, substance: str, *, patient: str, author: str | None, now: datetime) -> FhirJson:
        """See `DietRecords.allergy`. Said by the patient and by nobody tested: unconfirmed."""
        form = AllergyForm(substance=substance, category="food", certainty="unconfirmed")
        return Allergies().to_fhir(Entry(form, patient, author), base=None, now=now)

    def substance(self, allergy: FhirJson) -> str | None:
        """See `DietRecords.substance`."""
        over = coded.code_in(allergy.get("clinicalStatus"), CLINICAL) in ("inactive", "resolved")
        wrong = coded.code_in(allergy.get("verificationStatus"), VERIFICATION) in ("refuted", "entered-in-error")
        return None if over or wrong else text_of(allergy.get("code"))

    def over(self, allergy: FhirJson) -> FhirJson | None:
        """See `DietRecords.over`."""
        if coded.code_in(allergy.get("verificationStatus"), VERIFICATION) != "unconfirmed":
            return None
        return {**allergy, "clinicalStatus": coded.single(CLINICAL, "resolved")}

    def restricted(
        self, restrictions: Sequence[str], *, patient: str, author: str | None, now: datetime, base: FhirJson | None
    ) -> FhirJson:
        """See `DietRecords.restricted`. Rule nor-1 wants something to eat: the diet that the restrictions describe."""
        content: FhirJson = copy.deepcopy(base) if base else _order(patient, author, now)
        content["status"] = "active" if restrictions else "revoked"
        if restrictions and self.restrictions(content) != tuple(restrictions):
            content["foodPreferenceModifier"] = [_restriction(each) for each in restrictions]
            content["oralDiet"] = {"type": [{"text": ", ".join(restrictions)}]}
        return content

    def restrictions(self, order: FhirJson) -> tuple[str, ...]:
        """See `DietRecords.restrictions`."""
        if order.get("status") != "active":
            return ()
        rows = (*order.get("foodPreferenceModifier", ()), *order.get("excludeFoodModifier", ()))
        return tuple(text for each in rows if (text := text_of(each)))


def _restriction(text: str) -> FhirJson:
    word = "-".join(text.casefold().split())
    return concept(text, system=DIET, code=word) if word in DIETS else concept(text)


def _order(patient: str, author: str | None, now: datetime) -> FhirJson:
    content: FhirJson = {
        "resourceType": "NutritionOrder",
        "status": "active",
        "intent": "plan",
        "patient": to(f"Patient/{patient}"),
        "dateTime": instant(now),
    }
    put(content, "orderer", author and author.startswith("Practitioner") and to(author))
    return content
