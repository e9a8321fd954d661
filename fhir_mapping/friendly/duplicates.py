"""A Patient as the duplicate rule looks at it, and the searches that find whoever may be the same person.

https://hl7.org/fhir/R4/patient.html#search. Facts are in the form the index has them in, so that what is equal here is
found there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from domain.clinic.duplicates import Likeness
from domain.identity import FhirJson
from fhir_mapping.friendly.elements import name_of
from fhir_mapping.person import person_of
from fhir_mapping.search_values.escaping import escape
from fhir_mapping.search_values.string import normalised

_MOST = 10
"""Values of one kind that are looked up."""
_BEGINNING = 3
"""Letters of a word: names that are alike begin alike in at least one of theirs."""


class Duplicates:
    """Implements `domain.clinic.duplicates.ReadLikeness`."""

    def likeness(self, patient: FhirJson) -> Likeness:
        """See `ReadLikeness.likeness`. Names of before count too: people marry."""
        texts = (name_of([each])[2] for each in patient.get("name", ()) if isinstance(each, dict))
        names = sorted({form for text in texts if text and (form := normalised(text))})
        person = msgspec.structs.replace(person_of(patient), gender=frozenset(), postal_code=frozenset())
        return Likeness(tuple(names), person)

    def lookups(self, found: Likeness) -> Mapping[str, Sequence[tuple[str, str]]]:
        """See `ReadLikeness.lookups`."""
        person = found.person
        values = {
            "identifier": [f"{escape(system)}|{escape(value)}" for system, value in sorted(person.identifiers)],
            "telecom": [escape(each) for each in sorted(person.telecom)],
            "birthdate": sorted(person.birth_date),
        }
        fact = {"identifier": "externalId", "telecom": "telecom", "birthdate": "dateOfBirth"}
        return {fact[name]: [(name, ",".join(rows[:_MOST]))] for name, rows in values.items() if rows}

    def narrowed(self, found: Likeness) -> Sequence[tuple[str, str]]:
        """See `ReadLikeness.narrowed`."""
        words = {word[:_BEGINNING] for name in found.names for word in name.split()}
        if not words:
            return ()
        return [("birthdate", ",".join(sorted(found.person.birth_date))), ("name", ",".join(sorted(words)[:_MOST]))]
